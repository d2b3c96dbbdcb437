"""Events stand by key, time and tie, and windows are found in them."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.drawing import DrawnView, feature
from tilefold.declaration.windows import Window
from tilefold.engine.layout import Layout, layout_of
from tilefold.engine.sorted_events import KEY, needed_columns, sort_events
from tilefold.engine.time import DAY_US
from tilefold.functions.base import TIE, TIME
from tilefold.types import Field

RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
KEYS = 5
SPREADS = [7, 10**6, 2**50, 2**61]  # of times: few bits, some, and more than an Int64 has left beside the key


def layout(function: str, hop_us: int | None, grain_us: int) -> Layout:
    """Of a view of one feature."""
    view = DrawnView("drawn", (Field("key", pl.String),), (feature("whole", function, (Window(10, hop_us=hop_us),)),), grain_us)
    return layout_of(view)


def events_of(rows: list[tuple[int, int, str]], wanted: Layout) -> pl.DataFrame:
    """Events of key, time and tie, numbered in the order given."""
    keys, times, ties = zip(*rows, strict=True) if rows else ((), (), ())
    columns = {
        KEY: pl.Series(keys, dtype=pl.UInt32),
        TIME: pl.Series(times, dtype=pl.Int64),
        TIE: pl.Series(ties, dtype=pl.String),
    }
    return pl.DataFrame({**columns, "whole": range(len(rows))}).select(KEY, *needed_columns(wanted))


@pytest.mark.parametrize("spread", SPREADS)
@RELAXED
@given(data=st.data())
def test_order(spread: int, data: st.DataObject) -> None:
    """Rows come by key, time and tie, however far apart times are."""
    row = st.tuples(st.integers(0, KEYS - 1), st.integers(-spread, spread) | st.sampled_from([0, spread]), st.text(max_size=2))
    rows = data.draw(st.lists(row, max_size=30))
    wanted = layout("last", 0, 1)
    found = sort_events(events_of(rows, wanted), KEYS, wanted)
    expected = sorted(rows, key=lambda each: (each[0], each[1], each[2].encode()))
    assert found.rows.select(TIME, TIE).rows() == [(time, tie) for _, time, tie in expected]
    assert np.diff(found.starts).tolist() == [sum(key == number for key, *_ in rows) for number in range(KEYS)]


@RELAXED
@given(
    st.lists(st.tuples(st.integers(0, KEYS - 1), st.integers(-50, 50), st.just("")), max_size=40),
    st.lists(st.tuples(st.integers(0, KEYS - 1), st.integers(-60, 60)), min_size=1),
)
def test_places(rows: list[tuple[int, int, str]], asked: list[tuple[int, int]]) -> None:
    """The place of a time is that of the first row of its key at or behind it."""
    wanted = layout("sum", 0, 1)
    found = sort_events(events_of(rows, wanted), KEYS, wanted)
    keys, times = (np.array(column, np.int64) for column in zip(*asked, strict=True))
    expected = [sum(key < number or (key == number and at < time) for key, at, _ in rows) for number, time in asked]
    assert found.places(keys, times).tolist() == expected


def test_within_a_unit_the_order_is_free() -> None:
    """Where edges lie on a grid and states do not depend on the order, rows of one unit come as they came."""
    wanted = layout("sum", None, DAY_US)
    rows: list[Any] = [(1, DAY_US + 5, ""), (1, 3, ""), (1, DAY_US + 2, ""), (0, 9, "")]
    found = sort_events(events_of(rows, wanted), KEYS, wanted)
    assert found.rows["whole"].to_list() == [3, 1, 0, 2]
    assert found.places(np.array([1, 1]), np.array([0, DAY_US])).tolist() == [1, 2]
