"""Explanations: what each tile brings adds up to the value that was served, and every doubt is said."""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines import DAY, HOUR, Clock, day, declare, frame, opened, wide_features
from tests.streams import NOW, record, source, view_of
from tests.streams import opened as opened_streams
from tilefold import Aggregate, LifetimeWindow, TimeWindow, Workspace
from tilefold.engine.mark import Mark
from tilefold.engine.time import to_us
from tilefold.errors import ReadTimeError
from tilefold.serving.explain import explain
from tilefold.serving.explained import ExplainedFeature, Explanation, TileKind
from tilefold.serving.read import Status

USER = {"user": "a"}
WINDOWS = (TimeWindow(HOUR), TimeWindow(DAY), TimeWindow(7 * DAY), TimeWindow(2 * DAY, offset=-DAY), LifetimeWindow())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, online_url: str) -> Explanation:
    """A busy key of a batch view with every function over every kind of window."""
    drawn = random.Random(5)
    view = declare("wide", wide_features())
    object.__setattr__(view, "few_cells", 0)  # compact it, though it has few cells
    rows = [("a", drawn.uniform(0, 14.9), drawn.randrange(-50, 50) or None, f"e{number}") for number in range(400)]
    with opened(tmp_path_factory.mktemp("explained"), online_url, view, now=day(15.2)) as ws:
        ws.append("events", frame(rows))
        ws.materialize("wide", day(15))
        return ws.explain("wide", USER)


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A stream view without events, at nine and a half days."""
    wanted = [Aggregate(function="count", time_window=window) for window in WINDOWS]
    wanted.append(Aggregate(input_column=source().schema[3], function="max", time_window=DAY))
    with opened_streams(tmp_path, online_url, stream_url, view_of(source(), features=wanted)) as workspace:
        yield workspace


def alone(feature: ExplainedFeature) -> list[Any]:
    """What the tiles give one by one, as far as it is known and anything."""
    return [share.value for share in feature.shares if share.known and share.value is not None]


def by_function(told: Explanation, function: str) -> list[ExplainedFeature]:
    """Features with a value over a single window."""
    found = [each for each in told.features if each.function == function and len(each.windows) == 1 and each.value is not None]
    assert found
    return found


def kinds(told: Explanation) -> list[tuple[TileKind, int | None, bool]]:
    """The tiles by kind, epoch and whether they count."""
    return [(tile.kind, tile.epoch, tile.counts) for tile in told.tiles]


@pytest.mark.parametrize("function", ["count", "sum"])
def test_what_tiles_give_adds_up(told: Explanation, function: str) -> None:
    """Counts and sums of the tiles inside come to the value."""
    for feature in by_function(told, function):
        assert len(feature.shares) > 1 or feature.name.endswith("1d")
        assert sum(alone(feature)) == feature.value


def test_the_largest_is_among_the_tiles(told: Explanation) -> None:
    """The tile that holds a maximum shows it; those behind a newer and larger one are hidden, not guessed."""
    for feature in by_function(told, "max"):
        assert max(alone(feature)) == feature.value


def test_the_last_is_that_of_the_newest_tile(told: Explanation) -> None:
    """The newest tile with a value gives what the window gives."""
    for feature in by_function(told, "last"):
        assert alone(feature)[-1] == feature.value


def test_shares_of_events_are_all_of_them(told: Explanation) -> None:
    """Shares are of the window's events and come to one; each names its tile."""
    for feature in told.features:
        assert sum(share.part for share in feature.shares) == pytest.approx(1.0)
        assert [told.tiles[share.tile] for share in feature.shares] == list(feature.tiles)
        assert (feature.status, feature.why, feature.cut) == (Status.PRESENT, "", ())


def test_tiles_end_where_the_next_may_begin(told: Explanation) -> None:
    """Batch tiles are half open and do not overlap."""
    ends = [tile.end for tile in told.tiles]
    firsts = [tile.first for tile in told.tiles]
    assert all(end is not None and end <= first for end, first in zip(ends, firsts[1:], strict=False))
    assert told.valid_until == day(17)


def test_a_late_event_is_a_late_tile(ws: Workspace) -> None:
    """After a compaction an event before the watermark is of the newer epoch, and counts; what the batch part took does not."""
    ws.ingest("pushed", [record("a", 8.25), record("a", 9.25)])
    ws.materialize("spend")
    ws.ingest("pushed", [record("a", 8.5)])
    told = ws.explain("spend", USER)
    assert (TileKind.LATE, 2, True) in kinds(told)
    assert (TileKind.STREAM, 1, True) in kinds(told)
    assert told.stamp_epoch == told.epoch == 1
    week = told.features[2]
    assert (week.value, [share.value for share in week.shares]) == (3, [1, 1, 1])


