"""Training values are those of the reference at each row's own time."""

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
    INPUTS,
    DrawnView,
    attribute,
    dense_frame,
    feature,
    full_view,
)
from tests.engine.stream_drawing import Drawn, drawn_parts, events_frame, view_of, window_groups
from tests.engine.test_invariants import events_of, scale_of
from tilefold.declaration.windows import Window
from tilefold.engine import training
from tilefold.engine.layout import layout_of
from tilefold.engine.reference import OVERFLOW, agree, reference_values
from tilefold.engine.time import DAY_US
from tilefold.engine.training import EDGE, READ, REQUEST, bounds_exprs, cell_size_us, training_values
from tilefold.engine.windows import bounds_us
from tilefold.types import Field

RELAXED = settings(deadline=None, max_examples=examples(30), suppress_health_check=list(HealthCheck))


def in_frames(value: Any) -> Any:
    """What a frame shows of a value: null for a sum that does not fit."""
    return [in_frames(each) for each in value] if isinstance(value, list) else None if value is OVERFLOW else value


@pytest.mark.parametrize("grain_us", [HOUR_US, DAY_US])
def test_training_values_equal_the_reference(grain_us: int) -> None:
    """Every function of every type, for known and unknown keys, at several edges, in the order asked."""
    view = full_view(grain_us)
    layout = layout_of(view)
    frame = dense_frame(5)
    asked = [(key, BEGIN_US + day * DAY_US) for key in ("b", "a", "nobody") for day in (DAYS, 2, 7)]
    requests = pl.DataFrame(asked, schema={"key": pl.String(), EDGE: pl.Int64()}, orient="row").with_row_index(REQUEST)
    found = training_values(frame.lazy(), requests, layout, "timestamp", BEGIN_US).to_dicts()
    for (key, edge_us), row in zip(asked, found, strict=True):
        expected = reference_values(view.features, events_of(frame, layout, (key,)), edge_us)
        for one in view.features:
            value = in_frames(expected[one.name])
            assert agree(row[one.name], value, scale_of(one, frame)), (key, one.name, row[one.name], value)


def test_attributes_of_batch_views_expire_by_the_time_of_the_read() -> None:
    """Two rows of one edge may see the latest event and not see it: its validity is counted from each row's own time."""
    layout = layout_of(DrawnView("drawn", (Field("key", pl.String),), (attribute("text", DAY_US),), DAY_US))
    events = pl.DataFrame(
        {"key": ["a", "a"], "timestamp": [BEGIN_US, BEGIN_US + HOUR_US], "text": ["old", "new"], "event_id": ["1", "2"]}
    ).with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")))
    edge_us = BEGIN_US + DAY_US
    reads = [edge_us, edge_us + HOUR_US - 1, edge_us + HOUR_US]
    requests = pl.DataFrame({"key": ["a"] * 3, EDGE: [edge_us] * 3, READ: reads}).with_row_index(REQUEST)
    found = training_values(events.lazy(), requests, layout, "timestamp", BEGIN_US)
    assert found["text_0"].to_list() == ["new", "new", None]


@RELAXED
@given(drawn_parts(), st.data())
def test_training_values_of_stream_views_equal_the_reference(drawn: Drawn, data: st.DataObject) -> None:
    """At any microsecond, over every kind of window, a value counts what the reference counts."""
    times = st.integers(BEGIN_US - 100, drawn.reads.until_us)
    asked = data.draw(st.lists(st.tuples(st.sampled_from("abc"), times), min_size=1, max_size=12, unique=True))
    requests = pl.DataFrame(asked, schema={"key": pl.String(), EDGE: pl.Int64()}, orient="row").with_row_index(REQUEST)
    found = training_values(drawn.events.lazy(), requests, drawn.layout, "timestamp", BEGIN_US).to_dicts()
    features = [output.feature for output in drawn.layout.outputs]
    for (key, at_us), row in zip(asked, found, strict=True):
        expected = reference_values(features, events_of(drawn.events, drawn.layout, (key,)), at_us)
        assert {name: row[name] for name in expected} == expected, (key, at_us)


