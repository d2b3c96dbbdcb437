"""`approx_percentile` of values of any kind: within what the precision promises of the true one, on every path."""

import math
import random

import polars as pl
import pytest

from tests.functions.paths import events_of, in_bulk, plain
from tilefold.aggregation_functions import approx_percentile
from tilefold.functions import resolve

PARTS = [0.0, 0.1, 0.5, 0.9, 0.99, 1.0]
SHAPES = {
    "uniform": lambda chance: chance.uniform(0, 1000),
    "long tail": lambda chance: chance.paretovariate(1.1),
    "around zero": lambda chance: chance.gauss(0, 3),
    "lognormal": lambda chance: math.exp(chance.gauss(0, 4)),
    "few": lambda chance: chance.choice([-7.0, 0.0, 0.0, 3.5]),
}


@pytest.mark.parametrize("precision", [10, 100, 1000])
@pytest.mark.parametrize("shape", SHAPES)
def test_within_the_precision_of_the_true_value(shape: str, precision: int, seed: int) -> None:
    """Of values of every shape, in several tiles, in bulk and plain, which give the same bits."""
    chance = random.Random(seed)
    values = [SHAPES[shape](chance) for _ in range(1500)]
    tiles = [events_of(*values[:700]), events_of(*values[700:701]), events_of(*values[701:])]
    ordered = sorted(values)
    for part in PARTS:
        function = resolve(approx_percentile(part, precision), pl.Float64())
        found = in_bulk(function, pl.Float64(), tiles)
        true = ordered[math.floor(part * (len(values) - 1))]
        assert abs(found - true) <= abs(true) / precision
        assert plain(function, tiles) == found


def test_nulls_and_nan_are_skipped_and_infinities_are_not() -> None:
    """NaN has no place in an order; infinities do."""
    tiles = [events_of(None, math.nan, math.inf), events_of(-math.inf, 4.0)]
    found = {
        part: (in_bulk(function, pl.Float64(), tiles), plain(function, tiles))
        for part in (0, 0.5, 1)
        for function in [resolve(approx_percentile(part), pl.Float64())]
    }
    assert found[0] == (-math.inf, -math.inf)
    assert found[1] == (math.inf, math.inf)
    assert found[0.5] == pytest.approx((4, 4), rel=0.01)


def test_of_nothing() -> None:
    """Null, of nulls and NaN alone too."""
    function = resolve(approx_percentile(0.5), pl.Float64())
    for tiles in ([events_of(None)], [events_of(math.nan, None)]):
        assert in_bulk(function, pl.Float64(), tiles) is None
        assert plain(function, tiles) is None


@pytest.mark.parametrize(
    ("wanted", "label"),
    [
        (approx_percentile(0.5), "approx_percentile_p0_5"),
        (approx_percentile(0.999, 50), "approx_percentile_p0_999_precision_50"),
        (approx_percentile(1), "approx_percentile_p1_0"),
        (approx_percentile(0.00001), "approx_percentile_p0_00001"),
    ],
)
def test_labels(wanted: object, label: str) -> None:
    """A label names the percentile as Tecton does, and the precision where it is not the default."""
    assert resolve(wanted, pl.Int64()).label == label  # type: ignore[arg-type] # requests


def test_percentiles_of_a_precision_share_their_bins() -> None:
    """The median and the 99th percentile keep one state."""
    one, other, finer = (resolve(approx_percentile(*each), pl.Int64()).partials[0] for each in ((0.5,), (0.99,), (0.5, 200)))
    assert one.name == other.name != finer.name


@pytest.mark.parametrize("shape", [*SHAPES, "far apart"])
def test_windows_together_are_windows_one_by_one(shape: str, seed: int) -> None:
    """Nested windows, some without values, some with equal tiles: at once the same bits as each alone."""
    chance = random.Random(seed)
    draw = SHAPES.get(shape, lambda chance: chance.choice([-1e9, 1e-9, 1e12]) * chance.uniform(1, 2))
    function = resolve(approx_percentile(0.7), pl.Float64())
    (partial,) = function.partials
    tiles = []
    for size in (0, 300, 1, 40, 1, 200):
        lifted = partial.lift_all([draw(chance) for _ in range(size)], [0] * size, [""] * size) if size else [[b""]]
        tiles += partial.stored(partial.fold(lifted, 0, max(size, 1)))
    column = [*tiles, tiles[2], tiles[2], b""]
    states = partial.fold_chain([column], [9, 8, 7, 6, 3, 2, 0], 9)
    assert function.finalize_all is not None
    for some in (states, states[:2], states[:4], [None, *states[-1:]]):
        assert list(function.finalize_all(some)) == [function.finalize(state) for state in some]
    assert function.finalize_all(states[:1]) == [None]
