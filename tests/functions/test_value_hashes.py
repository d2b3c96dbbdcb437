"""Hashes of values: the same for ever, for a column and for one value."""

import math
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.engine.drawing import INPUTS
from tests.functions.paths import physical
from tilefold.functions.value_hashes import hash_expr, hash_of

GOLDEN: list[tuple[pl.DataType, Any, int]] = [
    (pl.String(), "", 0x2D06800538D394C2),
    (pl.String(), "ß", 0xF97D566EE0D17954),
    (pl.Int64(), -1, 0xBC25A7B612CBA21F),
    (pl.Boolean(), True, 0x65CD25028F98F158),
    (pl.Float64(), 0.1, 0x3C82EE86C6719143),
    (pl.Float64(), math.nan, 0xE1B0CD112530A7DA),
    (pl.Datetime("us", "UTC"), datetime(2024, 1, 1, tzinfo=UTC), 0x9B804FB40912E348),
    (pl.Date(), date(2024, 1, 1), 0x7C54293FDC4B215A),
]


def in_column(dtype: pl.DataType, values: list[Any]) -> list[int | None]:
    """The hashes of a column of values."""
    return pl.DataFrame({"x": pl.Series(values, dtype=dtype)}).select(hash_expr("x", dtype))["x"].to_list()


@pytest.mark.parametrize(("dtype", "value", "hashed"), GOLDEN)
def test_hashes_are_these_for_ever(dtype: pl.DataType, value: Any, hashed: int) -> None:
    """Sketches in tables and stores are made of them."""
    assert hash_of(dtype)(physical(value)) == hashed
    assert in_column(dtype, [value]) == [hashed]


@pytest.mark.parametrize("column", INPUTS)
def test_one_value_is_hashed_as_a_column_is(column: str) -> None:
    """Of every type, nulls left out."""
    dtype, values = INPUTS[column]

    @settings(deadline=None, max_examples=examples(30))
    @given(st.lists(st.none() | values, min_size=1, max_size=20))
    def law(given_values: list[Any]) -> None:
        hash_one = hash_of(dtype)
        expected = [None if value is None else hash_one(physical(value)) for value in given_values]
        assert in_column(dtype, given_values) == expected

    law()


@pytest.mark.parametrize("dtype", [pl.Float32(), pl.Float64()])
def test_zeros_and_nans_are_one_value_each(dtype: pl.DataType) -> None:
    """Both zeros share a hash, and so do all NaN, whatever their bits."""
    zero, negative, nan, other = in_column(dtype, [0.0, -0.0, math.nan, -math.nan])
    assert zero == negative != nan == other
    hash_one = hash_of(dtype)
    assert [hash_one(0.0), hash_one(-0.0), hash_one(math.nan), hash_one(-math.nan)] == [zero, zero, nan, nan]
