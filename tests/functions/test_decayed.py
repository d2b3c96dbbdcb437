"""Decayed sums, counts and means: what a value weighs, and that weights are never lost by merging."""

import math
import random
from datetime import timedelta

import polars as pl
import pytest

from tests.functions.paths import END_US, One, in_bulk, plain
from tilefold.aggregation_functions import decayed_count, decayed_mean, decayed_sum
from tilefold.functions import resolve

HOUR = timedelta(hours=1)
HOUR_US = 3_600_000_000
TILES = [[One(END_US - 2 * HOUR_US, "a", 8.0)], [One(END_US - HOUR_US, "b", 2.0), One(END_US, "c", None)]]


@pytest.mark.parametrize(
    ("wanted", "value"), [(decayed_sum(HOUR), 3.0), (decayed_count(HOUR), 0.75), (decayed_mean(HOUR), 4.0)]
)
def test_example(wanted: object, value: float) -> None:
    """Two hours old 8 weighs a quarter, an hour old 2 a half: 2 + 1 of three quarters of a value."""
    function = resolve(wanted, pl.Float64())  # type: ignore[arg-type] # requests
    for tiles in (TILES, TILES[::-1], [TILES[0] + TILES[1]]):
        assert in_bulk(function, pl.Float64(), tiles) == pytest.approx(value, rel=1e-12)
        assert plain(function, tiles) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("wanted", [decayed_sum(HOUR), decayed_count(HOUR), decayed_mean(HOUR)])
def test_of_nothing(wanted: object) -> None:
    """No value: a count of 0, and null."""
    function = resolve(wanted, pl.Float64())  # type: ignore[arg-type] # requests
    empty = 0.0 if wanted == decayed_count(HOUR) else None
    assert function.empty == empty
    for tiles in ([[One(1, "a", None)]], [[One(1, "a", None)], [One(2, "b", None)]]):
        assert in_bulk(function, pl.Float64(), tiles) == plain(function, tiles) == empty


def test_what_is_old_stays_in_proportion(seed: int) -> None:
    """Thousands of half-lives ago a sum is nothing, and a mean still is the mean of the newest values there are."""
    chance = random.Random(seed)
    values = [One(chance.randint(0, 5 * HOUR_US), f"{n}", chance.uniform(1, 2)) for n in range(50)]
    tiles = [values[:20], values[20:21], values[21:]]
    second = timedelta(seconds=1)
    total = resolve(decayed_sum(second), pl.Float64())
    assert in_bulk(total, pl.Float64(), tiles) == plain(total, tiles) == 0.0
    function = resolve(decayed_mean(second), pl.Float64())
    found, other = in_bulk(function, pl.Float64(), tiles), plain(function, tiles)
    newest = max(values, key=lambda one: one.time_us)
    weights = [0.5 ** ((newest.time_us - one.time_us) / 1e6) for one in values]
    expected = math.fsum(one.value * weight for one, weight in zip(values, weights, strict=True)) / math.fsum(weights)
    assert found == pytest.approx(expected, rel=1e-9)
    assert other == pytest.approx(expected, rel=1e-9)


def test_labels() -> None:
    """A label names the half-life."""
    assert resolve(decayed_sum(timedelta(days=7)), pl.Int64()).label == "decayed_sum_7d"
    assert resolve(decayed_count(timedelta(hours=36)), pl.String()).label == "decayed_count_1d12h"
    assert resolve(decayed_mean(timedelta(milliseconds=1500)), pl.Boolean()).label == "decayed_mean_1s500ms"
