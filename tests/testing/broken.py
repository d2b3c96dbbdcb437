"""Aggregates that break a law, each another one; made when asked for, so that they are registered under test names alone."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from tilefold.aggregation_functions import UserAggregate
from tilefold.types import Field, Float64, Int64


class Sum(UserAggregate):
    """What keeps all laws: a sum and a count."""

    inputs = (Float64,)
    state = (Field("n", Int64), Field("total", Float64))
    result = Float64

    def partial(self, value: pl.Expr, time: pl.Expr) -> list[pl.Expr]:
        """Both of some values."""
        del time
        return [value.count(), value.sum()]

    def merge(self, *state: pl.Expr) -> Sequence[pl.Expr]:
        """Both of some states."""
        return [each.sum() for each in state]

    def finalize(self, *state: pl.Expr) -> pl.Expr:
        """The sum, of something."""
        n, total = state
        return pl.when(n > 0).then(total)


class MeanOfMeans(Sum):
    """Merges means as if they weighed the same."""

    state = (Field("mean", Float64),)

    def partial(self, value: pl.Expr, time: pl.Expr) -> list[pl.Expr]:
        """The mean."""
        del time
        return [value.mean()]

    def merge(self, *state: pl.Expr) -> list[pl.Expr]:
        """The mean of means."""
        return [state[0].mean()]

    def finalize(self, *state: pl.Expr) -> pl.Expr:
        """The mean."""
        return state[0]


class CountsTiles(Sum):
    """Adds one for each state that it merges."""

    def merge(self, *state: pl.Expr) -> list[pl.Expr]:
        """One more than there is."""
        return [state[0].sum(), state[1].sum() + state[0].len()]


class FirstGiven(Sum):
    """Takes the first state for the oldest."""

    def merge(self, *state: pl.Expr) -> list[pl.Expr]:
        """Whatever comes first."""
        there = state[0] > 0
        return [state[0].filter(there).first().fill_null(0), state[1].filter(there).first().fill_null(0.0)]


class CountsDistinct(Sum):
    """Adds up how many different values each tile has."""

    def partial(self, value: pl.Expr, time: pl.Expr) -> list[pl.Expr]:
        """Different values."""
        del time
        return [value.count(), value.n_unique().cast(pl.Float64)]


class LastGiven(MeanOfMeans):
    """Relies on the order of events, and does not say so."""

    state = (Field("at", Int64), Field("last", Float64))

    def partial(self, value: pl.Expr, time: pl.Expr) -> list[pl.Expr]:
        """The last in order."""
        return [time.last(), value.last()]

    def merge(self, *state: pl.Expr) -> list[pl.Expr]:
        """The latest."""
        return [state[0].max(), state[1].filter(state[0] == state[0].max()).max()]

    def finalize(self, *state: pl.Expr) -> pl.Expr:
        """The value."""
        return state[1]


class AnotherEmpty(Sum):
    """Says that nothing is 0, and gives null."""

    empty = 0.0


class CountsRows(Sum):
    """Multiplies by how many rows there are."""

    def finalize(self, *state: pl.Expr) -> pl.Expr:
        """The product."""
        return pl.when(state[0] > 0).then(state[1] * state[0].len())


class ForgetsOne(Sum):
    """Whose plain Python leaves out what it should add."""

    def merge_two(self, one: Sequence[Any], other: Sequence[Any]) -> Sequence[Any]:
        """One of two."""
        return max(one, other)


BROKEN: dict[type[Sum], str] = {
    MeanOfMeans: "merging must be associative",
    CountsTiles: "the state of nothing must change no other",
    FirstGiven: "merging must not depend on the order of states",
    CountsDistinct: "merging tiles must give what all their events give",
    LastGiven: "partial must not depend on the order of events",
    AnotherEmpty: "the value of nothing must be empty",
    CountsRows: "finalize must work row by row",
    ForgetsOne: "plain Python must say what expressions say",
}
