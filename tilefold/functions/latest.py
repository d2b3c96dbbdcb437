"""The function behind an `Attribute`: what the latest event says, null or not.

The rule: the latest event of all is chosen, and only then it is asked whether it is still valid at the time of the read
(`current`). So a tile needs no edge where validity ends, and one tile per key is enough.
"""

from typing import Any

import polars as pl

from tilefold.functions.base import TIE, TIME, AggregateFunction, Component, CurrentValue, Expressions
from tilefold.functions.ordered import One
from tilefold.functions.plain import physical_to_python, same


class Latest(One):
    """The latest entry (time, tie, value), whose value may be null: three columns."""

    def __init__(self, dtype: pl.DataType) -> None:
        super().__init__("last", dtype)
        self.name = "latest"
        self.components = (
            Component("latest_time", pl.Int64()),
            Component("latest_tie", pl.String()),
            Component("latest", dtype, nullable=True),
        )

    def _end(self, value: pl.Expr) -> pl.Expr:
        return value.last()

    def from_events(self, column: str, prefix: str) -> Expressions:
        """See `Partial`."""
        names = zip((TIME, TIE, column), self.named(prefix), strict=True)
        return [pl.col(source).last().alias(name) for source, name in names]

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        return (time_us, tie, value)


def latest_function(dtype: pl.DataType) -> AggregateFunction:
    """The latest value of a column; `finalize` gives the whole entry, of which `current` takes the value."""
    convert = physical_to_python(dtype)

    def value_of(entry: Any, after_us: int) -> Any:
        if entry is None or entry[0] <= after_us or entry[2] is None:
            return None
        return convert(entry[2])

    def value_rows(names: list[str], after_us: pl.Expr) -> pl.Expr:
        return pl.when(pl.col(names[0]) > after_us).then(pl.col(names[2]))

    current = CurrentValue(value_of, value_rows, expires=True)
    return AggregateFunction("latest", (Latest(dtype),), dtype, None, same, lambda names: pl.col(names[2]), current)
