"""Log-spaced bins of numbers, with counts: their codes, and the percentile that they tell.

The rule: the bins depend on the values alone, and counts are whole numbers, so bins merge exactly. A bin spans so little that
its middle is within `1/precision` of every value in it, relative, as in DDSketch (Masson, Rim and Lee, DDSketch: a fast and
fully-mergeable quantile sketch with relative-error guarantees, 2019), with a parabola in place of the logarithm:

    log2(2**e * (1 + f))  ~  e + f (4 - f) / 3          0 <= f < 1

It has the right slope within 9/8, so that 0.375 * precision bins cover an octave, 8 % more than with a logarithm. Logarithms
differ in the last bit between libraries; this uses only operations that IEEE 754 defines to the last bit.

A code grows with the value: 0 for zero (and what is below 2**-1022), 1 upwards for positive values, -1 downwards for negative
ones; infinities have the outermost codes. In tiles bins are a list of entries `code * 2**40 + count`, ascending. Do not change:
they are in tables and stores.
"""

import math
import struct
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from tilefold.functions.packed import row_sums

COUNTS = 2**40  # an entry is the bin's code times this, plus its count
_FRACTIONS = 2**52
EXPONENT_MIN, _EXPONENT_MAX = -1022, 1023
_FLOAT, _INT = struct.Struct("<d"), struct.Struct("<q")

Ints = npt.NDArray[np.int64]


def bins_per_octave(precision: int) -> int:
    """Into how many bins the values from one power of two to the next fall."""
    return -(-3 * precision // 8)


def code_of(value: float, bins: int) -> int:
    """The code of the bin of a value that is not NaN."""
    value = float(value)
    (bits,) = _INT.unpack(_FLOAT.pack(abs(value)))
    if bits < _FRACTIONS:
        return 0
    exponent, rest = divmod(bits, _FRACTIONS)
    fraction = rest / _FRACTIONS
    within = math.floor(fraction * (4.0 - fraction) * (bins / 3.0))
    code: int = (exponent - 1) * bins + within + 1
    return -code if value < 0 else code


def code_expr(column: str, bins: int) -> pl.Expr:
    """The code of each value's bin, an Int64; null where the value is null or NaN."""
    value = pl.col(column).cast(pl.Float64)
    bits = value.abs().reinterpret(dtype=pl.Int64)
    fraction = (bits % _FRACTIONS).cast(pl.Float64) / float(_FRACTIONS)
    within = (fraction * (4.0 - fraction) * (bins / 3.0)).floor().cast(pl.Int64)
    code = (bits // _FRACTIONS - 1) * bins + within + 1
    signed = pl.when(bits < _FRACTIONS).then(0).when(value < 0).then(-code).otherwise(code)
    return pl.when(value.is_not_nan()).then(signed).alias(column)


@lru_cache(maxsize=65_536)
def middle_of(code: int, bins: int) -> float:
    """What stands for the values of a bin: as far from its lower edge as from its upper one, relative."""
    if not code:
        return 0.0
    exponent, place = divmod(abs(code) - 1, bins)
    exponent += EXPONENT_MIN
    lower, upper = (3.0 - math.sqrt(4.0 - 3.0 * (edge / bins)) for edge in (place, place + 1))
    middle = math.ldexp(2.0 * lower * upper / (lower + upper), exponent) if exponent <= _EXPONENT_MAX else math.inf
    return -middle if code < 0 else middle


def parted(entries: pl.Series) -> tuple[Ints, Ints]:
    """The codes and counts of all rows' entries."""
    flat = entries.explode(empty_as_null=False, keep_nulls=False).cast(pl.Int64).to_numpy()
    return flat // COUNTS, flat % COUNTS


def merged(codes: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Bins ascending and each once."""
    order = np.argsort(codes, kind="stable")
    codes, counts = codes[order], counts[order]
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    return codes[starts], np.add.reduceat(counts, starts)


def percentile(codes: Ints, counts: Ints, part: float, bins: int) -> float:
    """The middle of the bin of the value at place `floor(part * (n - 1))` of all `n`, ascending; `n` is at least 1."""
    codes, counts = merged(codes, counts)
    until = np.cumsum(counts)
    place = math.floor(part * (int(until[-1]) - 1))
    return middle_of(int(codes[np.searchsorted(until, place, side="right")]), bins)


def percentiles(codes: Ints, counts: Ints, part: float, bins: int) -> list[float | None]:
    """The same of several rows of counts of ascending codes; None of a row without any."""
    until = np.cumsum(counts, axis=1)
    totals = until[:, -1]
    places = np.floor(part * (totals - 1).astype(np.float64)).astype(np.int64)
    found = codes[np.minimum((until <= places[:, np.newaxis]).sum(axis=1), len(codes) - 1)].tolist()
    return [middle_of(code, bins) if total else None for code, total in zip(found, totals.tolist(), strict=True)]


def percentile_of_few(entries: Iterable[tuple[int, int]], part: float, bins: int) -> float:
    """The same from codes and counts, in any order; a code may stand there more than once."""
    ordered = sorted(entries)
    left = math.floor(part * (sum([count for _, count in ordered]) - 1))
    for code, count in ordered:
        left -= count
        if left < 0:
            return middle_of(code, bins)
    raise AssertionError("the place is one of the values")


def percentile_column(entries: pl.Series, part: float, bins: int) -> pl.Series:
    """`percentile` of each row's entries, a Float64; null where there is none."""
    lengths = entries.list.len().fill_null(0).cast(pl.Int64).to_numpy()
    codes, counts = parted(entries)
    starts = np.cumsum(lengths) - lengths
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    until = before[1:] - np.repeat(before[starts], lengths)
    places = np.floor(part * (row_sums(counts, lengths) - 1).astype(np.float64)).astype(np.int64)
    passed = row_sums((until <= np.repeat(places, lengths)).astype(np.int64), lengths)
    there = lengths > 0
    found, which = np.unique(codes[(starts + passed)[there]], return_inverse=True)
    values = np.full(len(lengths), np.nan)  # a bin's middle never is
    values[there] = np.array([middle_of(code, bins) for code in found.tolist()], np.float64)[which]
    return pl.Series(entries.name, values, nan_to_null=True)
