"""The three ways to a value: Polars in bulk, plain Python for one key, and the naive reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from tilefold.declaration.features import Feature
from tilefold.declaration.windows import Window
from tilefold.engine.reference import Event, reference_values
from tilefold.engine.time import to_us
from tilefold.functions import AggregateFunction, FunctionRequest, resolve
from tilefold.functions.base import TIE, TIME

END_US = 10**11
"""Where the windows of these tests end: behind all events, by days."""


@dataclass(frozen=True)
class One:
    """An event of one key: when, what orders it among others of that time, its value."""

    time_us: int
    tie: str
    value: Any


def events_of(*values: Any) -> list[One]:
    """Values one after the other."""
    return [One(number, f"{number:03d}", value) for number, value in enumerate(values)]


def bound(name: str, dtype: pl.DataType, n: int | None = None) -> AggregateFunction:
    """A function of a column of a type."""
    return resolve(FunctionRequest(name, (("n", n),) if n else ()), dtype)


def in_bulk(function: AggregateFunction, dtype: pl.DataType, tiles: Sequence[Sequence[One]]) -> Any:
    """By expressions: events to tiles, tiles to one, one to a value."""
    rows = [(number, one.time_us, one.tie, one.value) for number, tile in enumerate(tiles) for one in tile]
    schema = {"tile": pl.Int64(), TIME: pl.Int64(), TIE: pl.String(), "x": dtype}
    events = pl.DataFrame(rows, schema=schema, orient="row").sort(TIME, TIE)
    partials = [(partial, f"p{number}_") for number, partial in enumerate(function.partials)]
    built = events.group_by("tile").agg(each for partial, prefix in partials for each in partial.from_events("x", prefix))
    merged = built.group_by(pl.lit(1)).agg(each for partial, prefix in partials for each in partial.merge_rows(prefix))
    names = [partial.named(prefix) for partial, prefix in partials]
    value = function.finalize_rows(*names)
    if function.current is not None:
        value = function.current.rows(names[0], pl.lit(END_US))
    found = merged.select(value.alias("value"))
    assert found.schema["value"] == function.result_dtype
    return found["value"].to_list()[0] if found.height else function.empty


def physical(value: Any) -> Any:
    """What tiles hold for a value: numbers for times."""
    if isinstance(value, datetime):
        return to_us(value)
    return (value - date(1970, 1, 1)).days if isinstance(value, date) else value


def plain(function: AggregateFunction, tiles: Sequence[Sequence[One]]) -> Any:
    """By plain values: each tile folded from its events, the states combined, one value made of them."""
    states = []
    for partial in function.partials:
        parts = []
        for tile in tiles:
            lifted = [partial.lift(physical(one.value), one.time_us, one.tie) for one in tile]
            if lifted:
                parts.append(partial.fold(list(zip(*lifted, strict=True)), 0, len(lifted)))
        if not parts:
            return function.empty
        state = parts[0]
        for part in parts[1:]:
            state = partial.combine(state, part)
        states.append(state)
    return now(function, function.finalize(*states))


def now(function: AggregateFunction, value: Any) -> Any:
    """What a finalized value is at the end of these tests' windows."""
    return value if function.current is None else function.current.of(value, END_US)


def reference(function: AggregateFunction, dtype: pl.DataType, tiles: Sequence[Sequence[One]]) -> Any:
    """By the oracle, straight from events."""
    feature = Feature("f", "x", dtype, function, (Window(None),), is_series=False, dtype=function.result_dtype)
    events = [Event(one.time_us, one.tie, {"x": one.value}) for tile in tiles for one in tile]
    return reference_values([feature], events, END_US)["f"]


def values(name: str, dtype: pl.DataType, *given: Any, n: int | None = None) -> tuple[Any, Any]:
    """A function's value in bulk and plain, each event a tile of its own."""
    function = bound(name, dtype, n)
    tiles = [[one] for one in events_of(*given)]
    return in_bulk(function, dtype, tiles), plain(function, tiles)


def at(*numbers: int) -> datetime:
    """A UTC time."""
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type,misc] # year, month, day
