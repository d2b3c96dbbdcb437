"""What the property tests of stream views draw: windows of every kind on a scale of microseconds, reads, and events.

All is as small as it can be, so that a test may go over every read time: a schedule of 48 us, windows up to some hundred.
"""

from dataclasses import dataclass
from math import gcd

import polars as pl
from hypothesis import strategies as st

from tests.engine.drawing import DrawnView, feature
from tilefold.declaration.windows import Window
from tilefold.engine.layout import Layout, layout_of
from tilefold.engine.plan import ReadSpan
from tilefold.engine.time import DAY_US
from tilefold.engine.windows import bounds_us
from tilefold.types import Field

SCHEDULE_US = 48
BEGIN_US = 19_000 * DAY_US
SPAN_US = 10 * SCHEDULE_US
HOPS_US = (1, 2, 4, 7, 12, 48, 60)
KEYS = (Field("key", pl.String),)


@st.composite
def window_groups(draw: st.DrawFn) -> tuple[Window, ...]:
    """The windows of one feature of a stream view: one, or those of a series."""
    hop = draw(st.sampled_from(HOPS_US))
    size = hop * draw(st.integers(1, max(1, 300 // hop)))
    back = draw(st.integers(1, 130))
    start = draw(st.none() | st.integers(0, 11).map(lambda steps: BEGIN_US + steps * SCHEDULE_US))
    kinds = {
        "exact": [Window(size, hop_us=0)],
        "exact, both ends in": [Window(size + 1, hop_us=0)],
        "exact, moved": [Window(size, back, hop_us=0)],
        "exact series": [Window(size, steps * hop, hop_us=0) for steps in (2, 1, 0)],
        "hop": [Window(size, hop_us=hop)],
        "hop, moved": [Window(size, back, hop_us=hop, ends_on_grid=True)],
        "hop series": [Window(size, steps * hop, hop_us=hop, ends_on_grid=True) for steps in (3, 1, 0)],
        "lifetime": [Window(None, lifetime_start_us=start, hop_us=0)],
    }
    return tuple(kinds[draw(st.sampled_from([*kinds, "hop"]))])


def cell_us(windows: list[Window]) -> int:
    """The cell that a stream view of these windows has."""
    return gcd(SCHEDULE_US, *(window.hop_us or 1 for window in windows if window.size_us is not None))


@dataclass(frozen=True)
class Drawn:
    """Windows, the reads that a part must answer, and events of some keys below its watermark."""

    windows: list[Window]
    reads: ReadSpan
    events: pl.DataFrame
    layout: Layout

    def times_of(self, key: str) -> list[int]:
        """The times of a key's events, ascending."""
        return sorted(self.events.filter(pl.col("key") == key)["timestamp"].dt.timestamp("us"))

    def edges(self) -> list[int]:
        """Every start, below the watermark, that a window has for some read, and every end."""
        times = range(self.reads.from_us, self.reads.until_us + 1)
        found = {edge for window in self.windows for at in times for edge in bounds_us(window, at)}
        return sorted(edge for edge in found if edge < self.reads.watermark_us)


def view_of(groups: list[tuple[Window, ...]], grain_us: int) -> DrawnView:
    """Counts and lists over each of these windows."""
    counts = tuple(feature(None, "count", group, number) for number, group in enumerate(groups))
    last = tuple(feature("whole", "last", group, number) for number, group in enumerate(groups))
    return DrawnView("drawn", KEYS, counts + last, grain_us)


@st.composite
def drawn_parts(draw: st.DrawFn, max_events: int = 60) -> Drawn:
    """Windows of all kinds, a watermark and how long its part is valid, and events below it."""
    groups = draw(st.lists(window_groups(), min_size=1, max_size=4))
    windows = list(dict.fromkeys(window for group in groups for window in group))
    watermark = BEGIN_US + SCHEDULE_US * draw(st.integers(1, 10))
    valid_for = draw(st.sampled_from([SCHEDULE_US, SCHEDULE_US + 12, 2 * SCHEDULE_US]))
    times = draw(st.lists(st.integers(BEGIN_US, watermark - 1), max_size=max_events))
    keys = draw(st.lists(st.sampled_from("ab"), min_size=len(times), max_size=len(times)))
    newest = max(times, default=watermark) if draw(st.booleans()) else watermark
    frame = events_frame(keys, times)
    return Drawn(
        windows,
        ReadSpan(watermark, min(newest, watermark), watermark + valid_for),
        frame,
        layout_of(view_of(groups, cell_us(windows))),
    )


def events_frame(keys: list[str], times_us: list[int]) -> pl.DataFrame:
    """Events with a number and an id each."""
    frame = pl.DataFrame({"key": keys, "timestamp": times_us}, schema={"key": pl.String(), "timestamp": pl.Int64()})
    numbered = frame.with_row_index("whole").with_columns(pl.col("whole").cast(pl.Int64))
    ids = pl.col("whole").cast(pl.String).str.zfill(4).alias("event_id")
    return numbered.with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")), ids)
