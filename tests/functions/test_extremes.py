"""`min` and `max` of everything that has an order."""

import math
from datetime import date
from typing import Any

import polars as pl
import pytest

from tests.functions.paths import at, bound, events_of, in_bulk, plain, values

TEXTS = ["b", "", "a\x00", "a", "ß", "Z", "\U0001f600", "\uffff"]


@pytest.mark.parametrize(
    ("dtype", "given", "low", "high"),
    [
        (pl.Int64(), [3, -(2**63), None, 2**63 - 1], -(2**63), 2**63 - 1),
        (pl.Float64(), [1.5, math.nan, -math.inf, None], -math.inf, 1.5),
        (pl.Float32(), [0.5, -0.25], -0.25, 0.5),
        (pl.Boolean(), [True, None, False], False, True),
        (pl.String(), [*TEXTS, None], "", max(TEXTS, key=str.encode)),
        (pl.Datetime("us", "UTC"), [at(2024, 1, 2), at(1960, 1, 1), None], at(1960, 1, 1), at(2024, 1, 2)),
        (pl.Date(), [date(2024, 2, 29), date(1960, 1, 1)], date(1960, 1, 1), date(2024, 2, 29)),
        (pl.UInt32(), [2**32 - 1, 0], 0, 2**32 - 1),
    ],
)
def test_of_each_type(dtype: pl.DataType, given: list[Any], low: Any, high: Any) -> None:
    """The smallest and the largest in the type's natural order, strings by their UTF-8 bytes; of the input's type."""
    assert values("min", dtype, *given) == (low, low)
    assert values("max", dtype, *given) == (high, high)
    assert bound("min", dtype).result_dtype == dtype


@pytest.mark.parametrize("name", ["min", "max"])
def test_of_nan_alone(name: str) -> None:
    """NaN is skipped: of NaN alone there is none, in one tile and in several."""
    function = bound(name, pl.Float64())
    for tiles in ([events_of(math.nan, None)], [events_of(math.nan), events_of(math.nan)]):
        assert in_bulk(function, pl.Float64(), tiles) is None
        assert plain(function, tiles) is None
