"""A key with a million events a day stays small, and reads of it exact, whatever happens to its compactions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.pipelines import passed_on
from tests.streams import source
from tilefold import Aggregate, Entity, Field, LifetimeWindow, stream_feature_view
from tilefold.declaration import FeatureView
from tilefold.engine.layout import layout_of
from tilefold.engine.mark import Mark
from tilefold.engine.merge import Folder
from tilefold.engine.merge_stream import StreamMerger
from tilefold.engine.stream_codec import StreamCodec
from tilefold.engine.stream_fold import StreamFolder
from tilefold.engine.stream_part import Row, StreamPart
from tilefold.engine.time import DAY_US, SECOND_US, to_us
from tilefold.types import Float64, String

START = datetime(2024, 5, 1, tzinfo=UTC)
START_US = to_us(START)
EVENTS_A_DAY = 1_000_000
HOUR_US = DAY_US // 24
STEP_US = 10 * SECOND_US  # rows of so long stand for the events in between; no cell is finer
EVENTS_A_ROW = EVENTS_A_DAY * STEP_US // DAY_US
WINDOWS = [timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=30)]
FUNCTIONS = ["sum", "count", "mean", "min", "max"]


def hot_view(*more: Any) -> FeatureView:
    """Five functions over four windows, each on the grid that `auto` gives it."""
    amount = Field("amount", Float64)
    features = [Aggregate(input_column=amount, function=f, time_window=w) for w in (*WINDOWS, *more) for f in FUNCTIONS]
    user = Entity("user", join_keys=[Field("user", String)])
    return stream_feature_view(
        name="hot", source=source(), entities=[user], features=features, feature_start_time=START, trailing_edge="auto"
    )(passed_on)


class HotKey:
    """The stream part of a busy key."""

    def __init__(self, view: FeatureView) -> None:
        layout = layout_of(view)
        assert layout.grain_us == STEP_US
        folder = Folder(layout)
        self.view, self.layout = view, layout
        self.folder = StreamFolder(layout, folder.windows, view.schedule_us, view.valid_for_us)
        self.codec, self.merger = StreamCodec(layout), StreamMerger(layout, folder)
        self.part, self.now_us, self.epoch = StreamPart(1), START_US, 1
        self.mark: Mark | None = None
        self.largest_bytes = self.rows = 0

    def stream(self, days: float, row_us: int = STEP_US) -> None:
        """Let events come for some days, in rows of so long, folded every hour."""
        until_us = self.now_us + int(days * DAY_US)
        while self.now_us < until_us:
            self.folder.add(self.part, self.epoch, [self._row(self.now_us + at, row_us) for at in range(0, HOUR_US, row_us)])
            self.now_us += HOUR_US
            self.rows += HOUR_US // STEP_US
            self.folder.tidy(self.part, self.mark, self.now_us)
            self.largest_bytes = max(self.largest_bytes, len(self.codec.encode(self.part)))

    def _row(self, at_us: int, row_us: int) -> Row:
        """Events between two times: as many as there are, all of one amount."""
        components: list[Any] = []
        for slot in self.layout.slots:
            lifted = slot.partial.lift(at_us % 977 / 7, at_us, "")
            many = slot.partial.name in ("events", "count", "sum")
            components += [each * EVENTS_A_ROW * (row_us // STEP_US) for each in lifted] if many else lifted
        return Row(at_us, at_us + row_us - 1, tuple(components))

    def compact(self) -> None:
        """A compaction at the newest midnight is synced, and the next epoch begins."""
        self.mark = Mark(self.now_us // DAY_US * DAY_US, self.epoch)
        self.epoch += 1

    def counts(self, mark: Mark) -> tuple[list[Any], list[int]]:
        """How many events a read counts in each window, and the windows that are inexact."""
        values, inexact = self.merger.fold(None, self.codec.view(self.codec.encode(self.part)), mark, self.now_us)
        return list(values)[1 :: len(FUNCTIONS)], list(inexact)


@pytest.mark.parametrize("days", [1, 2])
def test_a_million_events_a_day_stay_below_64_kb(days: int) -> None:
    """Windows of an hour to 30 days by `auto`, of sum, count, mean, min and max, with compaction up to two days overdue."""
    key = HotKey(hot_view())
    key.stream(days)
    assert key.largest_bytes < 64 * 1024, key.largest_bytes
    counts, inexact = key.counts(Mark(START_US, 0))
    assert inexact == []
    assert counts == [rows * EVENTS_A_ROW for rows in (360, 8_640, 8_640 * days, 8_640 * days)]


def test_a_month_without_compaction() -> None:
    """Nothing is compacted for thirty days: the part is still below 64 KB, and every window exact."""
    key = HotKey(hot_view())
    key.stream(27, HOUR_US)  # windows of days are cut on the hour, so nothing finer would be left of these
    key.stream(3)
    assert key.largest_bytes < 64 * 1024, key.largest_bytes
    counts, inexact = key.counts(Mark(START_US, 0))
    assert inexact == []
    assert counts[-1] == key.rows * EVENTS_A_ROW


def test_compactions_by_the_hour() -> None:
    """Healing every hour makes an epoch each: cells are told apart by them, and the part stays below 64 KB."""
    key = HotKey(hot_view(LifetimeWindow()))
    for _ in range(30):
        key.stream(1 / 24)
        key.compact()
    assert len(key.part.groups) > 5
    assert key.largest_bytes < 64 * 1024, key.largest_bytes
    mark = key.mark
    assert mark is not None
    counts, inexact = key.counts(mark)
    since_midnight = (key.now_us - mark.watermark_us) // STEP_US
    assert inexact == []
    assert counts == [360 * EVENTS_A_ROW, *[since_midnight * EVENTS_A_ROW] * 4]
