"""Modes whose functions are handed rows in memory: pandas frames, or one row after the other as a dict.

The rule: a function is never called without rows, which such code rarely expects; no rows become no rows of the declared
columns. Numbers come back as declared where they stay the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from tilefold.declaration.names import EVENT_ID
from tilefold.declaration.pandas_frames import fitted, from_pandas, to_pandas
from tilefold.errors import InputError, complaint
from tilefold.types import Field

Eager = Callable[[pl.DataFrame, Sequence[Field]], pl.DataFrame]


def pandas_mode(thing: str, function: Callable[..., Any]) -> Eager:
    """The function takes and returns a pandas frame."""

    def run(events: pl.DataFrame, columns: Sequence[Field]) -> pl.DataFrame:
        return fitted(thing, from_pandas(thing, function(to_pandas(events))), columns)

    return run


def python_mode(thing: str, function: Callable[..., Any]) -> Eager:
    """The function takes an event as a dict and returns a dict, a list of dicts, or None to leave the event out."""

    def run(events: pl.DataFrame, columns: Sequence[Field]) -> pl.DataFrame:
        rows = [row for event in events.iter_rows(named=True) for row in _rows(thing, function(event))]
        return _frame(thing, rows, columns)

    return run


def _rows(thing: str, returned: object) -> Iterator[Mapping[str, Any]]:
    """What became of one event, row by row."""
    several = returned if isinstance(returned, list) else [] if returned is None else [returned]
    for row in several:
        if not isinstance(row, Mapping):
            mend = "Return a dict, a list of dicts, or None to leave the event out."
            rule = 'in mode="python" a function returns rows as dicts'
            raise InputError(complaint(thing, rule, type(row).__name__, mend))
        yield row


def _frame(thing: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[Field]) -> pl.DataFrame:
    """The declared columns of the rows, and `event_id` where all of them have it."""
    wanted = list(columns)
    if rows and EVENT_ID not in [column.name for column in columns] and all(EVENT_ID in row for row in rows):
        wanted.append(Field(EVENT_ID, pl.String))
    return pl.DataFrame([_column(thing, rows, column) for column in wanted])


def _column(thing: str, rows: Sequence[Mapping[str, Any]], column: Field) -> pl.Series:
    lacking = next((row for row in rows if column.name not in row), None)
    if lacking is not None:
        mend = f"Return it in every row, None where there is none; one has {sorted(map(str, lacking))}."
        raise InputError(complaint(thing, f"column {column.name!r} must be returned", None, mend))
    values = [row[column.name] for row in rows]
    naive = next((each for each in values if isinstance(each, datetime) and each.tzinfo is None), None)
    if naive is not None:
        mend = "Say which instant it is: time.replace(tzinfo=UTC)."
        raise InputError(complaint(thing, f"column {column.name!r} holds times and must say their zone", naive, mend))
    try:
        return pl.Series(column.name, values, dtype=column.dtype, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        wrong = next((each for each in values if not _holds(each, column.dtype)), None)
        mend = f"Return values of that type, or None: {type(wrong).__name__} is none."
        raise InputError(complaint(thing, f"column {column.name!r} must be {column.dtype}", wrong, mend)) from error


def _holds(value: object, dtype: pl.DataType) -> bool:
    """Whether a value is one of a type."""
    try:
        pl.Series([value], dtype=dtype, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        return False
    return True
