"""Runs of rows give what plain Python makes of their values, wherever they begin and end."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tilefold.engine.range_totals import RangeTotals
from tilefold.functions import Component

RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
INTS = st.integers(-(2**31), 2**31)
FLOATS = st.floats(width=64)
HUGE = [1e300, -1e300, math.inf, -math.inf, math.nan, 1e16]


def runs_of(length: int) -> tuple[Any, Any]:
    """Every run of so many rows, empty ones too."""
    pairs = [(low, high) for low in range(length + 1) for high in range(low, length + 1)]
    low, high = zip(*pairs, strict=True)
    return np.array(low, np.int64), np.array(high, np.int64)


def of_runs(values: list[Any], dtype: pl.DataType, operation: str) -> list[tuple[list[Any], Any]]:
    """The values of each run, and what was found for them."""
    component = Component("value", dtype, nullable=operation != "add")
    low, high = runs_of(len(values))
    found = RangeTotals(pl.Series(values, dtype=dtype), component, operation).of(low, high)
    assert found.dtype == dtype
    return [(values[start:end], each) for start, end, each in zip(low, high, found.to_list(), strict=True)]


@RELAXED
@given(st.lists(INTS, max_size=40))
def test_sums_of_integers(values: list[int]) -> None:
    """Sums are exact."""
    assert all(found == sum(held) for held, found in of_runs(values, pl.Int64(), "add"))


@RELAXED
@given(st.lists(FLOATS, max_size=30), st.integers(0, 80))
def test_sums_of_floats(values: list[float], more: int) -> None:
    """Sums are right to 1e-9 of the sum of absolute values, where that is a number; NaN and infinities are where they are."""
    values = [*values, *[0.1] * more]
    for held, found in of_runs(values, pl.Float64(), "add"):
        if all(map(math.isfinite, held)) and math.isfinite(sum(map(abs, held))):
            assert abs(found - math.fsum(held)) <= 1e-9 * math.fsum(map(abs, held))
        elif any(map(math.isnan, held)) or {math.inf, -math.inf} <= set(held):
            assert math.isnan(found)
        elif any(map(math.isinf, held)):
            assert not math.isfinite(found)


@pytest.mark.parametrize("huge", HUGE)
def test_a_huge_value_leaves_no_trace(huge: float) -> None:
    """In runs before and behind it a sum has every digit."""
    values = [0.1, 0.2, huge, *[0.3] * 20]
    for held, found in of_runs(values, pl.Float64(), "add"):
        if huge not in held and not any(map(math.isnan, held)):
            assert abs(found - math.fsum(held)) <= 1e-15 * math.fsum(held)


@RELAXED
@given(st.lists(st.none() | INTS, max_size=40), st.sampled_from(["minimum", "maximum"]))
def test_extremes(values: list[int | None], operation: str) -> None:
    """Nulls are skipped, and a run without a value has none."""
    pick = min if operation == "minimum" else max
    for held, found in of_runs(values, pl.Int64(), operation):
        assert found == pick((value for value in held if value is not None), default=None)


EXTREMES: list[tuple[pl.DataType, list[Any]]] = [
    (pl.Int64(), [2**63 - 1, -(2**63), None, 0]),
    (pl.UInt8(), [255, 0, None]),
    (pl.Float32(), [math.inf, -math.inf, None, 0.5]),
    (pl.Float64(), [math.inf, math.inf, None]),
    (pl.Boolean(), [True, False, None]),
]


@pytest.mark.parametrize("operation", ["minimum", "maximum"])
@pytest.mark.parametrize(("dtype", "values"), EXTREMES, ids=[str(dtype) for dtype, _ in EXTREMES])
def test_extremes_of_types(dtype: pl.DataType, values: list[Any], operation: str) -> None:
    """The outermost values of each type are values like others."""
    pick = min if operation == "minimum" else max
    for held, found in of_runs(values * 7, dtype, operation):
        assert found == pick((value for value in held if value is not None), default=None)


def test_many_levels() -> None:
    """Runs over thousands of rows go by blocks of blocks."""
    values = np.random.default_rng(3).integers(-1000, 1000, 5000)
    starts = np.random.default_rng(4).integers(0, 5001, (2, 500))
    low, high = starts.min(axis=0), starts.max(axis=0)
    component = Component("value", pl.Float64())
    found = RangeTotals(pl.Series(values).cast(pl.Float64), component, "add").of(low, high)
    assert found.to_list() == [float(values[start:end].sum()) for start, end in zip(low, high, strict=True)]
