"""Partial states of runs of rows, of any kind that merges, in Polars.

The rule: as in `range_totals`, a run is whole blocks and what stands before and behind them, so its cost does not depend on how
many rows it has but for a logarithm. Rows become states by `from_events`, blocks by `merge_rows`, as tiles do; nothing else is
known of a state. What a run is made of are its pieces, grouped by the run's number:

    level 1      |---|---|---|- ...       blocks of sixteen rows
    rows         ............. ...        events, of which states are made run by run
    run             [=======)

Runs are taken so many at a time that their pieces stay within memory, however large a state is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from tilefold.engine.nesting import built, merged
from tilefold.engine.slots import Slot
from tilefold.functions.packed import spread

Ints = npt.NDArray[np.int64]

FAN = 16
PIECES_AT_ONCE = 4_000_000
LISTS_AT_ONCE = 400_000  # of states that are lists, some hundred entries each
_RUN, _BLOCK = "__run", "__block"


@dataclass(frozen=True)
class RangeStates:
    """The states of some slots over all rows.

    Attributes
    ----------
    rows
        Events in order, as `from_events` needs them.
    slots
        All that may be asked for: their blocks are made together, the first time one is needed.
    """

    rows: pl.DataFrame
    slots: Sequence[Slot]

    def of(self, low: Ints, high: Ints, slots: Sequence[Slot]) -> pl.DataFrame:
        """The columns of some slots' states, a row per run; null of an empty one."""
        pieces = np.zeros(len(low) + 1, np.int64)
        for _, lows, highs in _levels(low, high):
            pieces[1:] += highs - lows
        places = np.cumsum(pieces)
        at_once = LISTS_AT_ONCE if any(dtype.is_nested() for dtype in _schema(slots).values()) else PIECES_AT_ONCE
        wanted = np.arange(0, places[-1] + at_once, at_once)
        cuts = np.minimum(np.searchsorted(places, wanted), len(low))
        spans = [(one, other) for one, other in pairwise(cuts) if places[one] < places[other]]
        found = [self._some(low[one:other], high[one:other], int(one), slots) for one, other in spans]
        if not found:
            return pl.DataFrame(schema=_schema(slots)).clear(len(low))
        runs = pl.DataFrame({_RUN: np.arange(len(low))})
        return runs.join(pl.concat(found), on=_RUN, how="left", maintain_order="left").drop(_RUN)

    def _some(self, low: Ints, high: Ints, first: int, slots: Sequence[Slot]) -> pl.DataFrame:
        parts = []
        for level, lows, highs in _levels(low, high):
            lengths = highs - lows
            if not lengths.any():
                continue
            places = pl.Series(np.repeat(lows, lengths) + spread(lengths))
            runs = pl.Series(_RUN, np.repeat(np.arange(first, first + len(lows)), lengths))
            taken = self._blocks(level)[places].with_columns(runs).lazy()
            parts.append(_made(taken, _RUN, slots) if level == 0 else _merged(taken, _RUN, slots))
        if len(parts) == 1:
            return parts[0].collect()
        return _merged(pl.concat(parts), _RUN, slots).collect()

    def _blocks(self, level: int) -> pl.DataFrame:
        """The rows, or the blocks of a level, in order."""
        if level not in self._made_levels:
            below = self._blocks(level - 1)
            numbered = below.with_columns(pl.Series(_BLOCK, np.arange(below.height) // FAN)).lazy()
            make = _made if level == 1 else _merged
            self._made_levels[level] = make(numbered, _BLOCK, self.slots).sort(_BLOCK).drop(_BLOCK).collect()
        return self._made_levels[level]

    @cached_property
    def _made_levels(self) -> dict[int, pl.DataFrame]:
        return {0: self.rows}


def _made(rows: pl.LazyFrame, by: str, slots: Sequence[Slot]) -> pl.LazyFrame:
    return built(rows, [by], [], slots).select(by, *_cast(slots))


def _merged(states: pl.LazyFrame, by: str, slots: Sequence[Slot]) -> pl.LazyFrame:
    return merged(states, [by], [], slots).select(by, *_cast(slots))


def _cast(slots: Sequence[Slot]) -> list[pl.Expr]:
    return [pl.col(name).cast(dtype) for name, dtype in _schema(slots).items()]


def _schema(slots: Sequence[Slot]) -> dict[str, pl.DataType]:
    pairs = (zip(slot.names, slot.partial.components, strict=True) for slot in slots)
    return {name: component.dtype for each in pairs for name, component in each}


def _levels(low: Ints, high: Ints) -> Iterator[tuple[int, Ints, Ints]]:
    """Of each level the blocks that runs are made of, twice: those before the larger blocks and those behind them."""
    level = 0
    while (low < high).any():
        inner_low, inner_high = -(-low // FAN), high // FAN
        within = inner_low < inner_high
        yield level, low, np.where(within, inner_low * FAN, high)
        yield level, np.where(within, inner_high * FAN, high), high
        low, high = np.where(within, inner_low, 0), np.where(within, inner_high, 0)
        level += 1
