"""`tilefold up` as people start it: a process of its own, with everything behind it, and nothing of it left in the end."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
TILEFOLD = (sys.executable, "-c", "from tilefold.cli import main; main()")
TILEFOLD_UP = (*TILEFOLD, "up")
MAKE_UP = ("make", "-o", ".venv/.installed", f"BIN={Path(sys.executable).parent}", "up")
START_S = 180.0
STOP_S = 60.0


class Started:
    """A command that runs on a port and in a session of its own, and what it has told so far."""

    def __init__(self, command: Sequence[str], port: int, log: Path, given: Mapping[str, str]) -> None:
        self.port, self.log = port, log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=PROJECT, env=environment() | given, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """What it has told so far."""
        return self.log.read_text()

    def wait_for_an_answer(self, path: str, limit_s: float) -> None:
        """Return when it answers there; that it ended before is a failure."""

        def answered() -> bool:
            assert self.process.poll() is None, self.said
            return answers(f"{self.url}{path}")

        until(answered, limit_s, f"{self.url}{path}")


class Up(Started):
    """A started `tilefold up`, or `make up`, over a root folder."""

    def __init__(self, root: Path, *options: str, command: Sequence[str] = TILEFOLD_UP) -> None:
        self.command, port = command, free_port()
        pairs = zip(options[::2], options[1::2], strict=True)
        given = {"--root": str(root), "--port": str(port), **dict(pairs)}
        env = {f"TILEFOLD_{name.removeprefix('--').upper()}": value for name, value in given.items()}
        super().__init__(command, port, root.with_name(f"{root.name}-up.log"), env)

    def wait_until_it_answers(self) -> None:
        """Return when the UI answers."""
        self.wait_for_an_answer("/server_info", START_S)

    def wait_for_its_end(self) -> tuple[int, str]:
        """Its exit code and what it said."""
        return self.process.wait(STOP_S), self.said

    def kill(self) -> None:
        """Leave nothing of it, whatever state it is in; nothing to do where it has ended."""
        members = family(self.process.pid) if self.process.poll() is None else {}
        for pid in members:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


def environment() -> dict[str, str]:
    """Ours, without what names another workspace or Dagster home, and without what `make` hands down."""
    ours = ("TILEFOLD_", "DAGSTER_", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def until(found: Callable[[], Any], limit_s: float, what: str, pause_s: float = 0.5) -> Any:
    """What is found, once it is."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        if value := found():
            return value
        time.sleep(pause_s)
    message = f"{what}: not within {limit_s:.0f} s"
    raise TimeoutError(message)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether somebody answers there."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (OSError, urllib.error.URLError):
        return False


def processes() -> dict[int, tuple[int, str]]:
    """All processes: parent and command line, by number; those that are dead and wait to be reaped too, without a command."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
            found[int(place.name)] = (int(parent), (place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def family(ancestor: int) -> dict[int, str]:
    """A process and all that come from it, with their command lines."""
    everybody, members = processes(), {ancestor}
    while new := {pid for pid, (parent, _) in everybody.items() if parent in members} - members:
        members |= new
    return {pid: everybody[pid][1] for pid in members if pid in everybody}


def of_root(root: Path) -> set[int]:
    """The processes that have this root in their environment, wherever they hang now."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"={root}\0".encode() in (place / "environ").read_bytes() + b"\0":
                found.add(int(place.name))
    return found
