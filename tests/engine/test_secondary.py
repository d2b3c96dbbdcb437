"""Secondary keys: every function, for each key of every kind of window, in every mode, is what the reference says."""

import random
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.engine.drawing import (
    ALL_PAIRS,
    BEGIN_US,
    DAYS,
    HOUR_US,
    DrawnView,
    by_secondary,
    dense_frame,
    events_frames,
    feature,
    views,
)
from tests.engine.stream_keys import StreamKey, few_loose, stream_views, view_of
from tests.engine.test_invariants import assert_reads_equal_reference, events_of, scale_of, tiles_of
from tests.engine.test_merge_stream import Life
from tests.engine.test_training import in_frames
from tilefold.declaration.features import Feature
from tilefold.declaration.windows import Window
from tilefold.engine.compact import compact
from tilefold.engine.layout import layout_of
from tilefold.engine.merge import Folder
from tilefold.engine.plan import at_watermark
from tilefold.engine.reference import agree, reference_values
from tilefold.engine.secondary import BySecondary
from tilefold.engine.time import DAY_US
from tilefold.engine.training import EDGE, REQUEST, training_values
from tilefold.types import Field

RELAXED = settings(deadline=None, max_examples=examples(15), suppress_health_check=list(HealthCheck), print_blob=True)
KEY_COLUMNS = ["text", "narrow", "flag", "moment", "day"]
KEYS = (Field("key", pl.String),)
PAIRS = [*{str(function): (column, function) for column, function in ALL_PAIRS[::-1] + ALL_PAIRS[::7]}.values()]
"""Every function, each of some type."""
SHAPES: list[tuple[Window, ...]] = [
    (Window(DAY_US),),
    (Window(5 * DAY_US),),
    (Window(2 * DAY_US, DAY_US),),
    (Window(None),),
    (Window(2 * DAY_US, 2 * DAY_US), Window(2 * DAY_US, DAY_US), Window(2 * DAY_US)),
]


def is_attribute(one: Feature) -> bool:
    """Whether it is an attribute, which has no place beside a secondary key."""
    return one.function.label == "latest"


def full_view(column: str, grain_us: int = DAY_US) -> DrawnView:
    """Every function of every type over every kind of window, by this column."""
    features = [feature(c, f, shape, n) for n, shape in enumerate(SHAPES) for c, f in PAIRS]
    features += [feature(None, "count", shape, n) for n, shape in enumerate(SHAPES)]
    key, parted = by_secondary(column, features)
    return DrawnView("parted", KEYS, parted, grain_us, key)


@pytest.mark.parametrize("few", [0, None])
@pytest.mark.parametrize("column", KEY_COLUMNS)
def test_every_function_equals_the_reference(column: str, few: int | None) -> None:
    """In a batch view, whatever the compaction merged, by a key of every type, null keys among them."""
    view = full_view(column)
    layout, frame = layout_of(view), dense_frame(2, 120)
    tiles = tiles_of(frame, layout, epochs=2)
    for day in (3, DAYS):
        watermark_us = BEGIN_US + day * DAY_US
        below = tiles.filter(pl.col("tf_last_us") < watermark_us)
        parts = compact(below, layout, Folder(layout).windows, at_watermark(watermark_us), few)
        assert_reads_equal_reference(view, layout, frame, parts, watermark_us)


@RELAXED
@given(views(), events_frames(), st.integers(0, DAYS), st.sampled_from([0, 2, 64, None]), st.sampled_from(KEY_COLUMNS))
def test_a_read_equals_the_reference(view: DrawnView, frame: pl.DataFrame, day: int, few: int | None, column: str) -> None:
    """Of drawn views over drawn events, in several epochs."""
    key, features = by_secondary(column, [one for one in view.features if not is_attribute(one)])
    parted = DrawnView(view.name, view.join_keys, features, view.cell_us, key)
    layout = layout_of(parted)
    watermark_us = BEGIN_US + day * DAY_US
    tiles = tiles_of(frame, layout, 2).filter(pl.col("tf_first_us") < watermark_us)
    parts = compact(tiles, layout, Folder(layout).windows, at_watermark(watermark_us), few)
    assert_reads_equal_reference(parted, layout, frame, parts, watermark_us)


