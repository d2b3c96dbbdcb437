"""How a stream stands, told from the stores, and what writers report with their claims."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines import day
from tests.streams import NOW, opened, record, source, view_of
from tilefold import Workspace
from tilefold.engine.time import to_us
from tilefold.errors import FormatError
from tilefold.serving.stream_standing import COUNTED_MAX
from tilefold.serving.writer_report import WriterReport
from tilefold.serving.writer_seat import WriterSeat

VIEW = view_of(source())
LEASE_S = 600.0


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A workspace with a stream view."""
    with opened(tmp_path, online_url, stream_url, VIEW) as workspace:
        yield workspace


def seat(ws: Workspace, name: str = "writer") -> WriterSeat:
    """A writer's seat, which closes nothing."""
    return WriterSeat(ws.stream_desk("pushed"), name, lambda: None)


def push(ws: Workspace, count: int) -> None:
    """Ingest events of a moment before now."""
    ws.ingest("pushed", [record(f"u{number % 50}", 9.4, number) for number in range(count)])


def test_without_a_stream_nothing_waits(ws: Workspace) -> None:
    """Before any event no view takes the stream, so there is no lag; nobody owns a shard."""
    found = ws.stream_standing("pushed")
    assert (found.lag, found.owners, found.writers, found.latest_us) == (None, {}, {}, None)


def test_the_lag_counts_events_and_no_barrier(ws: Workspace) -> None:
    """Where a writer owns the shards and does not step, what was pushed waits; a barrier in the log is no event."""
    sitting = seat(ws)
    sitting.claim(LEASE_S, 0.0, "")
    push(ws, 7)
    ws.compact("spend", day(9))
    assert ws.stream_standing("pushed").lag == 7
    while sitting.step(range(4), 1):
        pass
    found = ws.stream_standing("pushed")
    assert (found.lag, found.latest_us) == (0, to_us(day(9.4)))


def test_a_large_lag_is_told_by_positions(ws: Workspace) -> None:
    """Above ten thousand it is no less than what waits, and costs no reading."""
    seat(ws).claim(LEASE_S, 0.0, "")
    push(ws, COUNTED_MAX + 1)
    lag = ws.stream_standing("pushed").lag
    assert lag is not None
    assert COUNTED_MAX < lag <= 4 * (COUNTED_MAX + 1)


def test_writers_are_told_with_what_they_report(ws: Workspace) -> None:
    """Each owner of a shard stands there with its last report; who owns none does not."""
    one, other = seat(ws, "a"), seat(ws, "b")
    one.claim(LEASE_S, 1.5, "")
    push(ws, 5)
    one.step(range(4), 1)
    other.claim(LEASE_S, 0.0, "the store is away")
    found = ws.stream_standing("pushed")
    assert (list(found.writers), found.waiting, found.behind_s) == (["a"], "", 1.5)
    one.claim(LEASE_S, 12.0, "")
    other.claim(LEASE_S, 0.0, "the store is away")
    found = ws.stream_standing("pushed")
    assert found.owners == {0: "a", 1: "b", 2: "a", 3: "b"}
    assert (found.waiting, found.behind_s, found.writers["a"].events) == ("the store is away", 12.0, 5)


def test_what_a_writer_reported_goes_with_it(ws: Workspace) -> None:
    """Neither one that left nor one whose lease ended stands there, and the store keeps nothing of them."""
    left, killed, living = seat(ws, "left"), seat(ws, "killed"), seat(ws, "living")
    left.claim(LEASE_S, 0.0, "")
    left.release()
    killed.claim(0.001, 0.0, "")
    time.sleep(0.01)
    living.claim(0.001, 0.0, "")
    assert list(ws.online_store.streams.reports("pushed")) == [b"living"]


def test_a_report_comes_back_as_it_was_written() -> None:
    """Its bytes hold all of it; what a later release adds is left out, and other bytes are refused by name."""
    report = WriterReport("host", 7, 10, 1, 2.5, "why")
    assert WriterReport.from_bytes(report.to_bytes()) == report
    assert WriterReport.from_bytes(b'{"host": "h", "process": 1, "more": 2}') == WriterReport("h", 1)
    for broken in (b"", b"[]", b"7", b'{"host": "h"}'):
        with pytest.raises(FormatError, match="a writer's report"):
            WriterReport.from_bytes(broken)


def test_a_seat_lets_views_take_the_stream_of_a_new_source(ws: Workspace) -> None:
    """Whoever sits down before the first event makes the view ready, so that the first event is folded at once."""
    sitting = seat(ws)
    assert sitting.step(range(4), 1) == 0
    assert ws.stream_desk("pushed").takes(ws.context("spend").view)
    assert ws.now() == NOW


def test_a_seat_says_that_no_view_takes_the_stream(ws: Workspace) -> None:
    """Where the source has history that the view never took in, there is nothing to fold before its first sync."""
    ws.append("pushed", [record("u", 8.5) | {"amount": 1.0}])
    sitting = seat(ws)
    assert sitting.step(range(4), 1) is None
    ws.materialize("spend", day(9))
    sitting.look()
    assert sitting.step(range(4), 1) is not None