def test_a_tile_that_the_batch_part_has_counts_for_nothing(ws: Workspace) -> None:
    """Until the writer drops it a covered row is stored twice, shown as such, and in no window."""
    ws.ingest("pushed", [record("a", 8.25)])
    key = ws.online_key("spend", USER)
    before = ws.online_client().hget(key, "s")
    assert isinstance(before, bytes)
    ws.materialize("spend")
    ws.online_client().hset(key, "s", before)
    told = ws.explain("spend", USER)
    assert kinds(told) == [(TileKind.BATCH, None, True), (TileKind.STREAM, 1, False)]
    assert [share.tile for share in told.features[2].shares] == [0]


def test_an_empty_window_says_why(ws: Workspace) -> None:
    """Where no event lies there is no tile, and the reason is told."""
    ws.ingest("pushed", [record("a", 5.0)])
    hour = ws.explain("spend", USER).features[0]
    assert (hour.value, hour.status, hour.tiles) == (0, Status.MISSING_DATA, ())
    assert hour.why == "No event of this entity with such a value lies in the window."


def test_a_batch_part_that_is_too_old_says_so(ws: Workspace) -> None:
    """Three days after a compaction an edge lies within a tile: the value is STALE, and the tile is named."""
    ws.ingest("pushed", [record("a", 2 + number / 24) for number in range(24 * 7)])
    ws.materialize("spend")
    clock = ws._clock
    assert isinstance(clock, Clock)
    clock.now = day(12.51)
    week = ws.explain("spend", USER).features[2]
    assert (week.status, "cuts a tile" in week.why, len(week.cut)) == (Status.STALE, True, 1)


def test_a_batch_view_that_is_too_old_says_so(tmp_path: Path, online_url: str) -> None:
    """Past two schedules every value is STALE, with since when."""
    with opened(tmp_path, online_url, declare(), now=day(6)) as ws:
        ws.append("events", frame([("a", 2.5, 1)]))
        ws.materialize("spend", day(3))
        told = ws.explain("spend", USER)
    assert {each.status for each in told.features} == {Status.STALE}
    assert f"as of {day(3)}, and older than it is valid for" in told.features[0].why


def test_a_total_that_is_no_number_hides_the_older_ones(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """A NaN in the newest tile makes all totals NaN: what older tiles have cannot be told."""
    amount = source().schema[2]
    totals = view_of(source(), features=[Aggregate(input_column=amount, function="sum", time_window=TimeWindow(4 * DAY))])
    events = [record("a", at) | {"amount": value} for at, value in ((5.5, 1.0), (6.5, 2.0), (8.5, float("nan")))]
    with opened_streams(tmp_path, online_url, stream_url, totals) as ws:
        ws.ingest("pushed", events)
        ws.materialize("spend")
        (feature,) = ws.explain("spend", USER).features
    assert [share.known for share in feature.shares] == [False, False, True]
    assert feature.shares[0].value is None


@pytest.mark.parametrize("year", [1, 1899, 9000, 9999])
def test_times_that_cannot_be_shown_are_refused(ws: Workspace, year: int) -> None:
    """A read so far away has windows that no date names."""
    with pytest.raises(ReadTimeError, match="must lie in the years 1900 to 8999"):
        ws.explain("spend", USER, at=NOW.replace(year=year))


def test_a_window_longer_than_time_begins_at_the_beginning(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """A window of ten thousand years is shown like a lifetime."""
    wide = view_of(source(), features=[Aggregate(function="count", time_window=TimeWindow(3_650_000 * DAY))])
    with opened_streams(tmp_path, online_url, stream_url, wide) as ws:
        ws.ingest("pushed", [record("a", 5.0)])
        (feature,) = ws.explain("spend", USER).features
    assert (feature.value, feature.start, len(feature.shares)) == (1, None, 1)


class Reconnecting:
    """An online store to which a new connection is opened while it is read for the first time."""

    def __init__(self, ws: Workspace, calls: list[str]) -> None:
        self.connections, self._ws, self._calls = 1, ws, calls

    def read(self, key: bytes) -> Sequence[bytes | None]:
        """The parts of a key."""
        self._calls.append("read")
        if self.connections == 1:
            self.connections = 2
        return self._ws.online_store.read(key)


def test_a_reconnect_reads_again(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before a new connection is read again, the mark first: the server may have come back with an older one."""
    ws.ingest("pushed", [record("a", 9.25)])
    calls: list[str] = []
    reader = ws._parts.view_reader("spend")

    def mark() -> Mark:
        calls.append("mark")
        return Mark(to_us(day(0)), 0)

    monkeypatch.setattr(reader, "mark", mark)
    store: Any = Reconnecting(ws, calls)
    told = explain(ws.context("spend"), reader, store, USER, NOW, now=True).explanation
    assert calls == ["mark", "read", "mark", "read"]
    assert told.features[1].value == 1


def test_a_feature_is_found_by_either_name(told: Explanation) -> None:
    """With the view before it or without; nothing else is a name."""
    names: Mapping[str, Any] = {"wide.count_1d": 1, "count_1d": 1, "count": 0, "wide": 0, "": 0}
    assert {name: int(told.feature(name) is not None) for name in names} == names
    assert timedelta(days=1) == (told.feature("count_1d").end - told.feature("count_1d").start)  # type: ignore[union-attr, operator]
