"""`count`, `sum` and `mean`.

The rule: sums of integers are exact. A 64-bit integer is split into `high * 2**32 + low`, and both halves are summed in
Int64, which is good for 2**31 events per key and window; so a sum has 95 bits and cannot wrap. Whether it fits the result
type is asked once, at the end. Sums of floats are Float64.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from tilefold.functions.base import OVERFLOW, AggregateFunction, Columns, Component, Expressions, Partial, Pick
from tilefold.functions.plain import same, to_float32

_HALF = 2**32
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


class Count(Partial):
    """How many values are not null."""

    name = "count"
    components: tuple[Component, ...] = (Component("count", pl.Int64()),)
    nothing = 0
    running = "add"

    def from_events(self, column: str, prefix: str) -> Expressions:
        """See `Partial`."""
        return [pl.col(column).count().cast(pl.Int64).alias(prefix + "count")]

    def merge_rows(self, prefix: str) -> Expressions:
        """See `Partial`."""
        return [pl.col(prefix + "count").sum()]

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        del time_us, tie
        return (0 if value is None else 1,)

    def lift_all(self, values: Sequence[Any], times_us: Sequence[int], ties: Sequence[Any]) -> Columns:
        """See `Partial`."""
        del times_us, ties
        return ([0 if value is None else 1 for value in values],)

    def lift_rows(self, column: str, prefix: str) -> Expressions | None:
        """See `Partial`."""
        return [pl.col(column).is_not_null().alias(prefix + "count")]

    def fold(self, columns: Columns, low: int, high: int) -> Any:
        """See `Partial`."""
        return sum(columns[0][low:high])

    def combine(self, one: Any, other: Any) -> Any:
        """See `Partial`."""
        return one + other

    def stored(self, state: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        return (state,)

    def join(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
        """See `Partial`."""
        return (one[0] + other[0],)

    def fold_chain(self, columns: Columns, lows: Sequence[int], high: int) -> list[Any]:
        """See `Partial`; the same with less to do for each span."""
        total, totals, column = 0, [], columns[0]
        for low in lows:
            if low < high:
                total += sum(column[low:high])
                high = low
            totals.append(total)
        return totals


class Events(Count):
    """How many events there are, whatever they hold: `count()` without a column."""

    name = "events"
    components = (Component("events", pl.Int64()),)

    def from_events(self, column: str, prefix: str) -> Expressions:
        """See `Partial`."""
        del column
        return [pl.len().cast(pl.Int64).alias(prefix + "events")]

    def merge_rows(self, prefix: str) -> Expressions:
        """See `Partial`."""
        return [pl.col(prefix + "events").sum()]

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        del time_us, tie
        del value
        return (1,)

    def lift_all(self, values: Sequence[Any], times_us: Sequence[int], ties: Sequence[Any]) -> Columns:
        """See `Partial`."""
        del times_us, ties
        return ([1] * len(values),)

    def lift_rows(self, column: str, prefix: str) -> Expressions | None:
        """See `Partial`."""
        del column
        return [pl.repeat(value=True, n=pl.len(), dtype=pl.Boolean).alias(prefix + "events")]


class Sum(Count):
    """The sum in one column, Int64 for narrow integers and Float64 for floats."""

    name = "sum"

    def __init__(self, dtype: pl.DataType) -> None:
        self.components = (Component("sum", dtype),)

    def from_events(self, column: str, prefix: str) -> Expressions:
        """See `Partial`."""
        return [pl.col(column).cast(self.components[0].dtype).sum().alias(prefix + "sum")]

    def merge_rows(self, prefix: str) -> Expressions:
        """See `Partial`."""
        return [pl.col(prefix + "sum").sum()]

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        del time_us, tie
        return (0 if value is None else value + 0,)  # + 0 makes an int of a bool

    def lift_all(self, values: Sequence[Any], times_us: Sequence[int], ties: Sequence[Any]) -> Columns:
        """See `Partial`."""
        del times_us, ties
        return ([0 if value is None else value + 0 for value in values],)

    def lift_rows(self, column: str, prefix: str) -> Expressions | None:
        """See `Partial`."""
        return [pl.col(column).cast(self.components[0].dtype).fill_null(0).alias(prefix + "sum")]


class WideSum(Count):
    """The sum of 64-bit integers, in two halves."""

    name = "sum"
    components = (Component("sum_high", pl.Int64()), Component("sum_low", pl.Int64()))

    def from_events(self, column: str, prefix: str) -> Expressions:
        """See `Partial`."""
        high, low = self._halves(column)
        return [high.sum().alias(prefix + "sum_high"), low.sum().alias(prefix + "sum_low")]

    def lift_rows(self, column: str, prefix: str) -> Expressions | None:
        """See `Partial`."""
        high, low = self._halves(column)
        return [high.fill_null(0).alias(prefix + "sum_high"), low.fill_null(0).alias(prefix + "sum_low")]

    def _halves(self, column: str) -> tuple[pl.Expr, pl.Expr]:
        value = pl.col(column)
        return (value // _HALF).cast(pl.Int64), (value % _HALF).cast(pl.Int64)

    def merge_rows(self, prefix: str) -> Expressions:
        """See `Partial`."""
        return [pl.col(prefix + "sum_high").sum(), pl.col(prefix + "sum_low").sum()]

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        del time_us, tie
        return (0, 0) if value is None else divmod(value, _HALF)

    def lift_all(self, values: Sequence[Any], times_us: Sequence[int], ties: Sequence[Any]) -> Columns:
        """See `Partial`."""
        return Partial.lift_all(self, values, times_us, ties)

    def fold(self, columns: Columns, low: int, high: int) -> Any:
        """See `Partial`."""
        return sum(columns[0][low:high]) * _HALF + sum(columns[1][low:high])

    def stored(self, state: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        high, low = divmod(state, _HALF)
        return (high, low)

    def join(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
        """See `Partial`; each half by itself, as everywhere, so that totals stay sums of stored halves."""
        return (one[0] + other[0], one[1] + other[1])

    def look_up(self, columns: Columns, absent: int, pick: Pick) -> Sequence[Any]:
        """See `Partial`."""
        upper, lower = columns
        return [0] * absent + [high * _HALF + low for high, low in zip(pick(upper), pick(lower), strict=True)]

    def fold_chain(self, columns: Columns, lows: Sequence[int], high: int) -> list[Any]:
        """See `Partial`."""
        halves = (super(WideSum, self).fold_chain((column,), lows, high) for column in columns)
        return [upper * _HALF + lower for upper, lower in zip(*halves, strict=True)]


def sum_partial(dtype: pl.DataType) -> Partial:
    """The partial that sums values of `dtype` without loss (floats: in Float64)."""
    if dtype.is_float():
        return Sum(pl.Float64())
    return WideSum() if dtype in (pl.Int64, pl.UInt64) else Sum(pl.Int64())


def _sum_rows(columns: list[str]) -> pl.Expr:
    """The exact sum: Float64, Int64, or Int128 where it was kept in halves."""
    if len(columns) == 1:
        return pl.col(columns[0])
    return pl.col(columns[0]).cast(pl.Int128) * _HALF + pl.col(columns[1]).cast(pl.Int128)


def count_function(label: str) -> AggregateFunction:
    """`count` of a column: how many values are not null."""
    return AggregateFunction(label, (Count(),), pl.Int64(), 0, same, lambda n: pl.col(n[0]).fill_null(0))


def events_function(label: str) -> AggregateFunction:
    """`count` without a column: how many events there are."""
    return AggregateFunction(label, (Events(),), pl.Int64(), 0, same, lambda n: pl.col(n[0]).fill_null(0))


def sum_function(label: str, dtype: pl.DataType) -> AggregateFunction:
    """`sum`: Int64 for integers and booleans (OVERFLOW past it), the input's own type for floats."""
    if dtype.is_float():
        result: pl.DataType = pl.Float32() if dtype == pl.Float32 else pl.Float64()
        finish = _finish_float32 if dtype == pl.Float32 else _finish_float
        return AggregateFunction(label, (Count(), sum_partial(dtype)), result, None, finish, _float_rows(result))
    return AggregateFunction(label, (Count(), sum_partial(dtype)), pl.Int64(), None, _finish_int, _int_rows)


