"""`first`, `last`, `first(n)` and `last(n)`.

The rule: events are ordered by time, then by tie (event id, else a hash of the row), so the same events give the same
result in any order of arrival. A state is the entries (time, tie, value) that stand at the wanted end; nulls are skipped.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

import polars as pl

from tilefold.functions.base import TIE, TIME, AggregateFunction, Columns, Component, Expressions, Partial
from tilefold.functions.plain import physical_to_python, same

ORDER = itemgetter(0, 1)
"""Sort key of entries (time, tie, value)."""


class One(Partial):
    """The entry at one end: three columns, null where the tile holds no value."""

    ordered = True

    def __init__(self, name: str, dtype: pl.DataType) -> None:
        self.name = name
        self.components = (
            Component(f"{name}_time", pl.Int64(), nullable=True),
            Component(f"{name}_tie", pl.String(), nullable=True),
            Component(name, dtype, nullable=True),
        )
        self._pick: Any = max if name == "last" else min

    def _end(self, value: pl.Expr) -> pl.Expr:
        return value.last() if self.name == "last" else value.first()

    def from_events(self, column: str, prefix: str) -> Expressions:
        """See `Partial`."""
        there = pl.col(column).is_not_null()
        sources = (TIME, TIE, column)
        return [
            self._end(pl.col(source).filter(there)).alias(name)
            for source, name in zip(sources, self.named(prefix), strict=True)
        ]

    def merge_rows(self, prefix: str) -> Expressions:
        """See `Partial`."""
        time, tie, value = self.named(prefix)
        there = pl.col(time).is_not_null()
        order = [pl.col(time).filter(there), pl.col(tie).filter(there)]
        return [self._end(pl.col(name).filter(there).sort_by(order)).alias(name) for name in (time, tie, value)]

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        return (None, None, None) if value is None else (time_us, tie, value)

    def fold(self, columns: Columns, low: int, high: int) -> Any:
        """See `Partial`."""
        times, ties, values = (column[low:high] for column in columns)
        entries = (entry for entry in zip(times, ties, values, strict=True) if entry[0] is not None)
        return self._pick(entries, key=ORDER, default=None)

    def fold_chain(self, columns: Columns, lows: Sequence[int], high: int) -> list[Any]:
        """See `Partial`; the newest tile that holds an entry has the last one, the oldest the first."""
        times, _, values = columns
        low, last = min(lows[-1], high), self._pick is max  # also of attributes
        if None not in times:
            there: Sequence[int] = range(low, high)
        else:
            there = [place for place in range(low, high) if times[place] is not None]
        if not there:
            return [None] * len(lows)
        if last:
            at = there[-1]
            entry = (times[at], None, values[at])
            return [entry if low <= at else None for low in lows]
        found = [bisect_left(there, low) for low in lows]
        return [(times[there[at]], None, values[there[at]]) if at < len(there) else None for at in found]

    def combine(self, one: Any, other: Any) -> Any:
        """See `Partial`."""
        if one is None or other is None:
            return other if one is None else one
        return self._pick(one, other, key=ORDER)

    def stored(self, state: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        return (None, None, None) if state is None else tuple(state)


class Many(Partial):
    """Up to `limit` entries at one end, ascending: three list columns of equal lengths."""

    ordered = True

    def __init__(self, end: str, limit: int, dtype: pl.DataType) -> None:
        self.name = f"{end}_{limit}"
        self.components = (
            Component(f"{self.name}_times", pl.List(pl.Int64())),
            Component(f"{self.name}_ties", pl.List(pl.String())),
            Component(self.name, pl.List(dtype)),
        )
        self._end, self._limit = end, limit

    def _cut(self, value: pl.Expr) -> pl.Expr:
        return value.tail(self._limit) if self._end == "last" else value.head(self._limit)

    def _keep(self, value: pl.Expr) -> pl.Expr:
        """Which of a group's values, in order, may stand in the state."""
        return value.is_not_null()

    def from_events(self, column: str, prefix: str) -> Expressions:
        """See `Partial`."""
        keep = self._keep(pl.col(column))
        sources = (TIME, TIE, column)
        return [
            self._cut(pl.col(source).filter(keep)).alias(name) for source, name in zip(sources, self.named(prefix), strict=True)
        ]

    def merge_rows(self, prefix: str) -> Expressions:
        """See `Partial`."""
        names = self.named(prefix)
        times, ties, values = (pl.col(name).explode(empty_as_null=False, keep_nulls=False) for name in names)
        keep = self._keep(values.sort_by([times, ties]))
        return [
            self._cut(column.sort_by([times, ties]).filter(keep)).alias(name)
            for column, name in zip((times, ties, values), names, strict=True)
        ]

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        return ([], [], []) if value is None else ([time_us], [tie], [value])

    def fold(self, columns: Columns, low: int, high: int) -> Any:
        """See `Partial`."""
        times, ties, values = columns
        entries: list[tuple[Any, ...]] = []
        for i in range(low, high):
            entries += zip(times[i], ties[i], values[i], strict=True)
        return self._select(entries)

    def fold_chain(self, columns: Columns, lows: Sequence[int], high: int) -> list[Any]:
        """See `Partial`; only as many tiles are looked at as have what is kept, and their values alone, which are in order."""
        values = columns[2]
        if self._end == "first":
            return [self._from_front(values, low, high) for low in lows]
        kept: list[tuple[Any, ...]] = []
        states: list[Any] = []
        for low in lows:
            while low < high and len(kept) < self._limit:
                high -= 1
                self._keep_more(kept, reversed(values[high]))
            states.append(kept[::-1])
        return states

    def _from_front(self, values: Sequence[Sequence[Any]], low: int, high: int) -> list[tuple[Any, ...]]:
        kept: list[tuple[Any, ...]] = []
        while low < high and len(kept) < self._limit:
            self._keep_more(kept, values[low])
            low += 1
        return kept

    def _keep_more(self, kept: list[tuple[Any, ...]], values: Iterable[Any]) -> None:
        """Keep values that come from the wanted end on, as entries, up to the limit."""
        kept += [(None, None, value) for value in islice(values, self._limit - len(kept))]

    def combine(self, one: Any, other: Any) -> Any:
        """See `Partial`."""
        return self._select(one + other)

    def stored(self, state: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        return ([], [], []) if not state else tuple(list(column) for column in zip(*state, strict=True))

    def _select(self, entries: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        entries.sort(key=ORDER)
        return entries[-self._limit :] if self._end == "last" else entries[: self._limit]


def one_function(label: str, dtype: pl.DataType) -> AggregateFunction:
    """`first` or `last`, by its label; the result has the input's type."""
    convert = physical_to_python(dtype)

    def finish(entry: Any) -> Any:
        return None if entry is None else convert(entry[2])

    return AggregateFunction(label, (One(label, dtype),), dtype, None, finish, lambda names: pl.col(names[2]))


def many_function(label: str, partial: Many, dtype: pl.DataType) -> AggregateFunction:
    """The list forms; the result is a List of the input's type, ascending by time."""
    convert = physical_to_python(dtype)
    empty = pl.lit([], dtype=pl.List(dtype))

    def finish(entries: Any) -> Any:
        return [convert(value) for _, _, value in entries or ()]

    def finish_same(entries: Any) -> Any:
        return [entry[2] for entry in entries or ()]

    def finish_rows(names: list[str]) -> pl.Expr:
        return pl.coalesce(pl.col(names[2]), empty)

    plain = finish_same if convert is same else finish
    return AggregateFunction(label, (partial,), pl.List(dtype), [], plain, finish_rows)
