"""The processes of a run: starting them, killing them, and the embedded servers too.

The rule: only what belongs to the run's folder is killed. A child is started again at once; a server is not, since whoever
misses it has to start it.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.running import PROJECT, environment

SERVERS = ("stream", "online")
CUT = "online, its newest writes lost"
"""A kill after which the append-only file lacks what was not synced yet, as `everysec` allows."""
_UNSYNCED_S = 0.5


class House:
    """The children and servers of one run."""

    def __init__(self, base: Path, roles: list[str], seed: int) -> None:
        self.base, self.roles, self._seed = base, roles, seed
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._starts = 0

    def start(self, role: str) -> None:
        """Start a child."""
        (self.base / f"{role}.ready").unlink(missing_ok=True)
        self._starts += 1
        seed = str(self._seed) if role == "ingester" else f"{self._seed}-{self._starts}"
        command = [sys.executable, "-m", "tests.chaos.child", role, str(self.base), seed]
        with (self.base / f"{role}.log").open("ab") as log:
            self._children[role] = subprocess.Popen(command, cwd=PROJECT, env=environment(), stdout=log, stderr=log)

    def kill(self, what: str, drawn: random.Random) -> str | None:
        """Kill a child and start it again, or kill a server; what it was in the end, None where there was no such server."""
        if what in self.roles:
            self.end(what)
            self.start(what)
            return what
        if what == CUT:
            return self._cut(drawn)
        return what if kill_server(self.base, what) else None

    def end(self, role: str) -> None:
        """Kill a child for good."""
        self.check()
        self._children[role].kill()
        self._children.pop(role).wait()

    def check(self) -> None:
        """That no child ended by itself."""
        for role, child in self._children.items():
            assert child.poll() is None, f"the {role} ended with {child.returncode}:\n{self.said(role)}"

    def is_ready(self, role: str) -> bool:
        """Whether a child has begun its work."""
        return (self.base / f"{role}.ready").exists()

    def said(self, role: str) -> str:
        """The last that a role has told."""
        return (self.base / f"{role}.log").read_text()[-3000:]

    def close(self) -> None:
        """Leave nothing of it, whatever state it is in."""
        for child in self._children.values():
            child.kill()
            child.wait()
        for server in SERVERS:
            kill_server(self.base, server)

    def _cut(self, drawn: random.Random) -> str | None:
        """Kill the online server, and let its newest writes be lost: a part of those of the last moment."""
        before = _append_only_file(self.base)
        size = before.stat().st_size if before else 0
        time.sleep(drawn.uniform(0, _UNSYNCED_S))
        if not kill_server(self.base, "online"):
            return None
        after = _append_only_file(self.base)
        if before is not None and after == before and (end := after.stat().st_size) > size:
            os.truncate(after, drawn.randint(size, end - 1))
            return CUT
        return "online"  # nothing was written meanwhile, or to another file


def kill_server(base: Path, name: str) -> bool:
    """Kill the embedded server of that name, if it lives."""
    found = [int(place.name) for place in Path("/proc").glob("[0-9]*") if _works_in(place, base / "root" / name)]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(found)


def _works_in(place: Path, folder: Path) -> bool:
    with contextlib.suppress(OSError):  # it ended meanwhile, or is somebody else's
        return (place / "cwd").readlink() == folder
    return False


def _append_only_file(base: Path) -> Path | None:
    """Where the online server appends now."""
    found = sorted((base / "root" / "online" / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None