def _finish_float(count: int, total: float) -> float | None:
    return total if count else None


def _finish_float32(count: int, total: float) -> float | None:
    return to_float32(total) if count else None


def _finish_int(count: int, total: int) -> Any:
    if not count:
        return None
    return total if _INT64_MIN <= total <= _INT64_MAX else OVERFLOW


def _float_rows(result: pl.DataType) -> Any:
    return lambda n, total: pl.when(pl.col(n[0]) > 0).then(pl.col(total[0])).cast(result)


def _int_rows(count: list[str], total: list[str]) -> pl.Expr:
    value = _sum_rows(total)
    fits = value.is_between(_INT64_MIN, _INT64_MAX) if len(total) > 1 else pl.lit(value=True)
    return pl.when((pl.col(count[0]) > 0) & fits).then(value).cast(pl.Int64)


def mean_function(label: str, dtype: pl.DataType) -> AggregateFunction:
    """`mean`: Float64, null on an empty window."""
    partials = (Count(), sum_partial(dtype))
    return AggregateFunction(label, partials, pl.Float64(), None, _finish_mean, _mean_rows)


def _finish_mean(count: int, total: float) -> float | None:
    return total / count if count else None


def _mean_rows(count: list[str], total: list[str]) -> pl.Expr:
    n = pl.col(count[0])
    return pl.when(n > 0).then(_sum_rows(total).cast(pl.Float64) / n)
