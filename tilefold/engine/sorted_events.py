"""Events of many keys as one long array, in which every window is a run of rows.

The rule: rows stand by key, then by time, then by tie, so the events of one key in `[start, end)` are the rows from the place
of `start` to the place of `end`, and finding both takes a binary search, however the windows overlap:

    rows      a a a a a a a | b b b | c c c c c c
    window        [=====)              [===)

Times count in units: single microseconds where some edge may lie anywhere, else the grain, on which every edge then lies. So
the order within a unit is free, and rows need no more bits than that to be sorted by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tilefold.engine.layout import Layout
from tilefold.engine.secondary import BySecondary
from tilefold.functions.base import TIE, TIME

KEY = "__key"
"""The number of a row's entity, UInt32."""

Ints = npt.NDArray[np.int64]
_BITS = 63  # of an Int64 that stays positive


@dataclass(frozen=True)
class SortedEvents:
    """Events in order.

    Attributes
    ----------
    rows
        What states are made of: inputs, `__time_us` where one asks for it, and `__tie` where one depends on the order.
    starts
        Where the rows of each key begin; one more for the end of the last.
    units
        The time of each row in units, and one more that is never read as a time.
    unit_us
        What a unit is.
    """

    rows: pl.DataFrame
    starts: Ints
    units: Ints
    unit_us: int

    def places(self, keys: Ints, times_us: Ints) -> Ints:
        """For each key and time the first row of that key that is not before that time."""
        times = times_us // self.unit_us
        low, high = self.starts[keys], self.starts[keys + 1]
        for _ in range(int((high - low).max(initial=0)).bit_length()):
            middle = (low + high) >> 1
            before = (self.units[middle] < times) & (low < high)
            low, high = np.where(before, middle + 1, low), np.where(before, high, middle)
        return low


def needed_columns(layout: Layout) -> list[str]:
    """The columns that states are made of."""
    columns = [TIME, *([TIE] if layout.ordered else [])]
    for slot in layout.slots:
        columns += slot.partial.inputs if isinstance(slot.partial, BySecondary) else [slot.column]
    return [column for column in dict.fromkeys(columns) if column]


def _state_columns(layout: Layout) -> list[str]:
    """Of the needed columns those that states are made of once the rows are in order; TIME only where a state asks for it."""
    timeless = all(slot.partial.lift_rows(slot.column, slot.prefix) for slot in layout.slots)
    return [name for name in needed_columns(layout) if name != TIME or not timeless] or [TIME]  # a row needs some column


def sort_events(events: pl.DataFrame, keys: int, layout: Layout) -> SortedEvents:
    """Put events in order.

    Parameters
    ----------
    events
        `needed_columns`, and `__key` below `keys`.
    """
    events = events.rechunk()  # taking rows out of many pieces costs ten times as much
    numbers, unit_us = events[KEY].to_numpy(), unit_of(layout)
    times_us = events[TIME].to_numpy()
    units = times_us if unit_us == 1 else times_us // unit_us
    order = _order(numbers, units)
    if layout.ordered:
        order = _by_tie(order, numbers, times_us, events[TIE]) if unit_us == 1 else _by_all(events)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(numbers, minlength=keys))])
    rows = events.select(_state_columns(layout))[pl.Series(order)] if events.height else events
    return SortedEvents(rows, starts, np.append(units[order], 0), unit_us)


def unit_of(layout: Layout) -> int:
    """The grid on which all edges of windows lie, in microseconds."""
    moving = (window.hop_us is not None for output in layout.outputs for window in output.feature.windows)
    return 1 if any(moving) else layout.grain_us


def _order(keys: npt.NDArray[np.uint32], units: Ints) -> Ints:
    """The rows by key and unit; those of the same unit as they come."""
    if not len(keys):
        return np.zeros(0, np.int64)
    first = int(units.min())
    rows = max(len(keys) - 1, 1).bit_length()
    times, numbers = (int(units.max()) - first).bit_length(), int(keys.max()).bit_length()
    if numbers + times > _BITS:
        return _arg_sort([keys, units])
    packed = keys.astype(np.int64)
    packed <<= times
    packed |= units - first
    if numbers + times + rows > _BITS:
        return pl.Series(packed).arg_sort().to_numpy().astype(np.int64)
    packed <<= rows
    packed |= np.arange(len(keys))
    packed.sort()  # by far the fastest, where all three fit into a number
    packed &= (1 << rows) - 1
    return packed


def _by_tie(order: Ints, keys: npt.NDArray[np.uint32], times_us: Ints, ties: pl.Series) -> Ints:
    """The same with rows of the same key and time by their ties; few have the same."""
    keys, times_us = keys[order], times_us[order]
    repeats = np.concatenate([[False], (keys[1:] == keys[:-1]) & (times_us[1:] == times_us[:-1])])
    tied = np.flatnonzero(repeats | np.append(repeats[1:], False))
    if not len(tied):
        return order
    runs = np.cumsum(~repeats)[tied]
    order[tied] = order[tied][_arg_sort([runs, ties.gather(order[tied])])]
    return order


def _by_all(events: pl.DataFrame) -> Ints:
    return _arg_sort([events[KEY], events[TIME], events[TIE]])


def _arg_sort(columns: Sequence[Any]) -> Ints:
    frame = pl.DataFrame({f"by_{number}": column for number, column in enumerate(columns)})
    return frame.select(pl.arg_sort_by(frame.columns)).to_series().to_numpy().astype(np.int64)
