"""A view's own function: how it is run, and what it must return.

The rule: whatever it returns is brought to exactly the columns that the view declares, each of the declared type; a type is
cast only where no value can change (Int32 to Int64, Float32 to Float64), and a whole number into a narrower type where it has
room, which is seen as it runs. Anything else is an error that names the column.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tilefold.declaration.eager_modes import Eager
from tilefold.declaration.names import EVENT_ID
from tilefold.errors import InputError, complaint
from tilefold.types import Field, is_utc_time

_WIDENS: dict[type[pl.DataType], tuple[type[pl.DataType], ...]] = {
    pl.Int16: (pl.Int8, pl.UInt8),
    pl.Int32: (pl.Int8, pl.Int16, pl.UInt8, pl.UInt16),
    pl.Int64: (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32),
    pl.Float32: (pl.Int8, pl.Int16, pl.UInt8, pl.UInt16),
    pl.Float64: (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32, pl.Float32),
}


class ShapeError(InputError):
    """What a function returns is not what its view declares, whatever the events hold."""


@dataclass(frozen=True, slots=True, eq=False)
class Transformation:
    """A view's function, ready to run on a source's events.

    Attributes
    ----------
    thing
        What errors name: the view.
    source_name
        The table's name in SQL.
    function
        From a LazyFrame to a LazyFrame; None in other modes.
    sql
        The query of mode sql.
    eager
        Where rows must be in memory: from a frame and the declared columns to a frame. It is never called without rows.
    """

    thing: str
    source_name: str
    function: Callable[..., Any] | None = None
    sql: str | None = None
    eager: Eager | None = None

    def run(self, frame: pl.LazyFrame, columns: Sequence[Field]) -> pl.LazyFrame:
        """The declared columns of what the function returns, and `event_id` where it returns that.

        Raises
        ------
        InputError
            If the function fails, or a column is missing or of another type.
        """
        returned, schema = self._returned(frame, columns)
        for column in columns:
            self._check(column, schema)
        wanted = [pl.col(column.name).cast(column.dtype) for column in columns]
        if EVENT_ID in schema and EVENT_ID not in [column.name for column in columns]:
            self._check(Field(EVENT_ID, pl.String), schema)
            wanted.append(pl.col(EVENT_ID).cast(pl.String))
        return returned.select(wanted)

    def _returned(self, frame: pl.LazyFrame, columns: Sequence[Field]) -> tuple[pl.LazyFrame, pl.Schema]:
        given = frame.collect_schema().names()  # a file that cannot be read is not the function's fault
        events = frame.collect() if self.eager else frame
        try:
            returned = self._call(events, columns)
            lazy = returned.lazy() if isinstance(returned, pl.DataFrame | pl.LazyFrame) else None
            schema = lazy.collect_schema() if lazy is not None else None
        except InputError:  # of a mode, which says what is wrong with what the function returned
            raise
        except Exception as error:
            rule = "its function must run on the source's events"
            raise InputError(complaint(self.thing, rule, brief(error), f"It was given the columns {given}.")) from error
        if lazy is None or schema is None:
            mend = "Return a polars LazyFrame."
            raise ShapeError(complaint(self.thing, "its function must return a LazyFrame", type(returned).__name__, mend))
        return lazy, schema

    def _call(self, frame: pl.LazyFrame | pl.DataFrame, columns: Sequence[Field]) -> object:
        if self.eager is not None and isinstance(frame, pl.DataFrame):
            nothing = pl.DataFrame(schema={column.name: column.dtype for column in columns})
            return nothing if frame.is_empty() else self.eager(frame, columns)
        if self.sql is not None:
            return pl.SQLContext({self.source_name: frame}).execute(self.sql, eager=False)
        return self.function(frame) if self.function else frame

    def _check(self, column: Field, schema: pl.Schema) -> None:
        found = schema.get(column.name)
        if found is None:
            mend = f"Return it from the view's function; it returned {schema.names()}."
            raise ShapeError(complaint(self.thing, f"column {column.name!r} must be returned", None, mend))
        if not fits(found, column.dtype) and not narrows(found, column.dtype):
            mend = f"Cast it in the view's function: .cast(pl.{column.dtype})."
            raise ShapeError(complaint(self.thing, f"column {column.name!r} must be {column.dtype}", str(found), mend))


def fits(found: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether every value of one type is also one of the other; nulls without a type fit all, UTC times of any unit fit."""
    if found in (wanted, pl.Null) or (is_utc_time(found) and is_utc_time(wanted)):
        return True
    return found in _WIDENS.get(type(wanted), ())


def narrows(found: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether both are whole numbers, so that a strict cast gives the same number or fails."""
    return found.is_signed_integer() and wanted.is_signed_integer()


def brief(error: Exception) -> str:
    """An error of the user's code in one line; Polars tells the whole plan below it."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
