"""`tilefold up` with real processes: it starts them all, and whatever ends it leaves none."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import Run

PROJECT = Path(__file__).parents[2]
START_TIMEOUT_S = 150
STOP_TIMEOUT_S = 60
TILEFOLD_UP = (sys.executable, "-c", "from tilefold.cli import main; main()", "up")
MAKE_UP = ("make", "-o", ".venv/.installed", f"BIN={Path(sys.executable).parent}", "up")
PARTS = ("dagster_webserver", "dagster._daemon", "dagster api grpc", "valkey-server")


class Up:
    """A started `tilefold up`, or `make up`, in a session of its own, as a terminal has one."""

    def __init__(self, root: Path, definitions: Path, command: Sequence[str]) -> None:
        self.port, self.root = free_port(), root
        env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "TILEFOLD_"))}
        env |= {"TILEFOLD_ROOT": str(root), "TILEFOLD_DEFINITIONS": str(definitions), "TILEFOLD_PORT": str(self.port)}
        self.process = subprocess.Popen(
            command, cwd=PROJECT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

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


@pytest.fixture
def up(root: Path, definitions: Path, request: pytest.FixtureRequest) -> Iterator[Up]:
    """One that answers; killed with its family, if the test left it."""
    started = Up(root, definitions, getattr(request, "param", TILEFOLD_UP))
    try:
        started.wait_until_it_answers()
        yield started
    finally:
        for pid in family(started.process.pid) if started.process.poll() is None else {}:
            os.kill(pid, signal.SIGKILL)
        started.process.wait()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("up", "end"),
    [(TILEFOLD_UP, "SIGTERM"), (TILEFOLD_UP, "Ctrl-C"), (MAKE_UP, "SIGTERM")],
    indirect=["up"],
    ids=["SIGTERM", "Ctrl-C", "SIGTERM to make"],
)
def test_what_ends_it_stops_every_process_and_loses_nothing(tilefold: Run, root: Path, up: Up, end: str) -> None:
    """No process of it is left, not even a dead one, when it has exited; features are there again after."""
    assert tilefold("materialize", "spend")[0] == 0
    served = tilefold("get", "spend", "user=1", "--json")[1]
    members = family(up.process.pid)
    commands = " ".join(members.values())
    assert [part for part in PARTS if part not in commands] == []
    assert of_root(root) <= members.keys()
    up.process.send_signal(signal.SIGTERM) if end == "SIGTERM" else os.killpg(up.process.pid, signal.SIGINT)
    code, said = up.wait_for_its_end()
    left = members.keys() & processes().keys()
    assert (left, of_root(root)) == (set(), set())
    assert "Traceback" not in said
    assert code == 0 or "make" in up.process.args[0]
    assert (root / "dagster/dagster.yaml").is_file()
    assert tilefold("get", "spend", "user=1", "--json")[1] == served


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
