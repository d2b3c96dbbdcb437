"""Functions with parameters, for `Aggregate(function=...)`.

The rule: each only records what was asked for; its parameters are checked where the view that uses it is declared, so that
the error can name the view. Functions without parameters are asked for by name: `function="sum"`.
Aggregates of one's own are classes derived from `UserAggregate` and registered by a name.
"""

from datetime import timedelta

from tilefold.functions import FunctionRequest
from tilefold.functions.user import UserAggregate, register_aggregate

__all__ = [
    "UserAggregate",
    "approx_count_distinct",
    "approx_percentile",
    "decayed_count",
    "decayed_mean",
    "decayed_sum",
    "first",
    "first_distinct",
    "last",
    "last_distinct",
    "register_aggregate",
]


def last(n: int) -> FunctionRequest:
    """The latest `n` values, ascending by time, as a list."""
    return FunctionRequest("last", (("n", n),))


def first(n: int) -> FunctionRequest:
    """The earliest `n` values, ascending by time, as a list."""
    return FunctionRequest("first", (("n", n),))


def last_distinct(n: int) -> FunctionRequest:
    """The `n` distinct values seen latest, each at its latest time, ascending by time, as a list."""
    return FunctionRequest("last_distinct", (("n", n),))


def first_distinct(n: int) -> FunctionRequest:
    """The `n` distinct values seen earliest, each at its earliest time, ascending by time, as a list."""
    return FunctionRequest("first_distinct", (("n", n),))


def approx_count_distinct(precision: int = 8) -> FunctionRequest:
    """The number of distinct values, by a HyperLogLog of `2**precision` registers."""
    return FunctionRequest("approx_count_distinct", (("precision", precision),))


def approx_percentile(percentile: float, precision: int = 100) -> FunctionRequest:
    """The value below which the part `percentile` (0 to 1) of the values lies, within `1/precision`, relative."""
    return FunctionRequest("approx_percentile", (("percentile", percentile), ("precision", precision)))


def decayed_sum(half_life: timedelta) -> FunctionRequest:
    """The sum of values that weigh 1 at the window's end and half as much each half-life earlier."""
    return FunctionRequest("decayed_sum", (("half_life", half_life),))


def decayed_count(half_life: timedelta) -> FunctionRequest:
    """How many values there are, each weighing 1 at the window's end and half as much each half-life earlier."""
    return FunctionRequest("decayed_count", (("half_life", half_life),))


def decayed_mean(half_life: timedelta) -> FunctionRequest:
    """The mean of values, of which newer ones weigh more: half as much each half-life earlier."""
    return FunctionRequest("decayed_mean", (("half_life", half_life),))
