"""Variance and standard deviation.

The rule: the state is (n, mean, M2), merged by the parallel formula of Chan, Golub and LeVeque (Updating Formulae and a
Pairwise Algorithm for Computing Sample Variances, 1979), never by sums of squares, which lose all digits where the mean is
large beside the spread. A result is never negative.
"""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from tilefold.functions.base import AggregateFunction, Columns, Component, Expressions, Partial


def _spread_of_one(value: float) -> float:
    """Zero, except that NaN and infinities make the variance NaN, as in Polars."""
    return (value - value) * 0.0


class Moments(Partial):
    """Number, mean and sum of squared deviations from the mean."""

    name = "moments"
    components = (Component("n", pl.Int64()), Component("mean", pl.Float64()), Component("m2", pl.Float64()))

    def from_events(self, column: str, prefix: str) -> Expressions:
        """See `Partial`."""
        value = pl.col(column).cast(pl.Float64)
        count, mean = value.count().cast(pl.Int64), value.mean()
        # Of one event alone Polars may give 0 where it is NaN; mean - mean is then NaN, and 0 for all finite values.
        spread = value.var(ddof=0) * count + (mean - mean)
        return [
            count.alias(prefix + "n"),
            mean.fill_null(0.0).alias(prefix + "mean"),
            spread.fill_null(0.0).alias(prefix + "m2"),
        ]

    def merge_rows(self, prefix: str) -> Expressions:
        """See `Partial`."""
        count, mean, m2 = (pl.col(name) for name in self.named(prefix))
        total = count.sum()
        # Tiles without values have n = 0, mean = 0: they weigh nothing.
        merged_mean = pl.when(total > 0).then((count * mean).sum() / total).otherwise(0.0)
        spread = (count * (mean - (count * mean).sum() / total) ** 2).sum()
        return [
            total.alias(prefix + "n"),
            merged_mean.alias(prefix + "mean"),
            (m2.sum() + pl.when(total > 0).then(spread).otherwise(0.0)).alias(prefix + "m2"),
        ]

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        del time_us, tie
        return (0, 0.0, 0.0) if value is None else (1, float(value), _spread_of_one(value))

    def fold(self, columns: Columns, low: int, high: int) -> Any:
        """See `Partial`."""
        state = (columns[0][low], columns[1][low], columns[2][low])
        for i in range(low + 1, high):
            state = self.combine(state, (columns[0][i], columns[1][i], columns[2][i]))
        return state

    def fold_chain(self, columns: Columns, lows: Sequence[int], high: int) -> list[Any]:
        """See `Partial`; the same with less to do for each tile."""
        counts, means, spreads = columns
        n, mean, m2 = 0, 0.0, 0.0
        states: list[Any] = []
        for low in lows:
            for place in range(high - 1, low - 1, -1):
                older = counts[place]
                if not n:
                    n, mean, m2 = older, means[place], spreads[place]
                elif older:
                    total = n + older
                    delta = mean - means[place]
                    mean = means[place] + delta * n / total
                    m2 += spreads[place] + delta * delta * older * n / total
                    n = total
            high = min(low, high)
            states.append((n, mean, m2))
        return states

    def combine(self, one: Any, other: Any) -> Any:
        """See `Partial`."""
        n_one, mean_one, m2_one = one
        n_other, mean_other, m2_other = other
        if not n_one or not n_other:
            return other if n_other else one
        total = n_one + n_other
        delta = mean_other - mean_one
        mean = mean_one + delta * n_other / total
        return (total, mean, m2_one + m2_other + delta * delta * n_one * n_other / total)

    def stored(self, state: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        return tuple(state)

    def join(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
        """See `Partial`."""
        return tuple(self.combine(one, other))


def _variance(state: tuple[int, float, float] | None, freedom: int) -> float | None:
    count, _, m2 = state or (0, 0.0, 0.0)
    return max(m2, 0.0) / (count - freedom) if count > freedom else None


def _variance_rows(columns: list[str], freedom: int) -> pl.Expr:
    count, m2 = pl.col(columns[0]), pl.col(columns[2])
    return pl.when(count > freedom).then(pl.when(m2 < 0).then(0.0).otherwise(m2) / (count - freedom))


def moments_function(label: str, freedom: int, *, root: bool) -> AggregateFunction:
    """Variance (`root=False`) or standard deviation, with `freedom` 0 for the population and 1 for a sample."""

    def finish(state: tuple[int, float, float] | None) -> float | None:
        value = _variance(state, freedom)
        return math.sqrt(value) if root and value is not None else value

    def finish_rows(columns: list[str]) -> pl.Expr:
        value = _variance_rows(columns, freedom)
        return value.sqrt() if root else value

    return AggregateFunction(label, (Moments(),), pl.Float64(), None, finish, finish_rows)
