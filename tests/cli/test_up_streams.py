"""`tilefold up` over a stream: its writer, the order of its end, and that a stopped machine comes back with every event."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.writers import START_S, counted, push
from tests.running import Up, family, of_root, processes, until
from tilefold import Workspace

Start = Callable[[], Up]
PUSHES, AT_ONCE = 30, 20


@pytest.fixture
def start(root: Path, streams: Path) -> Iterator[Start]:
    """Starts one; what is left of it is killed."""
    started: list[Up] = []

    def begin() -> Up:
        started.append(Up(root, "--definitions", str(streams)))
        return started[-1]

    yield begin
    for up in started:
        up.kill()


def writes(ws: Workspace) -> bool:
    """Whether a writer owns all shards."""
    return len(ws.stream_standing("clicks").owners) == 4


def wait_until_it_writes(up: Up, ws: Workspace) -> None:
    """Return when its writer owns all shards; that it ended before is a failure."""

    def ready() -> bool:
        assert up.process.poll() is None, up.said
        return writes(ws)

    until(ready, START_S, "its writer", 0.1)


def opened(up: Up, root: Path, streams: Path) -> Workspace:
    """A workspace beside it, which owns no server."""
    until(lambda: up.process.poll() is not None or (root / "stream/address.json").exists(), START_S, "its servers", 0.1)
    assert up.process.poll() is None, up.said
    return Workspace(root, str(streams))


def killed(root: Path) -> set[int]:
    """Kill what lives of a root; who that was."""
    left = of_root(root)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return left


@pytest.mark.system
def test_its_writer_folds_and_ends_with_it(start: Start, tilefold: Run, root: Path, streams: Path) -> None:
    """Pushed events are visible through its writer and doctor has nothing to mend; at its end nothing of it is left."""
    up = start()
    with opened(up, root, streams) as ws:
        wait_until_it_writes(up, ws)
        push(ws, "a", "b")
        assert counted(ws) == 2
        assert "ok    stream clicks: 2 events accepted, " in tilefold("doctor", "--definitions", str(streams))[1]
        up.wait_until_it_answers()
        members = family(up.process.pid)
        assert "write-stream" in " ".join(members.values())
        up.process.send_signal(signal.SIGTERM)
        code, said = up.wait_for_its_end()
    assert (code, "Traceback" in said, members.keys() & processes().keys()) == (0, False, set())
    wrote = (root / "dagster/output/writer.log").read_text()
    assert ("writes shards 0, 1, 2, 3" in wrote, "waits:" in wrote) == (True, False)


@pytest.mark.system
def test_after_a_kill_of_everything_each_event_is_there_once(start: Start, root: Path, streams: Path) -> None:
    """Killed with all its processes right after pushes and started again, it has lost none of what was acknowledged."""
    up = start()
    with opened(up, root, streams) as ws:
        wait_until_it_writes(up, ws)
        acknowledged = []
        for batch in range(PUSHES):
            ids = [f"{batch}-{number}" for number in range(AT_ONCE)]
            push(ws, *ids, visible=False)
            acknowledged += ids
        for pid in of_root(root) | family(up.process.pid).keys():
            os.kill(pid, signal.SIGKILL)
        up.process.wait()
    again = start()
    with opened(again, root, streams) as ws:
        wait_until_it_writes(again, ws)
        until(lambda: ws.stream_standing("clicks").lag == 0, START_S, "its writer", 0.1)
        assert counted(ws) == len(acknowledged)
        ws.drain("clicks")
        rows = ws.event_log("clicks").snapshot().scan(columns=["event_id"]).collect()["event_id"]
        assert sorted(rows) == sorted(acknowledged)


@pytest.mark.system
def test_a_writer_that_outlives_it_ends(start: Start, root: Path, streams: Path) -> None:
    """Where it alone is killed, its writer ends by itself and lets the shards go."""
    up = start()
    with opened(up, root, streams) as ws:
        wait_until_it_writes(up, ws)
        members = family(up.process.pid)
        os.kill(up.process.pid, signal.SIGKILL)
        (writer,) = [pid for pid, command in members.items() if "write-stream" in command]
        until(lambda: writer not in processes(), START_S, "the writer's end", 0.1)
        assert ws.stream_standing("clicks").owners == {}
    until(lambda: not killed(root), START_S, "the end of what was left", 0.1)
