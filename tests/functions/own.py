"""Aggregates of one's own for tests: by expressions alone, with plain Python beside them, and ones that break a law."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from tilefold.aggregation_functions import UserAggregate, register_aggregate
from tilefold.types import Bool, Field, Float32, Float64, Int32, Int64, String, Timestamp

OWN = ("geometric_mean", "longest_text", "trend", "events_span")
"""Those that keep the laws."""


@register_aggregate("geometric_mean")
class GeometricMean(UserAggregate):
    """Of positive numbers, by expressions alone."""

    inputs = (Int32, Int64, Float32, Float64)
    state = (Field("n", Int64), Field("logs", Float64))
    result = Float64

    def partial(self, value: pl.Expr, time: pl.Expr) -> list[pl.Expr]:
        """How many positive values there are, and the sum of their logarithms."""
        del time
        positive = value.filter(value > 0)
        return [positive.count(), positive.cast(pl.Float64).log().sum()]

    def merge(self, *state: pl.Expr) -> list[pl.Expr]:
        """Sums."""
        return [each.sum() for each in state]

    def finalize(self, *state: pl.Expr) -> pl.Expr:
        """Null where there is no positive value."""
        n, logs = state
        return pl.when(n > 0).then((logs / n).exp())


@register_aggregate("longest_text")
class LongestText(UserAggregate):
    """The longest text, of several the last in order; with plain Python for all three steps."""

    inputs = (String,)
    state = (Field("length", Int64), Field("text", String))
    result = String

    def partial(self, value: pl.Expr, time: pl.Expr) -> list[pl.Expr]:
        """The largest by length and text."""
        del time
        return self._largest(value.str.len_chars().cast(pl.Int64), value)

    def merge(self, *state: pl.Expr) -> list[pl.Expr]:
        """As of values; the state of nothing is null."""
        return self._largest(*state)

    def _largest(self, length: pl.Expr, text: pl.Expr) -> list[pl.Expr]:
        longest = text.filter(length == length.max())
        return [length.max(), longest.max()]

    def finalize(self, *state: pl.Expr) -> pl.Expr:
        """The text."""
        return state[1]

    def partial_of(self, value: str, time: datetime) -> tuple[int, str]:
        """The value itself."""
        del time
        return len(value), value

    def merge_two(self, one: Sequence[Any], other: Sequence[Any]) -> Sequence[Any]:
        """The larger."""
        if one[0] is None or other[0] is None:
            return other if one[0] is None else one
        return max(one, other)

    def value_of(self, length: int | None, text: str | None) -> str | None:
        """The text."""
        del length
        return text


@register_aggregate("trend")
class Trend(UserAggregate):
    """The last value less the first; relies on the order of time within a tile, and keeps both times."""

    inputs = (Int32, Float32, Float64)
    state = (Field("begun", Timestamp), Field("first", Float64), Field("ended", Timestamp), Field("last", Float64))
    result = Float64
    ordered = True

    def partial(self, value: pl.Expr, time: pl.Expr) -> list[pl.Expr]:
        """The extremes of those that are latest and earliest: times may be shared."""
        number, at = value.cast(pl.Float64).fill_nan(0.0), time.cast(pl.Datetime("us", "UTC"))
        return self._ends(at, number, at, number)

    def merge(self, *state: pl.Expr) -> list[pl.Expr]:
        """Likewise."""
        return self._ends(*state)

    def _ends(self, begun: pl.Expr, first: pl.Expr, ended: pl.Expr, last: pl.Expr) -> list[pl.Expr]:
        earliest, latest = first.filter(begun == begun.min()).min(), last.filter(ended == ended.max()).max()
        return [begun.min(), earliest, ended.max(), latest]

    def finalize(self, *state: pl.Expr) -> pl.Expr:
        """The difference."""
        return state[3] - state[1]


@register_aggregate("events_span")
class EventsSpan(UserAggregate):
    """Days that events name, from the first to the last, in a list; 0 of none."""

    inputs = (pl.Date,)
    state = (Field("low", pl.Date), Field("high", pl.Date), Field("seen", Bool))
    result = pl.List(pl.Int64)
    empty = [0]  # noqa: RUF012 - a class's own

    def partial(self, value: pl.Expr, time: pl.Expr) -> list[pl.Expr]:
        """Both ends."""
        del time
        return [value.min(), value.max(), value.count() > 0]

    def merge(self, *state: pl.Expr) -> list[pl.Expr]:
        """Both ends."""
        low, high, seen = state
        return [low.min(), high.max(), seen.any()]

    def finalize(self, *state: pl.Expr) -> pl.Expr:
        """How many days lie between."""
        low, high, _ = state
        return pl.concat_list((high - low).dt.total_days().fill_null(0))

    def partial_of(self, value: Any, time: datetime) -> tuple[Any, ...]:
        """Of one day."""
        del time
        return value, value, True

    def merge_two(self, one: Sequence[Any], other: Sequence[Any]) -> Sequence[Any]:
        """Of two states, either of which may be nothing."""
        if not one[2] or not other[2]:
            return other if other[2] else one
        return min(one[0], other[0]), max(one[1], other[1]), True
