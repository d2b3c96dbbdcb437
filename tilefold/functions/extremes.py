"""`min` and `max`, of numbers, strings, booleans and times.

The rule: nulls and NaN are skipped; a tile without another value holds null, and so does an empty window.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from tilefold.functions.base import AggregateFunction, Columns, Component, Expressions, Partial
from tilefold.functions.plain import is_nan, physical_to_python, same


class Extreme(Partial):
    """The smallest (`min`) or largest (`max`) value."""

    def __init__(self, name: str, dtype: pl.DataType) -> None:
        self.name = name
        self.components = (Component(name, dtype, nullable=True),)
        self._pick: Any = min if name == "min" else max
        if dtype != pl.String:
            self.running = "minimum" if name == "min" else "maximum"

    def _best(self, value: pl.Expr) -> pl.Expr:
        best = value.min() if self.name == "min" else value.max()
        # Polars skips NaN unless there is nothing else.
        return best.fill_nan(None) if self.components[0].dtype.is_float() else best

    def from_events(self, column: str, prefix: str) -> Expressions:
        """See `Partial`."""
        return [self._best(pl.col(column)).alias(prefix + self.name)]

    def merge_rows(self, prefix: str) -> Expressions:
        """See `Partial`."""
        return [self._best(pl.col(prefix + self.name)).alias(prefix + self.name)]

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        del time_us, tie
        return (None if is_nan(value) else value,)

    def lift_all(self, values: Sequence[Any], times_us: Sequence[int], ties: Sequence[Any]) -> Columns:
        """See `Partial`."""
        del times_us, ties
        return ([value if value == value else None for value in values],)  # noqa: PLR0124 - NaN differs from itself

    def lift_rows(self, column: str, prefix: str) -> Expressions | None:
        """See `Partial`."""
        value = pl.col(column)
        return [(value.fill_nan(None) if self.components[0].dtype.is_float() else value).alias(prefix + self.name)]

    def fold(self, columns: Columns, low: int, high: int) -> Any:
        """See `Partial`."""
        values = columns[0][low:high]
        try:
            return self._pick(values)
        except TypeError:  # a tile without values holds None, which does not compare
            return self._pick((value for value in values if value is not None), default=None)

    def fold_chain(self, columns: Columns, lows: Sequence[int], high: int) -> list[Any]:
        """See `Partial`; the same with less to do for each span."""
        best, bests, column, pick, end = None, [], columns[0], self._pick, high
        try:
            for low in lows:
                if low < high:
                    more = pick(column[low:high])
                    best = more if best is None else pick(best, more)
                    high = low
                bests.append(best)
        except TypeError:  # as in `fold`
            return super().fold_chain(columns, lows, end)
        return bests

    def combine(self, one: Any, other: Any) -> Any:
        """See `Partial`."""
        if one is None or other is None:
            return other if one is None else one
        return self._pick(one, other)

    def stored(self, state: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        return (state,)

    def join(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
        """See `Partial`."""
        return (self.combine(one[0], other[0]),)


def extreme_function(label: str, dtype: pl.DataType) -> AggregateFunction:
    """`min` or `max`, by its label; the result has the input's type."""
    convert = physical_to_python(dtype)

    def finish(value: Any) -> Any:
        return None if value is None else convert(value)

    finalize = same if convert is same else finish
    return AggregateFunction(label, (Extreme(label, dtype),), dtype, None, finalize, lambda value: pl.col(value[0]))
