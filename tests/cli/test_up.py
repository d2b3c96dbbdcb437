"""`tilefold up` with real processes: it starts them all, and whatever ends it leaves none."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run

PROJECT = Path(__file__).parents[2]
START_TIMEOUT_S = 150
STOP_TIMEOUT_S = 60
PARTS = ("dagster_webserver", "dagster._daemon", "dagster api grpc", "valkey-server")


class Up:
    """A started `tilefold up`."""

    def __init__(self, root: Path, definitions: Path) -> None:
        self.port = free_port()
        command = [sys.executable, "-c", "from tilefold.cli import main; main()", "up", "--port", str(self.port)]
        where = ["--root", str(root), "--definitions", str(definitions)]
        self.process = subprocess.Popen([*command, *where], cwd=PROJECT, stderr=subprocess.PIPE, text=True)

    def wait_until_it_answers(self) -> None:
        """Return when the UI answers."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not answers(f"http://127.0.0.1:{self.port}/server_info"):
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline_s, "it never answered"
            time.sleep(0.2)

    def wait_for_its_end(self) -> tuple[int, str]:
        """Its exit code and what it said."""
        said = self.process.communicate(timeout=STOP_TIMEOUT_S)[1]
        return self.process.returncode, said


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


@pytest.fixture
def up(root: Path, definitions: Path) -> Iterator[Up]:
    """One that answers; killed with its family, if the test left it."""
    started = Up(root, definitions)
    try:
        started.wait_until_it_answers()
        yield started
    finally:
        for pid in family(started.process.pid) if started.process.poll() is None else {}:
            os.kill(pid, signal.SIGKILL)
        started.process.wait()


@pytest.mark.timeout(300)
def test_sigterm_stops_every_process_and_loses_nothing(tilefold: Run, root: Path, definitions: Path, up: Up) -> None:
    """The UI, the daemon, their code servers and the store are gone when it has exited; features are there again after."""
    assert tilefold("materialize", "spend")[0] == 0
    served = tilefold("get", "spend", "user=1", "--json")[1]
    members = family(up.process.pid)
    commands = " ".join(members.values())
    assert [part for part in PARTS if part not in commands] == []
    up.process.send_signal(signal.SIGTERM)
    code, said = up.wait_for_its_end()
    assert (code, "Traceback" in said) == (0, False)
    assert members.keys() & processes().keys() == set()
    assert (root / "dagster/dagster.yaml").is_file()
    assert tilefold("get", "spend", "user=1", "--json")[1] == served
    assert definitions.is_dir()


@pytest.mark.timeout(300)
def test_a_child_that_dies_ends_all(up: Up) -> None:
    """Where the daemon is killed it says so, stops the rest, and exits with 1; Ctrl-C meanwhile changes nothing."""
    members = family(up.process.pid)
    (daemon,) = [pid for pid, command in members.items() if "dagster._daemon" in command]
    os.kill(daemon, signal.SIGKILL)
    code, said = up.wait_for_its_end()
    assert (code, "daemon ended by itself with code -9" in said) == (1, True)
    assert members.keys() & processes().keys() == set()


def test_a_taken_port_is_told(tilefold: Run) -> None:
    """Nothing is started where the port is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, err = tilefold("up", "--port", str(taken.getsockname()[1]))
    assert code == 2
    assert "its address must be free (Address already in use)" in err
    assert "--port" in err


def test_a_folder_without_the_project_is_told(tilefold: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no Dagster project around, it says which folder to go to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tilefold.__file__", str(tmp_path / "lib/tilefold/__init__.py"))
    code, _, err = tilefold("up")
    assert (code, "Run it in the project's folder" in err) == (2, True)
