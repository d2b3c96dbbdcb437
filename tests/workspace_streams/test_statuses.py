"""A view that is not ready, a part that is too old and a sum that does not fit say so."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.pipelines import DAY, HOUR, day
from tests.streams import opened, record, source, view_of
from tests.workspace_streams.reads import UNITS, counting, history, move, read, statuses, values
from tilefold import Aggregate, LifetimeWindow, TimeWindow, Workspace
from tilefold.errors import ReadTimeError
from tilefold.serving.read import FeatureVector, Status


def test_history_makes_a_view_wait(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Appended, or streamed before the view was declared: NOT_READY with null values, not the partial sum of what it saw."""
    pushed = source()
    first, late = counting(DAY), counting(DAY, name="late")
    with opened(tmp_path, online_url, stream_url, pushed, first, name="late-view") as ws:
        ws.ingest("pushed", [record("a", 9.2)])
        assert values(ws) == [1]
    with opened(tmp_path, online_url, stream_url, first, late, name="late-view") as ws:
        assert values(ws) == [1]
        assert statuses(ws, view="late") == {Status.NOT_READY}
        assert list(read(ws, view="late").values.values()) == [None]
        assert list(read(ws, view="late").effective_times.values()) == [None]
        ws.ingest("pushed", [record("a", 9.3)])
        assert statuses(ws, view="late") == {Status.NOT_READY}
        ws.materialize("late")
        assert list(read(ws, view="late").values.values()) == values(ws) == [2]
        ws.ingest("pushed", [record("a", 9.4)])
        assert list(read(ws, view="late").values.values()) == values(ws) == [3]


def test_appending_makes_a_ready_view_wait(ws: Workspace) -> None:
    """A view that was ready for lack of history is not, from the moment that some was appended until its first sync."""
    ws.ingest("pushed", [record("a", 9.4)])
    assert values(ws) == [1, 1]
    ws.append("pushed", history(record("a", 5.0)))
    assert statuses(ws) == {Status.NOT_READY}
    ws.materialize("spend")
    assert values(ws) == [1, 2]
    ws.append("pushed", history(record("a", 6.0)))
    assert statuses(ws) == {Status.PRESENT}
    assert values(ws) == [1, 2]


def test_materialize_of_nothing(ws: Workspace) -> None:
    """On a source without events the mark is committed and the view stays ready; doing it again is a no-op."""
    assert not ws.materialize("spend").skipped
    assert ws.materialize("spend").skipped
    assert ws.online_store.mark("spend", ws.definitions.view("spend").version) is not None
    ws.ingest("pushed", [record("a", 9.4)])
    assert values(ws) == [1, 1]


def test_a_batch_part_that_is_too_old_says_so(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Past `E + L` a window whose start cuts a stored tile is STALE, value still given; one that no tile straddles is exact."""
    view = counting(TimeWindow(3 * DAY), LifetimeWindow(), trailing_edge=HOUR)
    object.__setattr__(view, "few_cells", 0)
    with opened(tmp_path, online_url, stream_url, view, now=day(9.5)) as ws:
        ws.ingest("pushed", [record("a", at / 24, 1, f"{at}") for at in range(6 * 24, 9 * 24)])
        ws.materialize("spend")
        assert values(ws) == [60, 72]
        for later in (11.0, 11.5, 12.0):
            move(ws, day(later))
            found = read(ws)
            late = later > 11
            assert list(found.statuses.values()) == [Status.STALE if late and later < 12 else _kind(found), Status.PRESENT]
            assert list(found.values.values())[1] == 72


def _kind(found: FeatureVector) -> Status:
    """What a value that is exact has as its status."""
    return Status.PRESENT if next(iter(found.values.values())) else Status.MISSING_DATA


def test_a_sum_that_does_not_fit(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Null with status OVERFLOW, never a wrap: over both parts together, each of which fits."""
    view = view_of(source(), features=[Aggregate(input_column=UNITS, function="sum", time_window=LifetimeWindow())])
    with opened(tmp_path, online_url, stream_url, view) as ws:
        ws.ingest("pushed", [record("a", 8.2, 2**62)])
        ws.materialize("spend")
        assert values(ws) == [2**62]
        ws.ingest("pushed", [record("a", 9.2, 2**62)])
        assert values(ws) == [None]
        assert statuses(ws) == {Status.OVERFLOW}
        ws.ingest("pushed", [record("a", 9.3, -1)])
        assert values(ws) == [2**63 - 1]
        assert statuses(ws) == {Status.PRESENT}


def test_a_read_before_the_watermark_is_refused(ws: Workspace) -> None:
    """`at` lies at or after the key's stamp; before any compaction every time may be read."""
    ws.ingest("pushed", [record("a", 8.7), record("a", 9.2)])
    assert values(ws, at=day(8.8)) == [1, 1]
    ws.materialize("spend")
    with pytest.raises(ReadTimeError, match=r"watermark.*get_features_for_events"):
        read(ws, at=day(8.99))
    assert values(ws, at=day(9)) == [1, 1]
    assert values(ws, at=day(9.2)) == [2, 2]
    assert values(ws, at=day(9.2) - timedelta(microseconds=1)) == [1, 1]
