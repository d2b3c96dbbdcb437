"""`tilefold up` with real processes: it starts them all, and whatever ends it leaves none."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.running import MAKE_UP, TILEFOLD_UP, Up, answers, family, free_port, of_root, processes, until

PARTS = ("dagster_webserver", "dagster._daemon", "dagster api grpc", "valkey-server")


@pytest.fixture
def up(root: Path, definitions: Path, request: pytest.FixtureRequest) -> Iterator[Up]:
    """One that answers; killed with its family, if the test left it."""
    started = Up(root, "--definitions", str(definitions), command=getattr(request, "param", TILEFOLD_UP))
    try:
        started.wait_until_it_answers()
        yield started
    finally:
        started.kill()


@pytest.mark.system
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
    assert code == 0 or "make" in up.command[0]
    assert (root / "dagster/dagster.yaml").is_file()
    assert tilefold("get", "spend", "user=1", "--json")[1] == served


@pytest.mark.system
def test_a_child_that_dies_ends_all(up: Up) -> None:
    """Where the daemon is killed it says so, stops the rest, and exits with 1; Ctrl-C meanwhile changes nothing."""
    members = family(up.process.pid)
    (daemon,) = [pid for pid, command in members.items() if "dagster._daemon" in command]
    os.kill(daemon, signal.SIGKILL)
    code, said = up.wait_for_its_end()
    assert (code, "daemon ended by itself with code -9" in said) == (1, True)
    assert members.keys() & processes().keys() == set()


@pytest.mark.system
def test_a_second_one_on_the_same_root_is_told(tilefold: Run, up: Up) -> None:
    """Whichever port it asks for, it is told where the first one is, which stays as it was."""
    before = family(up.process.pid).keys()
    for port in (up.port, free_port()):
        code, _, err = tilefold("up", "--port", str(port))
        assert (code, "it must be the only one on its root" in err, f"Look at {up.url}" in err) == (2, True, True)
    assert before <= family(up.process.pid).keys()


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


@pytest.mark.system
def test_it_serves_where_it_is_asked_to(root: Path, definitions: Path) -> None:
    """With a port for it the feature server is up beside Dagster, whose checks know of it; nothing of it is left at the end."""
    port = free_port()
    command = (*TILEFOLD_UP, "--serve-port", str(port))
    up = Up(root, "--definitions", str(definitions), command=command)
    try:
        up.wait_until_it_answers()
        until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 60.0, "the server")
        environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in family(up.process.pid)]
        assert any(f"TILEFOLD_SERVER_URL=http://127.0.0.1:{port}".encode() in each for each in environments)
        up.process.send_signal(signal.SIGTERM)
        assert up.wait_for_its_end()[0] == 0
        assert of_root(root) == set()
    finally:
        up.kill()


def test_a_taken_port_of_the_server_is_told(tilefold: Run) -> None:
    """It is told which of both it is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, err = tilefold("up", "--port", str(free_port()), "--serve-port", str(taken.getsockname()[1]))
    assert (code, "the feature server: its address must be free" in err) == (2, True)
