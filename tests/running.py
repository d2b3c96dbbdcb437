"""`tilefold up` as people start it: a process of its own, with everything behind it, and nothing of it left in the end."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
TILEFOLD = (sys.executable, "-c", "from tilefold.cli import main; main()")
START_S = 180.0
STOP_S = 60.0


class Up:
    """A started `tilefold up` over a root folder, on a port of its own."""

    def __init__(self, root: Path, *options: str) -> None:
        self.port = free_port()
        self.log = root.with_name(f"{root.name}-up.log")
        command = [*TILEFOLD, "up", "--root", str(root), "--port", str(self.port), *options]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=PROJECT, env=environment(), stdout=output, stderr=output)

    @property
    def url(self) -> str:
        """Where the UI is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """What it has told so far."""
        return self.log.read_text()

    def wait_until_it_answers(self) -> None:
        """Return when the UI answers; that it ended before is a failure."""

        def answered() -> bool:
            assert self.process.poll() is None, self.said
            return answers(f"{self.url}/server_info")

        until(answered, START_S, "the UI")

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
    """Ours, without what names another workspace or Dagster home."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TILEFOLD_", "DAGSTER_"))}


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
    """All processes: parent and command line, by number; those that only wait to be reaped are left out."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,stat,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 3) for line in listed.splitlines()[1:]]
    return {int(pid): (int(parent), command) for pid, parent, state, command in rows if not state.startswith("Z")}


def family(ancestor: int) -> dict[int, str]:
    """A process and all that come from it, with their command lines."""
    everybody, members = processes(), {ancestor}
    while new := {pid for pid, (parent, _) in everybody.items() if parent in members} - members:
        members |= new
    return {pid: everybody[pid][1] for pid in members if pid in everybody}
