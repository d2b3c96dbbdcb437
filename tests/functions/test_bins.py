"""Log-spaced bins: every value close to the middle of its bin, in the order of the values."""

import math
import random
import sys
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tilefold.functions.bins import (
    COUNTS,
    bins_per_octave,
    code_expr,
    code_of,
    middle_of,
    percentile,
    percentile_column,
    percentile_of_few,
)

PRECISIONS = [2, 10, 100, 160, 1000]
SMALLEST = sys.float_info.min
EDGES = [0.0, 1.0, 2.0, 0.5, SMALLEST, sys.float_info.max, 3.0, 0.1, 2**53, 1.5, 1.25, math.nextafter(2.0, 0)]
RELAXED = settings(deadline=None, max_examples=examples(200))
REALS = st.floats(allow_nan=False, allow_infinity=False)


def both(values: list[float]) -> list[float]:
    """Values and their opposites."""
    return [*values, *(-value for value in values)]


@pytest.mark.parametrize("precision", PRECISIONS)
@RELAXED
@given(value=REALS | st.sampled_from(both(EDGES)))
def test_the_middle_is_close(precision: int, value: float) -> None:
    """Within 1/precision of every value in the bin, relative; what is smaller than normal numbers counts as zero."""
    bins = bins_per_octave(precision)
    middle = middle_of(code_of(value, bins), bins)
    if abs(value) < SMALLEST:
        assert middle == 0
    else:
        assert abs(middle - value) <= abs(value) / precision


@pytest.mark.parametrize("precision", PRECISIONS)
@RELAXED
@given(one=REALS, other=REALS)
def test_codes_grow_with_values(precision: int, one: float, other: float) -> None:
    """A larger value never has a smaller code, and the middles are in the order of the codes."""
    bins = bins_per_octave(precision)
    low, high = sorted([one, other])
    codes = code_of(low, bins), code_of(high, bins)
    assert codes[0] <= codes[1]
    assert middle_of(codes[0], bins) <= middle_of(codes[1], bins)
    assert code_of(-one, bins) == -code_of(one, bins)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_column_has_the_same_codes(precision: int, seed: int) -> None:
    """In bulk and one by one, over all magnitudes; nulls and NaN have none."""
    chance, bins = random.Random(seed), bins_per_octave(precision)
    values = [math.ldexp(chance.uniform(-2, 2), chance.randint(-1074, 1023)) for _ in range(3000)] + both([*EDGES, math.inf])
    frame = pl.DataFrame({"x": pl.Series([*values, None, math.nan], dtype=pl.Float64)})
    assert frame.select(code_expr("x", bins))["x"].to_list() == [*(code_of(value, bins) for value in values), None, None]


@pytest.mark.parametrize("dtype", [pl.Int64(), pl.Int8(), pl.UInt64(), pl.Boolean(), pl.Float32()])
def test_every_kind_of_number(dtype: pl.DataType) -> None:
    """A number has the bin of the Float64 that is closest to it."""
    bins = bins_per_octave(100)
    values = {pl.Int64(): [-(2**63), 2**63 - 1, 2**53 + 1, 0], pl.Int8(): [-128, 127], pl.UInt64(): [2**64 - 1, 7]}
    given_values: list[float] = values.get(dtype, [True, False] if dtype == pl.Boolean else [0.1, -3.4e38])  # type: ignore[call-overload]
    column = pl.Series("x", given_values, dtype=dtype)
    codes = column.to_frame().select(code_expr("x", bins))["x"].to_list()
    assert codes == [code_of(value, bins) for value in column.to_list()]


def test_infinities_are_outermost() -> None:
    """They have bins of their own, whose middle they are."""
    bins = bins_per_octave(100)
    assert middle_of(code_of(math.inf, bins), bins) == math.inf
    assert middle_of(code_of(-math.inf, bins), bins) == -math.inf
    assert code_of(sys.float_info.max, bins) < code_of(math.inf, bins)


def test_an_octave_has_few_bins() -> None:
    """At 1 %, 38 bins from one power of two to the next, where logarithms would need 34.7; entries fit into 64 bits."""
    assert bins_per_octave(100) == 38
    codes = {code_of(1 + step / 10_000, 38) for step in range(10_000)}
    assert len(codes) == 38
    assert abs(code_of(-math.inf, bins_per_octave(1000))) < 2**63 // COUNTS


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.9, 0.999, 1.0])
def test_percentiles_of_one_row_and_of_many(part: float, seed: int) -> None:
    """The bin of the value at place floor(part * (n - 1)), in bulk as alone; null where there is none."""
    chance, bins = random.Random(seed), bins_per_octave(100)
    rows, expected = [], []
    for size in [1, 2, 3, 10, 101, 500, 1]:
        values = sorted(chance.choice([chance.gauss(0, 50), float(chance.randint(-3, 3))]) for _ in range(size))
        codes, counts = np.unique([code_of(value, bins) for value in values], return_counts=True)
        rows.append((codes * COUNTS + counts).tolist())
        wanted = middle_of(code_of(values[math.floor(part * (size - 1))], bins), bins)
        shuffled = chance.sample(range(len(codes)), len(codes))
        assert percentile(codes[shuffled], counts[shuffled], part, bins) == wanted
        few = dict(zip(codes[shuffled].tolist(), counts[shuffled].tolist(), strict=True))
        assert percentile_of_few(few.items(), part, bins) == wanted
        expected.append(wanted)
    column = pl.Series("x", [None, *rows[:3], [], *rows[3:], None], dtype=pl.List(pl.Int64))
    found = percentile_column(column, part, bins)
    assert found.to_list() == [None, *expected[:3], None, *expected[3:], None]
    assert found.dtype == pl.Float64


def test_bins_touch() -> None:
    """Each bin begins where the one before ends: middles grow by at most twice the precision."""
    bins = bins_per_octave(100)
    middles = [middle_of(code, bins) for code in range(1022 * bins - 100, 1022 * bins + 100)]
    assert all(1 < high / low < 1.0205 for low, high in pairwise(middles))
