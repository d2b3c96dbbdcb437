"""Compaction: which tiles a key is left with, and that its bytes depend on nothing else."""

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.engine.drawing import BEGIN_US, DAYS, DrawnView, events_frames, feature, views
from tests.engine.test_invariants import assert_reads_equal_reference, tiles_of
from tilefold.declaration.windows import Window
from tilefold.engine import compact as compacting
from tilefold.engine.codec import Codec, seal
from tilefold.engine.compact import CELLS, PART, TILES, compact, part_schema
from tilefold.engine.entity import KEY_HASH
from tilefold.engine.layout import EVENTS, FIRST, Layout, layout_of
from tilefold.engine.mark import Mark
from tilefold.engine.merge import Folder
from tilefold.engine.plan import at_watermark
from tilefold.engine.time import DAY_US
from tilefold.types import Field

RELAXED = settings(deadline=None, max_examples=examples(40), suppress_health_check=list(HealthCheck))
WATERMARK_US = BEGIN_US + DAYS * DAY_US
KEYS = (Field("key", pl.String),)
DAY, WEEK, MOVED, LIFE = Window(DAY_US), Window(7 * DAY_US), Window(DAY_US, 2 * DAY_US), Window(None)


def layout_for(*windows: Window) -> Layout:
    """Sums and lists over some windows."""
    wanted = tuple(feature("narrow", "sum", (window,), number) for number, window in enumerate(windows))
    return layout_of(DrawnView("drawn", KEYS, wanted, DAY_US))


def daily(keys: dict[str, int]) -> pl.DataFrame:
    """An event a day before the watermark for each key, as many days as asked."""
    rows = [(key, WATERMARK_US - (number + 1) * DAY_US + 5) for key, days in keys.items() for number in range(days)]
    frame = pl.DataFrame(rows, schema={"key": pl.String(), "timestamp": pl.Int64()}, orient="row")
    numbered = frame.with_row_index("narrow").with_columns(pl.col("narrow").cast(pl.Int32), event_id=pl.lit("e"))
    return numbered.with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")))


def compacted(layout: Layout, frame: pl.DataFrame, few: int | None, watermark_us: int = WATERMARK_US) -> pl.DataFrame:
    """The parts at a watermark."""
    tiles = tiles_of(frame, layout).filter(pl.col("tf_last_us") < watermark_us)
    return compact(tiles, layout, Folder(layout).windows, at_watermark(watermark_us), few)


@pytest.mark.parametrize(
    ("windows", "tiles"),
    [
        ((LIFE,), 1),
        ((DAY, LIFE), 2),
        ((DAY, WEEK, LIFE), 3),
        ((DAY, WEEK), 2),
        ((DAY, WEEK, MOVED, LIFE), 5),
    ],
)
def test_the_fewest_tiles(windows: tuple[Window, ...], tiles: int) -> None:
    """A busy key keeps one tile between neighbouring edges of its windows; a lifetime alone is one tile."""
    row = compacted(layout_for(*windows), daily({"busy": 12}), few=3).to_dicts()[0]
    in_reach = 12 if LIFE in windows else 7
    assert (row[TILES], row[CELLS], row[EVENTS]) == (tiles, in_reach, in_reach)


def test_few_cells_stay() -> None:
    """A key of at most `few` cells keeps them; with compaction switched off every key does."""
    layout, frame = layout_for(DAY, WEEK, LIFE), daily({"quiet": 5, "busy": 9})
    assert dict(compacted(layout, frame, few=5).select("key", TILES).rows()) == {"quiet": 5, "busy": 3}
    assert dict(compacted(layout, frame, few=None).select("key", TILES).rows()) == {"quiet": 5, "busy": 9}


def test_a_quiet_key_does_not_change() -> None:
    """While nothing happens to a quiet key, its part is the same at each watermark; a busy one's is not."""
    layout, frame = layout_for(DAY, WEEK, LIFE), daily({"quiet": 3, "busy": 6})
    one, other = (
        dict(compacted(layout, frame, few=3, watermark_us=WATERMARK_US + days * DAY_US).select("key", PART).rows())
        for days in (0, 1)
    )
    assert one["quiet"] == other["quiet"]
    assert one["busy"] != other["busy"]


