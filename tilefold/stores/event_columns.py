"""The columns of an event log, declared once.

The rule: a source's own columns keep their names; what Tilefold adds is called `event_id` or starts with `tf_`, and no source
may declare such a name. Partition columns stand in the path, so that a file holds events of one day and one origin.
"""

from collections.abc import Iterable
from typing import Protocol

import polars as pl

from tilefold.declaration.names import is_pattern
from tilefold.errors import InputError, complaint

EVENT_ID = "event_id"
DATE = "tf_date"  # UTC date of the event's own timestamp
ORIGIN = "tf_origin"  # how it came: one of the three below
EPOCH = "tf_epoch"  # number of the first compaction that can hold it
INGESTED_AT = "tf_ingested_at"
SHARD = "tf_shard"  # where a streamed event stood in the stream log; null for others
POSITION = "tf_position"

REPLACED = "tilefold/replaced"  # and "/<day>": epoch of the last commit that took rows of a day away. Do not change: on disk.
BARRIER = "tilefold/barrier"  # application transaction that carries the last barrier's number. Do not change: it is on disk.

APPENDED = "append"
IMPORTED = "import"
STREAMED = "stream"

TIMESTAMP = pl.Datetime("us", "UTC")
RESERVED_PREFIX = "tf_"

ADDED_COLUMNS = pl.Schema(
    {
        EVENT_ID: pl.String(),
        INGESTED_AT: TIMESTAMP,
        EPOCH: pl.Int64(),
        SHARD: pl.Int32(),
        POSITION: pl.Int64(),
        DATE: pl.Date(),
        ORIGIN: pl.String(),
    }
)
PARTITION_BY = (DATE, ORIGIN)

_PLAIN = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Decimal)


class Column(Protocol):
    """A name and a dtype; `tilefold.types.Field` is one."""

    @property
    def name(self) -> str:
        """The column's name."""
        ...

    @property
    def dtype(self) -> pl.DataType:
        """The column's Polars dtype."""
        ...


class LogSource(Protocol):
    """What the event log needs to know of a source."""

    @property
    def name(self) -> str:
        """The source's name."""
        ...

    @property
    def schema(self) -> Iterable[Column] | None:
        """Its columns; None where they are learned from the first data."""
        ...

    @property
    def timestamp_field(self) -> str:
        """The column that holds an event's own time."""
        ...


def declared_columns(source: LogSource) -> pl.Schema | None:
    """The source's columns without `event_id`, checked; None where it declares none.

    Raises
    ------
    InputError
        A reserved name, or a dtype that Delta has no place for.
    """
    if source.schema is None:
        return None
    columns = pl.Schema({column.name: stored_as(column.dtype) for column in source.schema if column.name != EVENT_ID})
    check_columns(source.name, columns)
    return columns


def check_columns(source: str, columns: pl.Schema) -> None:
    """Refuse names that are Tilefold's and dtypes that Delta would not give back unchanged."""
    for name, dtype in columns.items():
        if name.startswith(RESERVED_PREFIX):
            raise InputError(
                complaint(f"source {source!r}", "names that start with tf_ are reserved", name, "Rename the column.")
            )
        if is_pattern(name):
            rule = "a column's name may not be * nor stand between ^ and $, which Polars takes for a pattern of names"
            raise InputError(complaint(f"source {source!r}", rule, name, "Rename the column."))
        if not storable(dtype):
            rule = f"column {name!r} must have a type that Delta can hold"
            mend = (
                "Declare a signed integer, float, Boolean, String, Binary, Date, UTC timestamp in microseconds, List or Struct."
            )
            raise InputError(complaint(f"source {source!r}", rule, dtype, mend))


def stored_as(dtype: pl.DataType) -> pl.DataType:
    """The type a column has in the log: times of any unit are kept in microseconds."""
    return TIMESTAMP if isinstance(dtype, pl.Datetime) and dtype.time_zone == "UTC" else dtype


def storable(dtype: pl.DataType) -> bool:
    """Whether a Delta table gives the dtype back as it was."""
    if isinstance(dtype, pl.List):
        return storable(full_type(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return all(storable(full_type(field.dtype)) for field in dtype.fields)
    return dtype == TIMESTAMP or isinstance(dtype, _PLAIN)


def full_type(dtype: object) -> pl.DataType:
    """A type that Polars may give as a class, as an instance."""
    made = dtype() if isinstance(dtype, type) else dtype
    assert isinstance(made, pl.DataType)
    return made
