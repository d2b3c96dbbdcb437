"""`tilefold replay` with real processes: features move, it goes on where it was, and nothing comes twice."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.running import PROJECT, TILEFOLD, environment, until
from tilefold import Workspace

START_S = 60.0
FEATURES = PROJECT / "features"
KEYS = {"carrier": "B6", "origin": "JFK"}
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace over the example features; it owns the servers."""
    with Workspace(tmp_path, str(FEATURES)) as opened:
        opened.open_streams()
        yield opened


@pytest.fixture
def start(ws: Workspace, tmp_path: Path) -> Iterator[Start]:
    """Starts replays; what is left of them is killed."""
    assert ws.root == str(tmp_path)
    started: list[subprocess.Popen[bytes]] = []

    def begin(*options: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "replay.log").open("ab") as log:
            command = [*TILEFOLD, "--root", str(tmp_path), "replay", *options]
            started.append(subprocess.Popen(command, cwd=PROJECT, env=environment(), stdout=log, stderr=log))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def counted(ws: Workspace) -> int:
    """How many departures of a week a read sees."""
    found: int = ws.get_features("live_delays", KEYS).values["live_delays.departure_delay_count_7d"]
    return found


def test_features_move_and_go_on_moving_after_a_kill(ws: Workspace, start: Start, tmp_path: Path) -> None:
    """Two weeks come at once, then one departure after the other; after `kill -9` it goes on, and no id is accepted twice."""
    first = start("--speed", "3600")
    began = until(lambda: counted(ws), START_S, "history", 0.1)
    until(lambda: counted(ws) > began + 5, START_S, "a move", 0.1)
    first.kill()
    first.wait()
    stopped = counted(ws)
    second = start("--speed", "3600")
    until(lambda: counted(ws) > stopped + 5, START_S, "another move", 0.1)
    second.send_signal(signal.SIGTERM)
    assert second.wait(START_S) == 0
    ws.drain("departures")
    ids = ws.event_log("departures").snapshot().scan(columns=["event_id"]).collect()["event_id"]
    assert ids.n_unique() == len(ids) == ws.stream_log("departures").events()
    said = (tmp_path / "replay.log").read_text()
    assert ("departures of the last two weeks" in said, said.count("at speed 3600"), "Traceback" in said) == (True, 2, False)


def test_a_second_one_is_told(ws: Workspace, start: Start, tilefold: Run, tmp_path: Path) -> None:
    """Another one on the same root is refused while the first goes on."""
    start()
    until(lambda: "Replaying" in (tmp_path / "replay.log").read_text(), START_S, "its start", 0.1)
    code, _, err = tilefold("replay", "--root", str(tmp_path), "--definitions", str(FEATURES))
    assert (code, "it must be the only one on its root" in err, counted(ws) > 0) == (2, True, True)


def test_a_wrong_speed_or_source_is_told(tilefold: Run, definitions: Path) -> None:
    """A speed out of its range, and definitions without departures, are the caller's mistakes; `up` knows them too."""
    code, _, err = tilefold("replay", "--speed", "0")
    assert (code, "60 brings an hour of flights in a minute" in err) == (2, True)
    code, _, err = tilefold("up", "--speed", "-3")
    assert (code, "its speed must be" in err) == (2, True)
    code, _, err = tilefold("replay", "--definitions", str(definitions))
    assert (code, "'departures'" in err) == (2, True)
