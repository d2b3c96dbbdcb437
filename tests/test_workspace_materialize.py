"""From the log to the store: which watermarks are taken, what is a no-op, what is superseded."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines import DAY, EVENTS, UNITS, Clock, assert_all_equal_reference, day, declare, frame, opened
from tilefold import Aggregate, Workspace
from tilefold.errors import InputError, ReadTimeError, UnknownNameError
from tilefold.serving.read import Status

EVENTS_OF_TWO = [("a", 0.5, 4, "1"), ("a", 1.25, 5, "2"), ("b", 1.5, 6, "3"), ("b", 2.5, 7, "4")]


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Any:
    """A workspace on the third day, with some events."""
    with opened(tmp_path, online_url, declare(), now=day(3.5)) as workspace:
        workspace.append("events", frame(EVENTS_OF_TWO))
        yield workspace


@pytest.mark.parametrize("step", ["compact", "sync", "materialize"])
@pytest.mark.parametrize(
    ("as_of", "kind", "message"),
    [
        (day(2).replace(tzinfo=None), InputError, "parameter 'as_of': it must be a time with a zone"),
        ("2024-01-02", InputError, "parameter 'as_of': it must be a time with a zone"),
        (day(2.5), ReadTimeError, r"must lie on its batch_schedule; .*Use 2024-01-03T00:00:00"),
        (day(4), ReadTimeError, "as_of must not lie after now"),
    ],
)
def test_bad_watermark(ws: Workspace, step: str, as_of: Any, kind: type[Exception], message: str) -> None:
    """A watermark without zone, off the grid or after now is refused, and nothing is compacted."""
    with pytest.raises(kind, match=message):
        getattr(ws, step)("spend", as_of)
    assert ws.context("spend").compacted.partitions() == []


@pytest.mark.parametrize("step", ["compact", "sync", "materialize"])
def test_unknown_view(ws: Workspace, step: str) -> None:
    """A view that is not declared is named."""
    with pytest.raises(UnknownNameError, match="got 'spent'"):
        getattr(ws, step)("spent", day(3))


def test_step_by_step(ws: Workspace) -> None:
    """Tiles, compaction and sync one by one serve the same as materialize."""
    tiles = ws.build_tiles("spend", day(0), day(3))
    assert [(report.day.day, report.events, report.tiles) for report in tiles.days] == [(1, 1, 1), (2, 2, 2), (3, 1, 1)]
    compaction = ws.compact("spend", day(3))
    assert (compaction.keys, compaction.events, compaction.rebuilt_days) == (2, 4, ())
    report = ws.sync("spend", day(3))
    assert (report.written, report.unchanged, report.removed, report.superseded) == (2, 0, 0, False)
    assert report.bytes > 0
    assert_all_equal_reference(ws, ws.definitions.view("spend"), frame(EVENTS_OF_TWO), "ab", day(3))
    assert ws.materialize("spend", day(3)).skipped


def test_default_watermark(tmp_path: Path, online_url: str) -> None:
    """Without a watermark, materialize takes the newest that is due: floor(now - data_delay, batch_schedule)."""
    view = declare(data_delay=timedelta(hours=6))
    with opened(tmp_path, online_url, view, now=day(3) + timedelta(hours=5)) as ws:
        assert ws.materialize("spend").as_of == day(2)


def test_no_events(tmp_path: Path, online_url: str) -> None:
    """On a source without events the mark is committed and the view is ready."""
    with opened(tmp_path, online_url, declare(), now=day(3.5)) as ws:
        before = ws.get_features("spend", {"user": "a"})
        assert set(before.statuses.values()) == {Status.MISSING_DATA}
        assert set(before.effective_times.values()) == {day(0)}
        assert ws.materialize("spend", day(3)).sync is not None
        found = ws.get_features("spend", {"user": "a"})
        assert (found.values["spend.count_1d"], found.values["spend.units_sum_3d"]) == (0, None)
        assert set(found.effective_times.values()) == {day(3)}
        assert ws.materialize("spend", day(3)).skipped


def test_no_op(ws: Workspace) -> None:
    """Materialize does nothing when neither the log nor the definition changed since the mark."""
    first = ws.materialize("spend", day(3))
    again = ws.materialize("spend", day(3))
    assert (first.skipped, again.skipped, again.compaction, again.sync) == (False, True, None, None)
    assert len(ws.context("spend").compacted.partitions()) == 1


def test_changed_definition(ws: Workspace, online_url: str) -> None:
    """A changed definition is materialized anew, beside the old one."""
    ws.materialize("spend", day(3))
    changed = declare(wanted=[Aggregate(input_column=UNITS, function="sum", time_window=2 * DAY)])
    with Workspace(ws.root, [changed], online=online_url, clock=Clock(day(3.5)), name=ws.name) as other:
        assert other.get_features("spend", {"user": "a"}).statuses == {"spend.units_sum_2d": Status.NOT_READY}
        assert not other.materialize("spend", day(3)).skipped
        assert other.get_features("spend", {"user": "a"}).values == {"spend.units_sum_2d": 5}
    assert ws.get_features("spend", {"user": "a"}).values["spend.units_sum_3d"] == 9


def test_older_watermark_is_superseded(ws: Workspace) -> None:
    """A compaction and sync of an older watermark are allowed; the sync reports superseded and changes nothing."""
    ws.materialize("spend", day(3))
    stored = ws.online_client().hgetall(ws.online_key("spend", {"user": "a"}))
    ws.compact("spend", day(1))
    report = ws.sync("spend", day(1))
    assert (report.superseded, report.written, report.removed) == (True, 0, 0)
    assert ws.online_client().hgetall(ws.online_key("spend", {"user": "a"})) == stored
    assert set(ws.get_features("spend", {"user": "a"}).effective_times.values()) == {day(3)}


def test_past_values(ws: Workspace) -> None:
    """A past date materialized again yields the same part, whatever came after it in time."""
    ws.compact("spend", day(2))
    first = ws.context("spend").compacted.scan(*_key(ws, 2)).collect()
    ws.append("events", frame([("a", 3.1, 9, "late")]))
    ws.materialize("spend", day(3))
    ws.compact("spend", day(2))
    assert ws.context("spend").compacted.scan(*_key(ws, 2)).collect().equals(first)


def _key(ws: Workspace, number: int) -> tuple[int, int]:
    as_of_us = int(day(number).timestamp() * 1_000_000)
    return as_of_us, ws.context("spend").compacted.latest(as_of_us) or 0


def test_sync_needs_a_compaction(ws: Workspace) -> None:
    """A watermark that was never compacted cannot be synced."""
    with pytest.raises(InputError, match="only a compaction that exists can be synced"):
        ws.sync("spend", day(2))


def test_visible_at_the_next_watermark(ws: Workspace) -> None:
    """An appended event is visible after the first sync whose watermark lies past its time."""
    ws.materialize("spend", day(2))
    assert ws.get_features("spend", {"user": "b"}, at=day(2)).values["spend.count_3d"] == 1
    ws.materialize("spend", day(3))
    assert ws.get_features("spend", {"user": "b"}).values["spend.count_3d"] == 2


def test_healing(ws: Workspace) -> None:
    """A late event and a correction heal at the next materialization of the same watermark."""
    ws.materialize("spend", day(3))
    ws.append("events", frame([("a", 2.75, 100, "late")]))
    assert not ws.materialize("spend", day(3)).skipped
    assert ws.get_features("spend", {"user": "a"}).values["spend.units_sum_3d"] == 109
    ws.append("events", frame([]), replace=(day(0), day(2)))
    ws.materialize("spend", day(3))
    assert ws.get_features("spend", {"user": "a"}).values["spend.units_sum_3d"] == 100


def test_before_feature_start(tmp_path: Path, online_url: str) -> None:
    """Events before feature_start_time are stored but in no window."""
    view = declare(feature_start_time=day(1))
    with opened(tmp_path, online_url, view, now=day(3.5)) as ws:
        ws.append("events", frame(EVENTS_OF_TWO))
        ws.materialize("spend", day(3))
        assert ws.get_features("spend", {"user": "a"}).values["spend.units_sum_3d"] == 5
        assert ws.event_log("events").snapshot().scan().collect().height == 4


def test_epochs_are_of_the_source(tmp_path: Path, online_url: str) -> None:
    """The views of a source share its barriers: each compaction takes the next number."""
    with opened(tmp_path, online_url, declare("one"), declare("two"), now=day(3.5)) as ws:
        ws.append(EVENTS.name, frame(EVENTS_OF_TWO))
        numbers = [ws.compact(view, day(3)).epoch for view in ("one", "two", "one")]
        assert numbers == [1, 2, 3]
