"""Our sketches beside those of Apache DataSketches: no less accurate at the same size."""

import math
import random

import numpy as np
import polars as pl
import pytest
from datasketches import hll_sketch, hll_union, kll_doubles_sketch

from tests.functions.paths import events_of, plain
from tests.functions.test_estimates import registers_of
from tilefold.aggregation_functions import approx_percentile
from tilefold.functions import resolve
from tilefold.functions.estimates import estimate


def their_estimate(values: range, precision: int) -> float:
    """What they say of values in three sets: merged, as ours are, they cannot use the order of arrival."""
    union = hll_union(precision)
    for start in range(3):
        sketch = hll_sketch(precision)
        for value in values[start::3]:
            sketch.update(value)
        union.update(sketch)
    found: float = union.get_estimate()
    return found


@pytest.mark.parametrize(("precision", "count"), [(8, 1000), (8, 4000), (12, 4000)])
def test_distinct_counts(precision: int, count: int) -> None:
    """Of merged sketches of about as many values as registers or more, the error is within a tenth of theirs."""
    firsts = range(0, 10_000_000, 100_000)
    ours = [estimate(registers_of(first, first + count, precision)) / count - 1 for first in firsts]
    theirs = [their_estimate(range(first, first + count), precision) / count - 1 for first in firsts]
    assert np.sqrt(np.mean(np.square(ours))) <= 1.1 * np.sqrt(np.mean(np.square(theirs)))


def test_percentiles(seed: int) -> None:
    """Of a long tail ours stay within 1 % of the value, where a sketch of ranks of twice the bytes does not."""
    chance = random.Random(seed)
    values = [chance.paretovariate(1.0) for _ in range(20_000)]
    ranks = kll_doubles_sketch(200)
    ranks.update(np.array(values))
    ordered = sorted(values)
    tiles = [events_of(*values)]
    worst_ours = worst_theirs = 0.0
    for part in (0.5, 0.9, 0.99, 0.999, 0.9999):
        true = ordered[math.floor(part * (len(values) - 1))]
        found = plain(resolve(approx_percentile(part), pl.Float64()), tiles)
        worst_ours = max(worst_ours, abs(found / true - 1))
        worst_theirs = max(worst_theirs, abs(ranks.get_quantile(part) / true - 1))
    assert worst_ours <= 0.01 < worst_theirs
