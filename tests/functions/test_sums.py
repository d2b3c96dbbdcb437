"""`count`, `sum` and `mean`: exact where they can be, and never a wrap."""

import math
from typing import Any

import polars as pl
import pytest

from tests.functions.paths import bound, events_of, in_bulk, plain, values
from tilefold.functions import OVERFLOW

MAX, MIN = 2**63 - 1, -(2**63)


@pytest.mark.parametrize(
    ("given", "total"),
    [
        ([MAX], MAX),
        ([MIN], MIN),
        ([MAX, 1, -1], MAX),
        ([MAX, MAX, MIN, MIN, 2], 0),
        ([MAX] * 5 + [MIN] * 4 + [-MAX], -4),
        ([-1, 0, 1], 0),
        ([2**32, -(2**32) - 1], -1),
    ],
)
def test_integers_are_exact(given: list[int], total: int) -> None:
    """A sum that fits Int64 is exact, however far the sums on its way reach."""
    assert values("sum", pl.Int64(), *given) == (total, total)


@pytest.mark.parametrize("given", [[MAX, 1], [MIN, -1], [MAX] * 40, [MIN] * 40])
def test_overflow(given: list[int]) -> None:
    """A sum out of Int64's range is null in bulk and OVERFLOW plain; its mean is right all the same."""
    assert values("sum", pl.Int64(), *given) == (None, OVERFLOW)
    for mean in values("mean", pl.Int64(), *given):
        assert mean == pytest.approx(sum(given) / len(given))


@pytest.mark.parametrize(
    ("dtype", "given", "total"),
    [
        (pl.Int8(), [127, 127], 254),
        (pl.Int32(), [2**31 - 1] * 3, 3 * (2**31 - 1)),
        (pl.UInt32(), [2**32 - 1] * 2, 2**33 - 2),
        (pl.UInt64(), [2**63 - 5, 5], None),
        (pl.UInt64(), [2**63 - 6, 5], MAX),
        (pl.Boolean(), [True, False, True, None], 2),
    ],
)
def test_narrow_and_unsigned(dtype: pl.DataType, given: list[Any], total: int | None) -> None:
    """Sums of any integers, and of booleans, are Int64 and do not wrap in their own width."""
    bulk, one = values("sum", dtype, *given)
    assert bulk == total
    assert one == total or (total is None and one is OVERFLOW)


def test_float32() -> None:
    """A sum of Float32 is added up in Float64 and rounded once, at the end."""
    given = [pl.Series([0.1], dtype=pl.Float32)[0]] * 1000
    rounded = pl.Series([sum(given)], dtype=pl.Float64).cast(pl.Float32)[0]
    assert values("sum", pl.Float32(), *given) == (rounded, rounded)
    assert values("mean", pl.Float32(), *given)[1] == pytest.approx(given[0], rel=1e-12)


def test_float32_out_of_range() -> None:
    """A sum past Float32 is infinite, in bulk and plain."""
    big = float(pl.Series([3e38], dtype=pl.Float32)[0])
    assert values("sum", pl.Float32(), big, big) == (math.inf, math.inf)


@pytest.mark.parametrize("special", [math.nan, math.inf, -math.inf])
def test_special_floats(special: float) -> None:
    """NaN makes sums and means NaN, an infinity makes them infinite."""
    for name in ("sum", "mean"):
        for value in values(name, pl.Float64(), 1.0, special, 2.0):
            assert str(value) == str(special)


def test_opposite_infinities() -> None:
    """Infinities of both signs add up to NaN."""
    assert all(math.isnan(value) for value in values("sum", pl.Float64(), math.inf, -math.inf))


def test_count() -> None:
    """A count is of values that are not null; of NaN too."""
    assert values("count", pl.Float64(), 1.0, None, math.nan) == (2, 2)
    assert values("count", pl.List(pl.String), ["a"], None, []) == (2, 2)


@pytest.mark.parametrize(("name", "empty"), [("count", 0), ("sum", None), ("mean", None)])
def test_empty(name: str, empty: int | None) -> None:
    """Of nothing, a count is 0; a sum and a mean are null."""
    function = bound(name, pl.Int64())
    assert function.empty == empty
    assert plain(function, []) == empty
    assert in_bulk(function, pl.Int64(), [events_of(None)]) == empty
