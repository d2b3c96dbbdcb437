"""`approx_count_distinct` of every type: what the registers of the set of values say, on every path."""

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tests.functions.paths import events_of, in_bulk, plain
from tilefold.aggregation_functions import approx_count_distinct
from tilefold.functions import resolve

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
TYPES: dict[pl.DataType, Any] = {
    pl.String(): lambda n: f"shop {n}",
    pl.Int64(): lambda n: n * 1_000_003 - 5,
    pl.Int8(): lambda n: n % 200 - 100,
    pl.Float64(): lambda n: n / 7,
    pl.Float32(): lambda n: float(n) / 4,
    pl.Datetime("us", "UTC"): lambda n: EPOCH + timedelta(seconds=n),
    pl.Date(): lambda n: date(2024, 1, 1) + timedelta(days=n),
}


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_every_type(dtype: pl.DataType) -> None:
    """Two hundred values, each several times and in several tiles, in bulk and plain: within three standard errors."""
    function = resolve(approx_count_distinct(12), dtype)
    values = [TYPES[dtype](n) for n in range(200)]
    tiles = [events_of(*values[:150], None), events_of(*values[100:]), events_of(*values)]
    found = in_bulk(function, dtype, tiles)
    assert plain(function, tiles) == found
    assert abs(found - 200) <= 200 * 3 * 1.04 / math.sqrt(2**12)


def test_booleans_are_two_values() -> None:
    """True and False, however often."""
    function = resolve("approx_count_distinct", pl.Boolean())
    for values, count in (([True, False, True], 2), ([True, None], 1), ([None], 0)):
        tiles = [events_of(*values), events_of(*values)]
        assert (in_bulk(function, pl.Boolean(), tiles), plain(function, tiles)) == (count, count)


def test_nan_and_zeros_are_one_value_each() -> None:
    """As they are of `last_distinct`."""
    function, tiles = resolve("approx_count_distinct", pl.Float64()), [events_of(math.nan, 0.0), events_of(-0.0, math.nan)]
    assert (in_bulk(function, pl.Float64(), tiles), plain(function, tiles)) == (2, 2)


def test_labels() -> None:
    """A label has the precision where it is not the default."""
    labels = [resolve(approx_count_distinct(*given), pl.String()).label for given in ((), (8,), (12,))]
    assert labels == ["approx_count_distinct", "approx_count_distinct", "approx_count_distinct_12"]


def test_bytes_grow_with_the_values_up_to_the_registers() -> None:
    """Two bytes for each of few values, never more than a byte per register."""
    function = resolve("approx_count_distinct", pl.Int64())
    (partial,) = function.partials
    for count, size in ((1, 2), (10, 20), (5000, 256)):
        lifted = partial.lift_all(list(range(count)), [0] * count, [""] * count)
        (data,) = partial.stored(partial.fold(lifted, 0, count))
        assert len(data) == size
