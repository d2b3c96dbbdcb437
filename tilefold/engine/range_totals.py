"""Sums, minima and maxima of runs of rows, whatever their lengths, in NumPy.

The rule: what a run costs does not depend on how many rows it has (but for a logarithm), and nothing is taken away that was not
added to it, unless that is exact:

    integers            running sums; the difference of two is exact, whatever wraps on the way
    counts              the same, or a run's length where every row counts
    floats, extremes    a tree of blocks of eight: a run is whole blocks, and whole rows at both ends

    level 2       |--------------- ... -----|
    level 1   |---|---|---|---|---|--- ... -|
    rows      ........................ ...  .
    run           [=============)                    2 rows, 2 blocks of level 1, 3 rows

So a huge value, an infinity or NaN outside of a run leaves no trace in it. Blocks may hold rows of two keys; no run holds them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tilefold.functions import Component

Ints = npt.NDArray[np.int64]
Values = npt.NDArray[Any]

_FAN = 8  # eight numbers of 64 bits are a cache line
_AT_ONCE = 65_536  # runs: their rows at both ends stay in the caches


@dataclass(frozen=True)
class RunningSums:
    """Sums of integers, 64 bits each, from the first row on."""

    until: Ints

    def of(self, low: Ints, high: Ints) -> Values:
        """The sum of each run; 0 of an empty one."""
        return self.until[high] - self.until[low]


class Lengths:
    """How many rows there are."""

    def of(self, low: Ints, high: Ints) -> Values:
        """The length of each run."""
        return high - low


class Tree:
    """Blocks of eight rows, of eight such blocks, and so on, each merged by a NumPy operation."""

    def __init__(self, values: Values, merge: np.ufunc, nothing: Any) -> None:
        self._merge, self._nothing = merge, nothing
        self._levels = [values]
        while len(self._levels[-1]) > 1:
            self._levels.append(self._blocks(self._levels[-1]))

    def of(self, low: Ints, high: Ints) -> Values:
        """The merged values of each run; `nothing` of an empty one."""
        found = np.full(len(low), self._nothing, self._levels[0].dtype)
        for start in range(0, len(low), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            self._add(found[some], low[some], high[some])
        return found

    def _blocks(self, level: Values) -> Values:
        """The level above; the last block may be short."""
        whole = len(level) // _FAN * _FAN
        blocks, rest = level[:whole], level[whole:]
        with np.errstate(all="ignore"):
            for _ in range(3):
                blocks = self._merge(blocks[0::2], blocks[1::2])
            return np.append(blocks, self._merge.reduce(rest)) if len(rest) else blocks

    def _add(self, found: Values, low: Ints, high: Ints) -> None:
        """Merge both ends of each run on each level, and go on with the blocks between them."""
        rows = np.flatnonzero(low < high)
        low, high = low[rows], high[rows]
        for level in self._levels:
            if not len(rows):
                return
            inner_low, inner_high = -(-low // _FAN), high // _FAN
            within = inner_low <= inner_high
            self._end(found, rows, level, low, np.where(within, inner_low * _FAN, high))
            rest = np.flatnonzero(within)
            self._end(found, rows[rest], level, inner_high[rest] * _FAN, high[rest])
            rest = np.flatnonzero(inner_low < inner_high)
            rows, low, high = rows[rest], inner_low[rest], inner_high[rest]

    def _end(self, found: Values, rows: Ints, level: Values, low: Ints, high: Ints) -> None:
        """Merge less than a block, row by row from `low` on."""
        widest = int((high - low).max(initial=0))
        with np.errstate(all="ignore"):
            for step in range(widest):
                more = np.flatnonzero(low + step < high)
                found[rows[more]] = self._merge(found[rows[more]], level[low[more] + step])


Totals = RunningSums | Lengths | Tree


@dataclass(frozen=True)
class RangeTotals:
    """One component of a running partial over all rows.

    Attributes
    ----------
    values
        Of each row, null where it has none.
    component
        What it is stored as.
    operation
        See `Partial.running`.
    """

    values: pl.Series
    component: Component
    operation: str

    def of(self, low: Ints, high: Ints) -> pl.Series:
        """The component of each run; null, where it may be, of a run without a value."""
        found = pl.Series(self.component.suffix, self._totals.of(low, high))
        if self.component.nullable:
            there = pl.Series(self._there.of(low, high) > 0)
            found = pl.select(pl.when(there).then(found)).to_series()
        return found.cast(self.component.dtype)

    @cached_property
    def _there(self) -> Totals:
        """How many values there are."""
        return _counts(self.values.is_not_null())

    @cached_property
    def _totals(self) -> Totals:
        values = self.values
        if self.operation == "add" and values.dtype == pl.Boolean:
            return _counts(values)
        if self.operation == "add" and values.dtype.is_integer():
            return RunningSums(_until(values))
        physical = values.to_physical()
        numbers = physical.cast(pl.UInt8) if physical.dtype == pl.Boolean else physical
        nothing = _NOTHING[self.operation](numbers.dtype)
        return Tree(numbers.fill_null(nothing).to_numpy(), _MERGE[self.operation], nothing)


def _counts(there: pl.Series) -> Totals:
    """How often it is true: in most columns always."""
    return Lengths() if there.all() else RunningSums(_until(there))


def _until(values: pl.Series) -> Ints:
    until = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values.to_numpy(), out=until[1:])
    return until


def _highest(dtype: pl.DataType) -> Any:
    return float("inf") if dtype.is_float() else pl.select(dtype.max()).item()  # type: ignore[attr-defined] # integers have it


def _lowest(dtype: pl.DataType) -> Any:
    return float("-inf") if dtype.is_float() else pl.select(dtype.min()).item()  # type: ignore[attr-defined] # integers have it


_MERGE: dict[str, np.ufunc] = {"add": np.add, "minimum": np.minimum, "maximum": np.maximum}
_NOTHING: dict[str, Callable[[pl.DataType], Any]] = {"add": lambda _: 0, "minimum": _highest, "maximum": _lowest}
