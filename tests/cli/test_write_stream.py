"""`tilefold write-stream` with real processes: who writes, who takes over, what is said, and that each event counts once."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.writers import TAKEN_S, Writer, counted, push
from tests.running import TILEFOLD, until
from tilefold import Workspace

CHILD_OF_A_SHELL = ("sh", "-c", '"$@"; exit', "sh")
Start = Callable[..., Writer]


@pytest.fixture
def ws(root: Path, streams: Path) -> Iterator[Workspace]:
    """A workspace that owns the servers; it pushes and reads."""
    with Workspace(root, str(streams)) as opened:
        opened.stream_log("clicks")
        yield opened


@pytest.fixture
def start(ws: Workspace, root: Path, streams: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts writers; what is left of them is killed."""
    assert ws.root == str(root)
    started: list[Writer] = []

    def begin(*arguments: str) -> Writer:
        writer = Writer(root, streams, tmp_path / f"writer-{len(started)}.log", *arguments)
        started.append(writer)
        writer.wait_until_it_says("clicks: writes")
        return writer

    yield begin
    for writer in started:
        writer.kill()


def shares(ws: Workspace) -> dict[str, int]:
    """How many shards each writer owns."""
    owners = list(ws.stream_standing("clicks").owners.values())
    return {name: owners.count(name) for name in owners}


def test_it_writes_until_it_is_told_to_end(ws: Workspace, start: Start) -> None:
    """It owns all shards, folds what comes, exits with 0 on SIGTERM, and leaves the shards to whoever is next at once."""
    writer = start()
    assert list(shares(ws).values()) == [4]
    push(ws, "a", "b")
    assert counted(ws) == 2
    code, said = writer.end()
    assert (code, "Traceback" in said, shares(ws)) == (0, False, {})
    push(ws, "c")
    assert counted(ws) == 3


def test_two_share_the_work_and_count_once(ws: Workspace, start: Start) -> None:
    """A second one, by mistake or not, takes half of the shards; each event counts once."""
    start()
    start("clicks")
    until(lambda: sorted(shares(ws).values()) == [2, 2], TAKEN_S, "two shares", 0.05)
    for batch in range(20):
        push(ws, *(f"{batch}-{number}" for number in range(10)))
    assert counted(ws) == 200
    assert ws.stream_standing("clicks").lag == 0


def test_another_takes_over_from_a_killed_one(ws: Workspace, start: Start) -> None:
    """After `kill -9` of one its shards go to the other when the lease ends; who waits for an event meanwhile gets it."""
    first, _ = start(), start()
    until(lambda: sorted(shares(ws).values()) == [2, 2], TAKEN_S, "two shares", 0.05)
    push(ws, *map(str, range(50)))
    first.kill()
    push(ws, *map(str, range(50, 100)))
    assert counted(ws) == 100
    until(lambda: list(shares(ws).values()) == [4], TAKEN_S, "one share", 0.05)
    push(ws, *map(str, range(100, 150)))
    assert counted(ws) == 150


def test_without_any_writer_left_the_workspace_folds(ws: Workspace, start: Start) -> None:
    """Where the only writer was killed, who waits for an event folds it when the lease has ended."""
    writer = start()
    push(ws, "a")
    writer.kill()
    push(ws, "b")
    assert (counted(ws), shares(ws)) == (2, {})


@pytest.mark.parametrize("server", ["online", "stream"])
def test_a_killed_server_is_waited_out(ws: Workspace, start: Start, root: Path, server: str) -> None:
    """It says once that a store is away, brings an embedded one back, goes on, and has lost nothing."""
    writer = start()
    push(ws, "a", "b")
    os.kill(int((root / server / "server.pid").read_text()), signal.SIGKILL)
    writer.wait_until_it_says("goes on after")
    push(ws, "c")
    assert counted(ws) == 3
    _, said = writer.end()
    assert (said.count("waits:"), "Traceback" in said) == (1, False)


def test_it_ends_with_its_parent(ws: Workspace, root: Path, streams: Path, tmp_path: Path) -> None:
    """Told to, it ends when the process that started it was killed, and lets its shards go."""
    writer = Writer(root, streams, tmp_path / "child.log", "--with-parent", command=(*CHILD_OF_A_SHELL, *TILEFOLD))
    try:
        writer.wait_until_it_says("clicks: writes")
        assert list(shares(ws).values()) == [4]
    finally:
        writer.kill()
    until(lambda: shares(ws) == {}, TAKEN_S, "its end", 0.05)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("write-stream", "click"), "Did you mean clicks?"),
        (("write-stream", "orders"), "only a StreamSource takes pushed events"),
    ],
)
def test_a_wrong_source_is_told(tilefold: Run, streams: Path, arguments: tuple[str, ...], told: str) -> None:
    """A source that is not declared, or takes no pushed events, is the caller's mistake."""
    code, _, err = tilefold(*arguments, "--definitions", str(streams))
    assert (code, told in err) == (2, True)


def test_definitions_without_a_stream_are_told(tilefold: Run) -> None:
    """Where nothing is pushed there is nothing to write."""
    code, _, err = tilefold("write-stream")
    assert (code, "Declare a StreamSource" in err) == (2, True)


def test_a_store_that_is_away_at_the_start_is_told(tilefold: Run, streams: Path, online_url: str) -> None:
    """A stream URL that nobody answers at is the environment's fault; no traceback, no password."""
    address = ("--online", online_url, "--stream", "redis://:secret@127.0.0.1:1/0")
    code, _, err = tilefold("write-stream", "--definitions", str(streams), *address)
    assert (code, "stream log" in err, "secret" in err) == (1, True, False)
    assert re.search("Traceback", err) is None
