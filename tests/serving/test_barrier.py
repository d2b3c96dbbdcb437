"""Barriers of a source with a stream: behind one, no event of its epoch or a smaller one ever appears."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines import day
from tests.stores.logs import everything
from tests.streams import NOW, logged, opened, record, source, view_of
from tilefold import Workspace
from tilefold.errors import StoreUnavailableError
from tilefold.serving.barrier import take_barrier
from tilefold.stores.log_results import Barrier
from tilefold.stores.stream_log import Kind
from tilefold.stores.valkey_log import ValkeyLog

PUSHED = source()


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A workspace with a view of a stream."""
    with opened(tmp_path, online_url, stream_url, view_of(PUSHED)) as workspace:
        yield workspace


def barrier(ws: Workspace) -> Barrier:
    """The next barrier, as a compaction takes it."""
    return ws._parts.events("pushed").take_barrier(NOW, lambda: None)


def epochs(ws: Workspace, version: int | None = None) -> dict[str, int]:
    """The epoch of each event at a version of the event log."""
    rows = ws.event_log("pushed").snapshot(version).scan(columns=["event_id", "tf_epoch"]).collect()
    return dict(rows.rows())


def test_without_a_stream_it_is_a_commit(ws: Workspace) -> None:
    """A source without a stream log has the barrier that its event log claims."""
    log = ws.event_log("pushed")
    assert take_barrier(log, None, lambda: pytest.fail("nothing to drain")) == Barrier(1, 1)


def test_it_stands_in_every_shard_and_is_drained(ws: Workspace) -> None:
    """Its number is in every shard; the version it names holds all that stood before it, and nothing that came later."""
    ws.ingest("pushed", [record("a", 9, 1, "before")])
    taken = barrier(ws)
    ws.ingest("pushed", [record("a", 9, 2, "after")])
    ws.drain("pushed")
    numbers = [entry.number for some in everything(ws.stream_log("pushed")).values() for entry in some if entry.number]
    assert (taken.number, numbers) == (1, [1] * 4)
    assert epochs(ws, taken.version) == {"before": 1}
    assert epochs(ws) == {"before": 1, "after": 2}


def test_a_barrier_that_was_cut_short_is_harmless(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between its number and its entries, or before the drain, it leaves a gap that the next one closes."""
    ws.ingest("pushed", [record("a", 9, 1, "one")])

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    for owner, method in ((ValkeyLog, "append_barrier"), (ValkeyLog, "read")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, method, die)
            with pytest.raises(KeyboardInterrupt):
                barrier(ws)
        ws.ingest("pushed", [record("a", 9, 1, f"after {method}")])
    taken = barrier(ws)
    assert taken.number == 3
    assert epochs(ws, taken.version) == {"one": 1, "after append_barrier": 1, "after read": 3}


def test_a_log_that_loses_barriers_is_told(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream log that never shows the barrier ends in an error, not in a wait without end."""
    monkeypatch.setattr(ws.stream_log("pushed"), "append_barrier", lambda _: None)
    with pytest.raises(StoreUnavailableError, match="the drain must pass the barrier in every shard; got 1"):
        barrier(ws)


def test_compactions_take_barriers_through_the_stream(ws: Workspace) -> None:
    """What was pushed and never drained is in a compaction and in a materialization that begin afterwards."""
    ws.ingest("pushed", [record("a", 8, 3, "one")])
    assert ws.compact("spend", day(9)).events == 1
    ws.ingest("pushed", [record("a", 8, 4, "two")])
    assert next(ws.compact_range("spend", [day(9)])).events == 2
    ws.ingest("pushed", [record("a", 8, 5, "three")])
    report = ws.materialize("spend", day(9))
    assert report.compaction is not None
    assert (report.compaction.events, report.compaction.epoch) == (3, 3)
    assert epochs(ws) == {"one": 1, "two": 2, "three": 3}
    assert ws.materialize("spend", day(9)).skipped
    ws.ingest("pushed", [record("a", 8, 6, "four")])
    assert not ws.materialize("spend", day(9)).skipped
    numbers = [entry.number for entry in everything(ws.stream_log("pushed"))[0] if entry.kind is Kind.BARRIER]
    assert numbers == [1, 2, 3, 4]


def test_nothing_slips_behind_a_barrier(tmp_path: Path, online_url: str, stream_url: str, seed: int) -> None:
    """While events are pushed from several sides, every event that is drained after barrier n has an epoch above n."""
    stop = threading.Event()

    def push(number: int) -> None:
        with opened(tmp_path, online_url, stream_url, name=f"slips-{seed}") as mine:
            count = 0
            while not stop.is_set():
                mine.ingest("pushed", [record("a", 9, count, f"{number}-{count}-{each}") for each in range(5)])
                count += 1

    pushers = [threading.Thread(target=push, args=(number,)) for number in range(2)]
    with opened(tmp_path, online_url, stream_url, name=f"slips-{seed}") as ws:
        for pusher in pushers:
            pusher.start()
        drawn = random.Random(seed)
        taken = []
        for _ in range(6):
            stop.wait(drawn.uniform(0, 0.2))
            taken.append(barrier(ws))
        stop.set()
        for pusher in pushers:
            pusher.join()
        ws.drain("pushed")
        final = epochs(ws)
        for each in taken:
            held = epochs(ws, each.version)
            assert {event for event, epoch in final.items() if epoch <= each.number} <= held.keys()
        assert len(logged(ws)) == len(final) > 0
        assert len({each.number for each in taken}) == 6