def test_out_of_reach() -> None:
    """Tiles before every window are dropped, and a key without others has no part."""
    layout = layout_for(DAY, WEEK)
    parts = compacted(layout, daily({"old": 12}), few=64)
    assert parts[FIRST].to_list() == [WATERMARK_US - 7 * DAY_US + 5]
    assert compacted(layout, daily({"old": 3}), few=64, watermark_us=WATERMARK_US + 30 * DAY_US).height == 0


def test_no_tiles() -> None:
    """Of no tiles there are no parts, in the right columns."""
    layout = layout_for(DAY)
    parts = compact(layout.tile_schema.to_frame(), layout, [DAY], at_watermark(WATERMARK_US), 3)
    assert (parts.height, parts.schema) == (0, part_schema(layout))


def test_sorted_by_hash() -> None:
    """Parts come in the order of their keys' hashes."""
    parts = compacted(layout_for(DAY, LIFE), daily({f"k{number}": number % 9 + 1 for number in range(40)}), few=4)
    assert parts[KEY_HASH].is_sorted()
    assert parts.height == 40


@pytest.mark.parametrize("few", [0, 2, 64])
@RELAXED
@given(view=views(max_features=3), frame=events_frames())
def test_keys_of_one_hash_stay_apart(view: DrawnView, frame: pl.DataFrame, few: int) -> None:
    """Where all keys share one hash, each is still compacted by itself."""
    layout = layout_of(view)
    tiles = tiles_of(frame, layout, epochs=2).filter(pl.col("tf_first_us") < WATERMARK_US)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compacting, "key_hash_expr", lambda _: pl.lit(7, dtype=pl.Int64).alias(KEY_HASH))
        parts = compact(tiles, layout, Folder(layout).windows, at_watermark(WATERMARK_US), few)
    assert_reads_equal_reference(view, layout, frame, parts, WATERMARK_US)


@RELAXED
@given(views(), events_frames(), st.integers(1, DAYS), st.sampled_from([0, 2, None]))
def test_a_key_does_not_depend_on_its_neighbours(view: DrawnView, frame: pl.DataFrame, day: int, few: int | None) -> None:
    """A key's bytes are the same alone as among all others."""
    layout = layout_of(view)
    watermark_us = BEGIN_US + day * DAY_US
    tiles = tiles_of(frame, layout).filter(pl.col("tf_first_us") < watermark_us)
    windows = Folder(layout).windows
    for row in compact(tiles, layout, windows, at_watermark(watermark_us), few).to_dicts():
        mine = tiles.filter(pl.all_horizontal(pl.col(name) == row[name] for name in layout.key_names))
        alone = compact(mine, layout, windows, at_watermark(watermark_us), few)
        assert alone[PART].to_list() == [row[PART]]


def test_a_cut_tile_is_told() -> None:
    """A window that a tile straddles is inexact, at either edge; one that none straddles stays exact at any time."""
    layout = layout_for(DAY, WEEK, MOVED, LIFE)
    part = compacted(layout, daily({"busy": 12}), few=0)[PART][0]
    decoded, folder = Codec(layout).decode(seal(part, Mark(WATERMARK_US, 1))), Folder(layout)
    assert folder.fold(decoded, WATERMARK_US)[1] == []
    later, inexact = folder.fold(decoded, WATERMARK_US + DAY_US)
    assert {folder.windows[number] for number in inexact} == {WEEK}
    assert (later[0], later[3]) == (None, sum(range(12)))
    assert folder.fold(decoded, WATERMARK_US + 30 * DAY_US)[1] == []
    for back in (1, 2, 4):
        _, early = folder.fold(decoded, WATERMARK_US - back * DAY_US)
        assert {LIFE} <= {folder.windows[number] for number in early} or back < 4
