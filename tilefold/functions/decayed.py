"""`decayed_sum`, `decayed_count` and `decayed_mean`: the older a value, the less it weighs.

The rule: a value weighs 1 at the end of its window and half as much a half-life earlier. A state is the sum as it is weighed at
its own newest value; merging weighs the older state anew. So a state never grows stale, and only the last step (`current`)
needs to know where the window ends. The mean is a ratio of two such sums, which does not even depend on that.

    weight of a value at time t, in a window that ends at T:    2 ** (-(T - t) / half-life)
"""

from typing import Any

import polars as pl

from tilefold.functions.base import TIME, AggregateFunction, Columns, Component, CurrentValue, Expressions, Partial
from tilefold.functions.plain import duration_text, same


class Decayed(Partial):
    """A weighed sum of values (`"sum"`), or of ones (`"count"`), and the time of the newest value, at which it weighs 1."""

    def __init__(self, what: str, half_life_us: int) -> None:
        self.name = f"decayed_{what}_{duration_text(half_life_us)}"
        self.components = (Component(self.name, pl.Float64()), Component(f"{self.name}_at", pl.Int64(), nullable=True))
        self._counts, self._half_life_us = what == "count", half_life_us

    def _weight(self, time: pl.Expr, newest: pl.Expr) -> pl.Expr:
        return pl.lit(2.0).pow((time - newest).cast(pl.Float64) / self._half_life_us)

    def from_events(self, column: str, prefix: str) -> Expressions:
        """See `Partial`."""
        there = pl.col(column).is_not_null()
        time = pl.col(TIME).filter(there)
        weight = self._weight(time, time.max())
        weighed = weight if self._counts else pl.col(column).filter(there).cast(pl.Float64) * weight
        total, at = self.named(prefix)
        return [weighed.sum().alias(total), time.max().alias(at)]

    def merge_rows(self, prefix: str) -> Expressions:
        """See `Partial`."""
        total, at = (pl.col(name) for name in self.named(prefix))
        there = at.is_not_null()
        weighed = total.filter(there) * self._weight(at.filter(there), at.max())
        return [weighed.sum().alias(self.named(prefix)[0]), at.max().alias(self.named(prefix)[1])]

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        del tie
        return (0.0, None) if value is None else (1.0 if self._counts else float(value), time_us)

    def fold(self, columns: Columns, low: int, high: int) -> Any:
        """See `Partial`."""
        state = (columns[0][low], columns[1][low])
        for place in range(low + 1, high):
            state = self.combine(state, (columns[0][place], columns[1][place]))
        return state

    def combine(self, one: Any, other: Any) -> Any:
        """See `Partial`."""
        if one[1] is None or other[1] is None:
            return other if one[1] is None else one
        older, newer = (one, other) if one[1] <= other[1] else (other, one)
        return (newer[0] + older[0] * 2.0 ** ((older[1] - newer[1]) / self._half_life_us), newer[1])

    def stored(self, state: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        return tuple(state)


def decayed_function(what: str, half_life_us: int) -> AggregateFunction:
    """`decayed_sum` (null on an empty window) or `decayed_count` (0), a Float64."""
    empty = 0.0 if what == "count" else None

    def value_of(state: Any, end_us: int) -> float | None:
        if state is None or state[1] is None:
            return empty
        value: float = state[0] * 2.0 ** ((state[1] - end_us) / half_life_us)
        return value

    def value_rows(names: list[str], end_us: pl.Expr) -> pl.Expr:
        total, at = pl.col(names[0]), pl.col(names[1])
        value = total * pl.lit(2.0).pow((at - end_us).cast(pl.Float64) / half_life_us)
        return pl.when(at.is_not_null()).then(value).otherwise(pl.lit(empty, pl.Float64))

    partial, label = Decayed(what, half_life_us), f"decayed_{what}_{duration_text(half_life_us)}"
    current = CurrentValue(value_of, value_rows)
    return AggregateFunction(label, (partial,), pl.Float64(), empty, same, lambda names: pl.col(names[0]), current)


def decayed_mean_function(half_life_us: int) -> AggregateFunction:
    """`decayed_mean`: Float64, null on an empty window."""

    def finish(total: Any, count: Any) -> float | None:
        if total is None or total[1] is None:
            return None
        mean: float = total[0] / count[0]
        return mean

    def finish_rows(total: list[str], count: list[str]) -> pl.Expr:
        return pl.when(pl.col(total[1]).is_not_null()).then(pl.col(total[0]) / pl.col(count[0]))

    partials = (Decayed("sum", half_life_us), Decayed("count", half_life_us))
    label = f"decayed_mean_{duration_text(half_life_us)}"
    return AggregateFunction(label, partials, pl.Float64(), None, finish, finish_rows)
