"""Variances and standard deviations: where sums of squares would lose all digits, and never below zero."""

import math
import random
import statistics

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.functions.paths import One, bound, events_of, in_bulk, plain, values

NAMES = ["var_pop", "var_samp", "variance", "stddev_pop", "stddev_samp", "stddev"]


@pytest.mark.parametrize(("offset", "digits"), [(0, 12), (1e9, 6), (-1e12, 3)])
@pytest.mark.parametrize("tiles", [1, 7, 100])
def test_far_from_zero(offset: float, digits: int, tiles: int) -> None:
    """A spread of 1 is found to six digits around a mean of 1e9, to three around 1e12, in any number of tiles."""
    drawn = random.Random(5)
    numbers = [offset + drawn.choice([-1.0, 0.0, 1.0]) for _ in range(700)]
    ones = events_of(*numbers)
    split = [ones[n::tiles] for n in range(tiles)]
    wanted = statistics.variance([number - offset for number in numbers])
    function = bound("var_samp", pl.Float64())
    for value in (in_bulk(function, pl.Float64(), split), plain(function, split)):
        assert value == pytest.approx(wanted, rel=10.0**-digits)


@settings(deadline=None, max_examples=examples(30))
@given(st.floats(-1e15, 1e15), st.integers(2, 9), st.sampled_from(NAMES))
def test_of_equal_values(value: float, times: int, name: str) -> None:
    """Of equal values it is never negative, nor NaN, and at most rounding."""
    for found in values(name, pl.Float64(), *[value] * times):
        assert 0 <= found <= 1e-7 * abs(value) + 1e-300 if "stddev" in name else 0 <= found <= 1e-14 * value**2 + 1e-300


@pytest.mark.parametrize("name", NAMES)
def test_of_one_value(name: str) -> None:
    """Of one value the population's is 0 and the sample's null."""
    wanted = 0.0 if name.endswith("pop") else None
    assert values(name, pl.Float64(), 5.0) == (wanted, wanted)
    assert values(name, pl.Float64(), None, 5.0, None) == (wanted, wanted)


@pytest.mark.parametrize(("alias", "name"), [("variance", "var_samp"), ("stddev", "stddev_samp")])
def test_aliases(alias: str, name: str) -> None:
    """`variance` and `stddev` are those of a sample, and keep the name they were asked for by."""
    assert values(alias, pl.Int64(), 1, 2, 4) == pytest.approx(values(name, pl.Int64(), 1, 2, 4), rel=1e-12)
    assert bound(alias, pl.Int64()).label == alias


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("special", [math.nan, math.inf])
def test_special_floats(name: str, special: float) -> None:
    """NaN and infinities make it NaN, alone and beside others, in one tile and in several."""
    function = bound(name, pl.Float64())
    ones = [One(0, "a", 1.0), One(1, "b", special), One(2, "c", 3.0)]
    for tiles in ([ones], [[one] for one in ones]):
        assert math.isnan(in_bulk(function, pl.Float64(), tiles))
        assert math.isnan(plain(function, tiles))


@pytest.mark.parametrize("special", [math.nan, math.inf])
def test_one_special_float_alone(special: float) -> None:
    """One event that is NaN or infinite makes the variance of the population NaN, though nothing is merged."""
    function = bound("var_pop", pl.Float64())
    assert all(math.isnan(value) for value in values("var_pop", pl.Float64(), special))
    (partial,) = function.partials
    frame = pl.LazyFrame({"key": ["a"], "cell": [7], "x": [special]})
    built = frame.group_by("key", "cell").agg(partial.from_events("x", "")).collect()
    assert math.isnan(built["m2"][0])


@pytest.mark.parametrize("dtype", [pl.Boolean(), pl.Int8(), pl.UInt64(), pl.Float32()])
def test_of_other_numbers(dtype: pl.DataType) -> None:
    """Any number will do, booleans too."""
    given_values = [True, False, True, True] if dtype == pl.Boolean else [1, 0, 1, 1]
    assert values("var_pop", dtype, *given_values) == pytest.approx((0.1875, 0.1875))
