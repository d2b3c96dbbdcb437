"""Compaction of stream views: a part answers every read of its span, of as few tiles as that allows."""

import hashlib
from bisect import bisect_right
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.engine.drawing import BEGIN_US, DAYS, HOUR_US, DrawnView, dense_frame, feature
from tests.engine.stream_drawing import Drawn, drawn_parts
from tests.engine.test_invariants import tiles_of
from tilefold.declaration.windows import Window
from tilefold.engine.codec import Codec, seal
from tilefold.engine.compact import CELLS, PART, TILES, compact
from tilefold.engine.layout import EVENTS, FIRST, layout_of
from tilefold.engine.mark import Mark
from tilefold.engine.merge import Folder
from tilefold.engine.plan import ReadSpan, at_watermark, plan_of
from tilefold.engine.reference import Event, reference_values
from tilefold.engine.time import DAY_US
from tilefold.engine.windows import bounds_us
from tilefold.functions import FunctionRequest
from tilefold.types import Field

RELAXED = settings(deadline=None, max_examples=examples(150), suppress_health_check=list(HealthCheck))
Tile = tuple[int, int, int]  # first and last microsecond of its cells, events


def parts_of(drawn: Drawn, few: int | None) -> pl.DataFrame:
    """What a compaction makes of the drawn events."""
    return compact(tiles_of(drawn.events, drawn.layout), drawn.layout, drawn.windows, drawn.reads, few)


def tiles_in(drawn: Drawn, part: bytes) -> list[Tile]:
    """The tiles of a part, as spans of microseconds."""
    layout, grain = drawn.layout, drawn.layout.grain_us
    decoded = Codec(layout).decode(seal(part, Mark(drawn.reads.watermark_us, 1)))
    place = [name for name, _ in layout.components].index(EVENTS)
    events = [*decoded.columns[place], 0]
    counts = [one - other for one, other in pairwise(events)] if layout.running[place] else events[:-1]
    spans = zip(decoded.first, decoded.last, counts, strict=True)
    return [((decoded.base + first) * grain, (decoded.base + last + 1) * grain - 1, count) for first, last, count in spans]


@pytest.mark.parametrize("few", [0, 3, None])
@RELAXED
@given(drawn=drawn_parts())
def test_no_tile_is_cut(few: int | None, drawn: Drawn) -> None:
    """For every read of the span each window holds whole tiles alone, and as many events as the reference counts."""
    for row in parts_of(drawn, few).to_dicts():
        tiles = tiles_in(drawn, row[PART])
        events = [Event(time_us, "", {"whole": 1}) for time_us in drawn.times_of(row["key"])]
        for at_us in range(drawn.reads.from_us, drawn.reads.until_us + 1):
            expected = reference_values([out.feature for out in drawn.layout.outputs], events, at_us)
            for window, count in _counts(drawn, expected):
                start, end = bounds_us(window, at_us)
                end = max(end, drawn.reads.watermark_us) if end > drawn.reads.from_us else end
                assert not [tile for tile in tiles if tile[0] < start <= tile[1] or tile[0] < end <= tile[1]], (window, at_us)
                assert sum(n for first, last, n in tiles if start <= first and last < end) == count, (window, at_us)


def _counts(drawn: Drawn, expected: dict[str, object]) -> list[tuple[Window, object]]:
    """What the reference counts in each window."""
    counts = [out.feature for out in drawn.layout.outputs if out.feature.input_column is None]
    found: list[tuple[Window, object]] = []
    for one in counts:
        value = expected[one.name]
        found += zip(one.windows, value if isinstance(value, list) else [value], strict=True)
    return found


@RELAXED
@given(drawn=drawn_parts(), few=st.sampled_from([0, 3]))
def test_the_fewest_tiles(drawn: Drawn, few: int) -> None:
    """A busy key has a tile for each segment between edges that holds an event; any other key keeps its cells."""
    edges, plan, grain = drawn.edges(), plan_of(drawn.windows, drawn.reads), drawn.layout.grain_us
    made = {row["key"]: row for row in parts_of(drawn, few).to_dicts()}
    for key in "ab":
        times = [time_us for time_us in drawn.times_of(key) if time_us >= plan.start_us]
        cells = {time_us // grain for time_us in times}
        segments = {bisect_right(edges, time_us) for time_us in times}
        assert (key in made) == bool(times)
        if times:
            wanted = len(segments) if len(cells) > few else len(cells)
            assert (made[key][TILES], made[key][CELLS], made[key][EVENTS]) == (wanted, len(cells), len(times))
            assert made[key][FIRST] == times[0]


def test_example() -> None:
    """Thirty days by the hour and a lifetime, an event each hour for forty days: 48 hours of starts, and what is around.

    beginning  E-30d .. E-28d          E
    |----------|1|2|..|48|-------------|      valid for two days: 49 starts make 50 tiles
    """
    windows = [Window(30 * DAY_US, hop_us=HOUR_US), Window(None, hop_us=0)]
    layout = layout_of(DrawnView("v", (Field("key", pl.String),), (feature(None, "count", (windows[0],)),), HOUR_US))
    watermark = BEGIN_US + 40 * DAY_US
    frame = pl.DataFrame({"key": "a", "timestamp": range(BEGIN_US, watermark, HOUR_US), "event_id": "e"})
    tiles = tiles_of(frame.with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC"))), layout)
    reads = at_watermark(watermark)
    assert compact(tiles, layout, windows, reads, 64)[TILES].to_list() == [2]
    span = ReadSpan(watermark, watermark, watermark + 2 * DAY_US)
    assert compact(tiles, layout, windows, span, 64)[TILES].to_list() == [50]


GOLDEN = {0: "c85fc6e5882f9ac4", 64: "c85fc6e5882f9ac4", None: "53a65b2bb233f9f7"}


@pytest.mark.parametrize("few", [0, 64, None])
def test_golden_parts_of_batch_views(few: int | None) -> None:
    """What a batch view's events compact to stays the same to the byte."""
    shapes = [Window(DAY_US), Window(5 * DAY_US), Window(2 * DAY_US, DAY_US), Window(None), Window(3 * HOUR_US)]
    distinct = FunctionRequest("last_distinct", (("n", 3),))
    wanted = [(None, "count"), ("narrow", "sum"), ("whole", "max"), ("text", "last"), ("text", distinct)]
    features = [feature(column, function, (shape,), n) for n, shape in enumerate(shapes) for column, function in wanted]
    layout = layout_of(DrawnView("golden", (Field("key", pl.String),), tuple(features), HOUR_US))
    watermark = BEGIN_US + DAYS * DAY_US
    tiles = tiles_of(dense_frame(3), layout, 2).filter(pl.col(FIRST) < watermark)
    parts = compact(tiles, layout, Folder(layout).windows, at_watermark(watermark), few)
    assert hashlib.sha256(b"".join(parts[PART])).hexdigest()[:16] == GOLDEN[few]