@pytest.mark.parametrize(("column", "grain_us"), [("text", HOUR_US), ("moment", DAY_US), ("flag", DAY_US)])
def test_training_values_equal_the_reference(column: str, grain_us: int) -> None:
    """Every function, for known and unknown keys, at several edges."""
    view = full_view(column, grain_us)
    layout, frame = layout_of(view), dense_frame(5, 120)
    asked = [(key, BEGIN_US + day * DAY_US) for key in ("b", "a", "nobody") for day in (DAYS, 2, 7)]
    requests = pl.DataFrame(asked, schema={"key": pl.String(), EDGE: pl.Int64()}, orient="row").with_row_index(REQUEST)
    found = training_values(frame.lazy(), requests, layout, "timestamp", BEGIN_US)
    assert {one.name: found.schema[one.name] for one in view.features} == {one.name: one.dtype for one in view.features}
    for (key, edge_us), row in zip(asked, found.to_dicts(), strict=True):
        expected = reference_values(view.features, events_of(frame, layout, (key,)), edge_us)
        for one in view.features:
            value = in_frames(expected[one.name])
            assert agree(row[one.name], value, scale_of(one, frame)), (key, one.name, row[one.name], value)


def test_training_values_of_stream_views_equal_the_reference() -> None:
    """At times that cut cells at either edge."""
    shapes = [(Window(5 * DAY_US + 7, hop_us=0),), (Window(2 * DAY_US, 5 * HOUR_US, hop_us=HOUR_US, ends_on_grid=True),)]
    key, features = by_secondary("text", [feature(c, f, shape, n) for n, shape in enumerate(shapes) for c, f in PAIRS])
    layout, frame = layout_of(DrawnView("parted", KEYS, features, 1, key)), dense_frame(6, 120)
    asked = [(name, BEGIN_US + day * DAY_US + us) for name in "ba" for day, us in ((DAYS, 0), (2, 5), (7, -1), (9, 6))]
    requests = pl.DataFrame(asked, schema={"key": pl.String(), EDGE: pl.Int64()}, orient="row").with_row_index(REQUEST)
    found = training_values(frame.lazy(), requests, layout, "timestamp", BEGIN_US).to_dicts()
    for (name, at_us), row in zip(asked, found, strict=True):
        expected = reference_values(features, events_of(frame, layout, (name,)), at_us)
        for one in features:
            assert agree(row[one.name], in_frames(expected[one.name]), scale_of(one, frame)), (name, at_us, one.name)


@RELAXED
@given(
    drawn=st.data(),
    column=st.sampled_from(KEY_COLUMNS),
    few=st.sampled_from([0, 3, 64]),
    loose=st.sampled_from([(0, 0), (4, 2), (64, 16)]),
    seed=st.integers(0, 2**32),
)
def test_a_stream_read_equals_the_reference(
    drawn: st.DataObject, column: str, few: int, loose: tuple[int, int], seed: int
) -> None:
    """Whatever happened to a key: late events, compactions, folds into cells."""
    features = [one for one in drawn.draw(stream_views(max_features=2)).features if not is_attribute(one)]
    key, chance = StreamKey(view_of(by_secondary(column, features)[1])), random.Random(seed)
    with few_loose(*loose):
        for now_us in Life(key, chance, few).steps():
            until_us = max(key.held.watermark_us, BEGIN_US) + key.valid_for_us
            for at_us in [now_us, chance.randint(now_us, max(now_us, until_us)), chance.randint(BEGIN_US, now_us)]:
                if at_us >= key.held.watermark_us:
                    assert not key.wrong(at_us)
                if now_us <= at_us <= until_us:
                    assert not key.inexact(at_us)


def partial_of(*functions: Any) -> BySecondary:
    """What keeps the states of some functions by text."""
    key, features = by_secondary("text", [feature("whole", function, (Window(None),)) for function in functions])
    return layout_of(DrawnView("parted", KEYS, features, DAY_US, key)).by_secondary[0]


def test_states_merge_in_any_grouping() -> None:
    """The states of a key are joined wherever they stand, and bytes do not depend on the way."""
    by = partial_of("sum", "max", "last")
    events = [{"text": text, "whole": whole} for text, whole in [("b", 1), ("a", 2), ("b", 3), (None, 4), ("", None)]]
    tiles = [by.lift(value, time_us, f"{time_us}")[0] for time_us, value in enumerate(events)]
    at_once = by.stored(by.fold([tiles], 0, 5))
    for cut in range(1, 5):
        halves = by.fold([tiles], 0, cut), by.fold([tiles], cut, 5)
        assert by.stored(by.combine(*halves)) == by.stored(by.combine(*halves[::-1])) == at_once
    assert list(by.fold([at_once], 0, 1)) == ["", "a", "b"]
    assert tiles[3] == b""


def test_many_keys_are_small() -> None:
    """A hundred keys with a sum and a count each take about two kilobytes, most of it their names and sums."""
    by = partial_of("sum", "count")
    tiles = [by.lift({"text": f"merchant {number:03}", "whole": number * 10**6}, 0, "")[0] for number in range(100)]
    (data,) = by.stored(by.fold([tiles], 0, 100))
    assert len(data) <= 100 * (12 + 1 + 1 + 1 + 8) + 60
