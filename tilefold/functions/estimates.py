"""How many different values HyperLogLog registers have seen.

The rule: the estimate is Ertl's improved one (New cardinality estimation algorithms for HyperLogLog sketches, 2017, algorithm
6), which needs no tables and no switch between small and large ranges. It uses only operations that IEEE 754 defines to the
last bit, in one order, so that a column and a single key give the same number.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from tilefold.functions.registers import RANKS, Bytes, Ints, entry_width

_ALPHA = 1 / (2 * math.log(2))
_MOST = 2**63 - 1
_ROWS_AT_ONCE = 16_384

Floats = npt.NDArray[np.float64]


def estimate(registers: Bytes) -> int:
    """About how many different values the registers have seen."""
    size = len(registers)
    precision = size.bit_length() - 1
    return _of_counts(np.bincount(registers).tolist(), size, precision)


def add_few(ranks: dict[int, int], packed: Sequence[bytes], precision: int) -> bool:
    """Take in the bytes of few entries, none of which are a byte per register, by register its rank; whether any said more."""
    width, more = entry_width(precision), False
    for data in packed:
        for place in range(0, len(data), width):
            entry = int.from_bytes(data[place : place + width], "little")
            index, rank = entry // RANKS, entry % RANKS
            if rank > ranks.get(index, 0):
                ranks[index] = rank
                more = True
    return more


def estimate_of_ranks(ranks: Mapping[int, int], precision: int) -> int:
    """`estimate` from the ranks of the registers that saw something."""
    size = 1 << precision
    counts = [0] * (max(ranks.values(), default=0) + 1)
    for rank in ranks.values():
        counts[rank] += 1
    counts[0] += size - len(ranks)
    return _of_counts(counts, size, precision)


def _of_counts(counts: list[int], size: int, precision: int) -> int:
    """From how many registers have each rank, none first."""
    if counts[0] == size:
        return 0
    z = 0.0  # and stays so down to the highest rank that a register has
    if len(counts) == 66 - precision:
        z = size * _tau(1 - counts.pop() / size)
    for count in counts[:0:-1]:
        z = 0.5 * (z + count)
    z = z + size * _sigma(counts[0] / size)
    return min(round(_ALPHA * size * size / z), _MOST) if z else _MOST


@lru_cache(4096)
def _sigma(x: float) -> float:
    """What registers that saw nothing weigh; `x` is their share, below 1."""
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z = z + x * y
        y = y + y
    return z


def _tau(x: float) -> float:
    """What full registers weigh; `x` is the share of the others."""
    if x in (0, 1):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x, before, y = math.sqrt(x), z, 0.5 * y
        z = z - (1 - x) * (1 - x) * y
    return z / 3


def estimate_column(entries: pl.Series, precision: int) -> pl.Series:
    """`estimate` of each row's entries, an Int64; 0 where there is none."""
    parts = [_estimates(some, precision) for some in (entries.slice(at, _ROWS_AT_ONCE) for at in _steps(len(entries)))]
    return pl.Series(entries.name, np.concatenate([np.zeros(0, np.int64), *parts]), pl.Int64)


def _steps(rows: int) -> range:
    return range(0, rows, _ROWS_AT_ONCE)


def _estimates(entries: pl.Series, precision: int) -> Ints:
    size, ranks = 1 << precision, 66 - precision
    lengths = entries.list.len().fill_null(0).cast(pl.Int64).to_numpy()
    flat = entries.explode(empty_as_null=False, keep_nulls=False).cast(pl.Int64).to_numpy()
    rows = np.repeat(np.arange(len(entries)), lengths)
    counts = np.bincount(rows * ranks + flat % RANKS, minlength=len(entries) * ranks).reshape(-1, ranks)
    counts[:, 0] = size - lengths
    z = size * _each(_tau, 1 - counts[:, -1] / size)
    for rank in range(ranks - 2, 0, -1):
        z = 0.5 * (z + counts[:, rank])
    seen = lengths > 0
    z[seen] = z[seen] + size * _each(_sigma, counts[seen, 0] / size)
    result: Ints = np.zeros(len(entries), np.int64)
    with np.errstate(divide="ignore"):  # of registers that are all full nothing is known but that they are
        found = np.rint(_ALPHA * size * size / z[seen])
    fits = found < _MOST
    result[seen] = np.where(fits, np.where(fits, found, 0).astype(np.int64), _MOST)
    return result


def _each(function: Callable[[float], float], shares: Floats) -> Floats:
    """A function of each share; a column has few different ones, as they are counts of registers."""
    different, places = np.unique(shares, return_inverse=True)
    values: Floats = np.array([function(share) for share in different.tolist()], np.float64)[places]
    return values
