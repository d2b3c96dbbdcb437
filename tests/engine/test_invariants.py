"""Invariants 1 to 3 of the design: reads equal the reference, compaction changes no answer, merging is associative."""

import random
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.engine.drawing import (
    BEGIN_US,
    DAYS,
    HOUR_US,
    INPUTS,
    DrawnView,
    attribute,
    dense_frame,
    events_frames,
    full_view,
    views,
)
from tilefold.declaration.features import Feature
from tilefold.engine.codec import Codec, seal
from tilefold.engine.compact import compact
from tilefold.engine.layout import Layout, layout_of
from tilefold.engine.mark import Mark
from tilefold.engine.merge import Folder, in_force
from tilefold.engine.plan import at_watermark
from tilefold.engine.reference import Event, agree, reference_values
from tilefold.engine.tiles import build_tiles, prepare_events
from tilefold.engine.time import DAY_US, day_start_us
from tilefold.functions.base import TIE, TIME
from tilefold.types import Field

RELAXED = settings(deadline=None, max_examples=examples(50), suppress_health_check=list(HealthCheck))


def tiles_of(frame: pl.DataFrame, layout: Layout, epochs: int = 1) -> pl.DataFrame:
    """Tile rows of all days, events spread over some epochs."""
    inputs = {output.feature.input_column for output in layout.outputs} - {None}
    inputs |= {name for by in layout.by_secondary for name in by.inputs}
    columns = [*layout.key_names, "timestamp", "event_id", *inputs - {*layout.key_names}]
    frames = [layout.tile_schema.to_frame()]
    days = frame["timestamp"].dt.date()
    for day in sorted(set(days)):
        for epoch in range(epochs):
            part = frame.filter(pl.Series(days == day) & (pl.int_range(pl.len()) % epochs == epoch))
            events = prepare_events(part.select(columns).lazy(), layout, "timestamp", day_start_us(day))
            frames.append(build_tiles(events, layout, epoch + 1).collect())
    return pl.concat(frames)


def events_of(frame: pl.DataFrame, layout: Layout, entity: tuple[Any, ...]) -> list[Event]:
    """The reference's view of one entity's events."""
    rows = frame.with_columns(pl.col("timestamp").dt.timestamp("us").alias(TIME)).rename({"event_id": TIE}).to_dicts()
    return [Event(row[TIME], row[TIE], row) for row in rows if tuple(row[name] for name in layout.key_names) == entity]


def scale_of(feature: Feature, frame: pl.DataFrame) -> float:
    """What 1e-9 is relative to: the sum of absolute inputs; its square for variances."""
    if feature.input_column is None or feature.input_dtype in (pl.String, pl.Date, pl.Datetime):
        return 0.0
    total = frame[feature.input_column].cast(pl.Float64).fill_nan(None).abs().sum()
    if "var" in feature.function.label:
        return float(total**2)
    rounded = 1e3 if feature.function.result_dtype == pl.Float32 or "stddev" in feature.function.label else 1.0
    return float(total * rounded)


def assert_reads_equal_reference(
    view: DrawnView, layout: Layout, frame: pl.DataFrame, parts: pl.DataFrame, watermark_us: int
) -> None:
    """Every entity's fold at the watermark is what the naive reference says."""
    codec, folder = Codec(layout), Folder(layout)
    mark = Mark(watermark_us, 7)
    found = {tuple(row[name] for name in layout.key_names): row["tf_part"] for row in parts.to_dicts()}
    for entity in {tuple(row) for row in frame.select(layout.key_names).rows()}:
        decoded = codec.decode(seal(found[entity], mark)) if entity in found else None
        values, inexact = folder.fold(decoded, in_force(decoded, mark).watermark_us)
        expected = reference_values(view.features, events_of(frame, layout, entity), watermark_us)
        assert not inexact
        for feature, value in zip(view.features, values, strict=True):
            assert agree(value, expected[feature.name], scale_of(feature, frame)), (entity, feature.name, value, expected)


