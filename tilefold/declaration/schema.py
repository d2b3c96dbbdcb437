"""The columns of a source, checked.

The rule: every column's type comes back from Delta Lake as it went in, and every time is in UTC.
"""

from collections.abc import Sequence

import polars as pl

from tilefold.declaration.names import EVENT_ID, check_column, first_duplicate
from tilefold.declaration.source_configs import FileConfig
from tilefold.declaration.source_functions import FunctionConfig
from tilefold.errors import DeclarationError, complaint
from tilefold.types import Field, is_utc_time

_UNKEPT = (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Int128, pl.Time, pl.Duration, pl.Categorical, pl.Enum, pl.Array)
_UNKEPT_MEND = "Use Int64, String, Float64, Timestamp or another type that Delta Lake has, and cast the data to it."


def checked_schema(thing: str, schema: object) -> tuple[Field, ...]:
    """The columns as a tuple; `thing` is what errors name.

    Raises
    ------
    DeclarationError
        If it is no list of fields, names a column twice, or holds a type or a name that cannot be kept.
    """
    if not isinstance(schema, Sequence) or not schema or not all(isinstance(column, Field) for column in schema):
        mend = 'Write schema=[Field("user_id", String), ...].'
        raise DeclarationError(complaint(thing, "schema must be a list of at least one Field", schema, mend))
    twice = first_duplicate(column.name for column in schema)
    if twice:
        raise DeclarationError(complaint(thing, "a column may stand once in the schema", twice, "Remove one of them."))
    for column in schema:
        _check_column(thing, column)
    return tuple(schema)


def _check_column(thing: str, column: Field) -> None:
    check_column(thing, column.name)
    if column.name == EVENT_ID:
        mend = "Leave it out: any frame or record may carry event_id (String) beside the schema's columns."
        raise DeclarationError(complaint(thing, "event_id may not stand in the schema", column.name, mend))
    if isinstance(column.dtype, pl.Datetime) and not is_utc_time(column.dtype):
        rule = f"column {column.name!r}: a time must be in UTC"
        mend = 'Use Timestamp, and convert the data to it with .dt.convert_time_zone("UTC").'
        raise DeclarationError(complaint(thing, rule, str(column.dtype), mend))
    if isinstance(column.dtype, _UNKEPT):
        rule = f"column {column.name!r}: its type must be one that Delta Lake keeps"
        raise DeclarationError(complaint(thing, rule, str(column.dtype), _UNKEPT_MEND))


def checked_timestamp(
    thing: str, schema: tuple[Field, ...] | None, given: str | None, batch_config: FileConfig | FunctionConfig | None
) -> str:
    """The column of the event's time: the one given, else the files' one, else the only one it can be.

    Empty where a function returns the events and nobody says it: then the first view says it.

    Raises
    ------
    DeclarationError
        If none can be found, two are named, or it is no UTC time.
    """
    from_files = batch_config.timestamp_field if batch_config else None
    if given and from_files and given != from_files:
        mend = "Name it once."
        raise DeclarationError(complaint(thing, f"timestamp_field is {given!r} but batch_config's differs", from_files, mend))
    named = given or from_files
    times = [column.name for column in schema or () if is_utc_time(column.dtype)]
    if named is None and len(times) == 1:
        return times[0]
    if named is None and schema is None and isinstance(batch_config, FunctionConfig):
        return ""
    if named is None:
        raise DeclarationError(complaint(thing, "timestamp_field must be given", times, "Name the column of the event's time."))
    if schema is not None and named not in times:
        mend = f"Name a column of type Timestamp; the schema's are {times}."
        raise DeclarationError(complaint(thing, "timestamp_field must be a UTC time of the schema", named, mend))
    return named
