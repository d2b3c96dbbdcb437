"""Brings a Delta table into being, and adds columns that were declared later.

The rule: columns are only ever added; none is removed or changes its type. Of several creators one wins and all go on with
what it made, since version 0 is a compare-and-set like every other.
"""

import polars as pl
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError, TableNotFoundError

from tilefold.errors import InputError, complaint
from tilefold.stores.delta_errors import unwritable, writing
from tilefold.stores.delta_files import TableSpec
from tilefold.stores.delta_snapshot import FORMAT, open_delta

NO_RETRY = CommitProperties(max_commit_retries=0)
_CHECKPOINT_EVERY = "20"  # commits; opening a table of a hundred commits takes 10 ms with it, 50 ms without (ADR 0003)


def create(spec: TableSpec) -> DeltaTable:
    """Create the table, or open what another creator made in between.

    Raises
    ------
    FileError
        The place cannot be written.
    """
    configuration: dict[str, str | None] = {f"tilefold.{name}": value for name, value in spec.properties.items()}
    configuration |= {"tilefold.format": str(FORMAT), "delta.checkpointInterval": _CHECKPOINT_EVERY}
    with writing(spec.uri):
        try:
            return DeltaTable.create(
                spec.uri,
                schema=Schema.from_arrow(spec.schema),
                partition_by=list(spec.partition_by),
                configuration=configuration,
                storage_options=spec.options,
                commit_properties=NO_RETRY,
                raise_if_key_not_exists=False,
            )
        except TableNotFoundError as error:  # deltalake's word for a folder that it cannot create
            raise unwritable(spec.uri, error) from error
        except DeltaError:
            if (made := open_delta(spec)) is None:
                raise
            return made


def columns_of(table: DeltaTable) -> pl.Schema:
    """The table's columns, partition columns included."""
    return pl.Schema(table.schema())


def add_columns(spec: TableSpec, table: DeltaTable) -> None:
    """Add the columns of `spec` that the table does not have yet.

    Raises
    ------
    InputError
        A column is declared with another type than it is stored in.
    """
    stored = columns_of(table)
    for name, dtype in spec.schema.items():
        if stored.get(name, dtype) != dtype:
            mend = f"Declare it as {stored[name]}, or give the changed column or source a new name."
            raise InputError(complaint(f"table {spec.uri}", f"column {name!r} is stored as {stored[name]}", dtype, mend))
    if new := {name: dtype for name, dtype in spec.schema.items() if name not in stored}:
        with writing(spec.uri):
            table.alter.add_columns(Schema.from_arrow(pl.Schema(new)).fields, commit_properties=NO_RETRY)