@RELAXED
@given(views(), events_frames(), st.integers(0, DAYS), st.sampled_from([0, 2, 64, None]), st.integers(1, 3))
def test_a_read_of_compacted_tiles_equals_the_reference(
    view: DrawnView, frame: pl.DataFrame, day: int, few: int | None, epochs: int
) -> None:
    """Invariants 1 and 2: whatever the compaction merged, every feature is what raw events say."""
    layout = layout_of(view)
    watermark_us = BEGIN_US + day * DAY_US
    tiles = tiles_of(frame, layout, epochs).filter(pl.col("tf_first_us") < watermark_us)
    parts = compact(tiles, layout, Folder(layout).windows, at_watermark(watermark_us), few)
    assert_reads_equal_reference(view, layout, frame, parts, watermark_us)


@pytest.mark.parametrize("few", [0, 64])
@pytest.mark.parametrize("later_us", [0, 1, HOUR_US, 4 * DAY_US])
def test_attributes_expire_by_the_time_of_the_read(later_us: int, few: int) -> None:
    """The latest event below the watermark, null or not, as long as it is valid where the read is, to the microsecond."""
    ttls = (None, 3 * DAY_US, 3 * DAY_US + 1, HOUR_US, 1)
    features = tuple(attribute(column, ttl_us, number=n) for n, ttl_us in enumerate(ttls) for column in INPUTS)
    view = DrawnView("drawn", (Field("key", pl.String),), features, HOUR_US)
    layout, frame, watermark_us = layout_of(view), dense_frame(3, 40), BEGIN_US + 8 * DAY_US
    tiles = tiles_of(frame, layout).filter(pl.col("tf_last_us") < watermark_us)
    parts = compact(tiles, layout, Folder(layout).windows, at_watermark(watermark_us), few)
    for row in parts.to_dicts():
        decoded = Codec(layout).decode(seal(row["tf_part"], Mark(watermark_us, 1)))
        values, inexact = Folder(layout).fold(decoded, watermark_us, watermark_us + later_us)
        events = events_of(frame, layout, (row["key"],))
        expected = reference_values(features, events, watermark_us, watermark_us + later_us)
        assert all(agree(*pair) for pair in zip(values, expected.values(), strict=True))
        assert not inexact


@RELAXED
@given(views(), events_frames(), st.integers(1, DAYS), st.randoms(use_true_random=False))
def test_the_order_of_tile_rows_does_not_matter(
    view: DrawnView, frame: pl.DataFrame, day: int, shuffler: random.Random
) -> None:
    """Invariant 3: tiles in any order, split over any epochs, compact to parts with the same answers."""
    layout = layout_of(view)
    watermark_us = BEGIN_US + day * DAY_US
    tiles = tiles_of(frame, layout, 3).filter(pl.col("tf_first_us") < watermark_us)
    order = list(range(tiles.height))
    shuffler.shuffle(order)
    parts = compact(tiles[order], layout, Folder(layout).windows, at_watermark(watermark_us), 1)
    assert_reads_equal_reference(view, layout, frame, parts, watermark_us)


@pytest.mark.parametrize("few", [0, 12, None])
@pytest.mark.parametrize("grain_us", [HOUR_US, DAY_US])
def test_every_function_of_every_type_equals_the_reference(grain_us: int, few: int | None) -> None:
    """All functions, inputs and window kinds at once, over dense keys, at several watermarks."""
    view = full_view(grain_us)
    layout = layout_of(view)
    for seed in range(1):
        frame = dense_frame(seed)
        tiles = tiles_of(frame, layout, epochs=2)
        for day in (3, 8, DAYS):
            watermark_us = BEGIN_US + day * DAY_US
            below = tiles.filter(pl.col("tf_last_us") < watermark_us)
            parts = compact(below, layout, Folder(layout).windows, at_watermark(watermark_us), few)
            assert_reads_equal_reference(view, layout, frame, parts, watermark_us)