def test_every_function_over_stream_windows() -> None:
    """Every function of every type, and attributes that expire, at times that cut cells at either edge."""
    shapes = [
        (Window(5 * DAY_US + 7, hop_us=0),),
        (Window(2 * DAY_US, 5 * HOUR_US, hop_us=HOUR_US, ends_on_grid=True),),
    ]
    features = tuple(feature(c, f, shape, n) for n, shape in enumerate(shapes) for c, f in ALL_PAIRS)
    features += tuple(attribute(column, 2 * DAY_US + 5, 0) for column in INPUTS)
    layout = layout_of(DrawnView("full", (Field("key", pl.String),), features, 1))
    frame = dense_frame(6)
    asked = [(key, BEGIN_US + day * DAY_US + us) for key in ("b", "a") for day, us in ((DAYS, 0), (2, 5), (7, -1), (9, 6))]
    requests = pl.DataFrame(asked, schema={"key": pl.String(), EDGE: pl.Int64()}, orient="row").with_row_index(REQUEST)
    found = training_values(frame.lazy(), requests, layout, "timestamp", BEGIN_US).to_dicts()
    for (key, at_us), row in zip(asked, found, strict=True):
        expected = reference_values(features, events_of(frame, layout, (key,)), at_us)
        for one in features:
            value = in_frames(expected[one.name])
            assert agree(row[one.name], value, scale_of(one, frame)), (key, at_us, one.name, row[one.name], value)


@RELAXED
@given(window_groups(), st.lists(st.integers(BEGIN_US - 1_000, BEGIN_US + 1_000), min_size=1))
def test_bounds_of_columns(windows: tuple[Window, ...], times: list[int]) -> None:
    """The bounds of a column of times hold the events that those of each time hold."""
    for window in [*windows, Window(7), Window(7, 3), Window(None, lifetime_start_us=BEGIN_US)]:
        start, end = bounds_exprs(window, pl.col("at"))
        rows = pl.DataFrame({"at": times}).select("at", start=start, end=end).to_dicts()
        for row in rows:
            expected = bounds_us(window, row["at"])
            found = (row["start"], row["end"])
            assert found == expected or (found[0] >= found[1] and expected[0] == expected[1])


@pytest.mark.parametrize("rows", [1, 7, 10**9])
def test_memory_is_bounded(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few rows of a join may be in memory at once, the values are the same."""
    monkeypatch.setattr(training, "ROWS_AT_ONCE", rows)
    windows = [(Window(60, hop_us=12),), (Window(60, hop_us=0),), (Window(None, hop_us=0),), (Window(3, 50, hop_us=0),)]
    layout = layout_of(view_of(windows, 1))
    frame = events_frame(["a", "b"] * 100, list(range(BEGIN_US, BEGIN_US + 200)))
    asked = [(key, BEGIN_US + at) for key in "ab" for at in range(0, 250, 7)]
    requests = pl.DataFrame(asked, schema={"key": pl.String(), EDGE: pl.Int64()}, orient="row").with_row_index(REQUEST)
    found = training_values(frame.lazy(), requests, layout, "timestamp", BEGIN_US).to_dicts()
    for (key, at_us), row in zip(asked, found, strict=True):
        expected = reference_values([out.feature for out in layout.outputs], events_of(frame, layout, (key,)), at_us)
        assert {name: row[name] for name in expected} == expected


def test_cell_sizes() -> None:
    """A window is put together of some dozens of cells, a hop or more each; a batch view's cells are its own."""
    layout = layout_of(view_of([(Window(60, hop_us=12),)], 12))
    assert cell_size_us(Window(DAY_US), layout) == layout.grain_us == 12
    assert cell_size_us(Window(64 * HOUR_US, hop_us=60_000_000), layout) == HOUR_US
    assert cell_size_us(Window(2 * HOUR_US, hop_us=HOUR_US), layout) == HOUR_US
    assert cell_size_us(Window(5, hop_us=0), layout) == 1
    assert cell_size_us(Window(None, hop_us=0), layout) == DAY_US
