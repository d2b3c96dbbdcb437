"""One pinned version of a Delta table: its files as a frame, and lazy scans of chosen files.

The rule: a snapshot never changes, so everything computed from it belongs to one version. Scans name the wanted files outright:
no listing, no pruning at read time.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from tilefold.errors import FormatError, NewerFormatError, complaint
from tilefold.stores.delta_errors import reading
from tilefold.stores.delta_files import TableSpec, check_access

FORMAT = 1  # of every table's layout and meaning. Do not change without a reader for the older ones: it is on disk.


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A version of a table.

    Attributes
    ----------
    spec
        The table.
    version
        Delta's version, -1 where the table does not exist.
    files
        One row per data file: `path`, `size_bytes`, `rows` (Int64), the partition columns, and `<c>_min`, `<c>_max` of the
        columns with statistics.
    """

    spec: TableSpec
    version: int
    files: pl.DataFrame
    delta: DeltaTable | None

    def claim(self, app_id: str) -> int | None:
        """The number that the application transaction `app_id` stood at in this version."""
        if self.delta is None:
            return None
        with reading(self.spec.uri):
            number = self.delta.transaction_version(app_id)
            if self.delta.version() == self.version:  # asked afterwards: another thread may move the table on meanwhile
                return number
            return pinned_delta(self.spec, self.version).transaction_version(app_id)

    def place(self, path: str) -> str:
        """Where a file of the table lies."""
        return f"{self.spec.root}/{path}"

    def collect(self, rows: pl.LazyFrame) -> pl.DataFrame:
        """Run a query over scans of this snapshot; a broken file is an error that names the table."""
        with reading(self.spec.uri):
            return rows.collect()

    def scan(self, files: pl.DataFrame, *, columns: Sequence[str] | None = None) -> pl.LazyFrame:
        """Rows of `files` (rows of `self.files`), columns as in the table's schema or only `columns`.

        Partition columns are read from the paths, and only where they are asked for.
        """
        names = list(self.spec.schema.names() if columns is None else columns)
        if files.is_empty():
            return pl.LazyFrame(schema={name: self.spec.schema[name] for name in names})
        hive = {name: self.spec.schema[name] for name in self.spec.partition_by if name in names}
        scan = pl.scan_parquet(
            [self.place(path) for path in files["path"]],
            schema=self.spec.file_schema,
            hive_partitioning=bool(hive),
            hive_schema=hive or None,
            glob=False,
            missing_columns="insert",  # files from before a column was declared
            extra_columns="ignore",  # and from a process that knows more of them
            storage_options=self.spec.options,
        )
        return scan.select(names)


def open_delta(spec: TableSpec, version: int | None = None) -> DeltaTable | None:
    """The table, or None where there is none yet.

    Raises
    ------
    NewerFormatError
        A newer release wrote it.
    FormatError
        Its log is broken, or it is a Delta table that Tilefold did not write.
    FileError
        It is there but may not be read.
    """
    with reading(spec.uri):
        try:
            table = DeltaTable(spec.uri, version=version, storage_options=spec.options)
        except TableNotFoundError:
            check_access(spec)
            return None
        _check_format(spec, table.metadata().configuration.get("tilefold.format"))
        return table


def pinned_delta(spec: TableSpec, version: int) -> DeltaTable:
    """The table at `version`.

    Raises
    ------
    FormatError
        That version is not kept any more, or never was.
    """
    if (table := open_delta(spec, version)) is None:
        mend = "Ask for the newest version."
        raise FormatError(complaint(f"table {spec.uri}", "the version must exist", version, mend))
    return table


def empty_snapshot(spec: TableSpec) -> Snapshot:
    """What a table that does not exist yet holds."""
    return Snapshot(spec, -1, pl.DataFrame(schema=_files_schema(spec)), None)


def load_snapshot(spec: TableSpec, table: DeltaTable) -> Snapshot:
    """Pin the version that `table` stands at."""
    with reading(spec.uri):
        actions = pl.DataFrame(table.get_add_actions())
    columns = [
        pl.col("path"),
        pl.col("size_bytes").cast(pl.Int64),
        pl.col("num_records").cast(pl.Int64).alias("rows"),
        *(pl.col("partition").struct.field(name).cast(spec.schema[name]) for name in spec.partition_by),
        *(_range(actions.schema, end, name, spec) for name in spec.stats_columns for end in ("min", "max")),
    ]
    return Snapshot(spec, table.version(), actions.select(columns) if actions.height else empty_snapshot(spec).files, table)


def fingerprint(parts: Iterable[str]) -> int:
    """A stable 63-bit hash of strings in their order. Do not change: tables hold it."""
    digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _range(schema: pl.Schema, end: str, name: str, spec: TableSpec) -> pl.Expr:
    """A statistic, null where no file of the table has it."""
    dtype = schema.get(end)
    known = isinstance(dtype, pl.Struct) and any(inner.name == name for inner in dtype.fields)
    value = pl.col(end).struct.field(name) if known else pl.lit(None)
    return value.cast(spec.schema[name]).alias(f"{name}_{end}")


def _files_schema(spec: TableSpec) -> dict[str, pl.DataType]:
    fixed: dict[str, pl.DataType] = {"path": pl.String(), "size_bytes": pl.Int64(), "rows": pl.Int64()}
    parts = {name: spec.schema[name] for name in spec.partition_by}
    ranges = {f"{name}_{end}": spec.schema[name] for name in spec.stats_columns for end in ("min", "max")}
    return {**fixed, **parts, **ranges}


def _check_format(spec: TableSpec, written: str | None) -> None:
    if written is None or not written.isdecimal():
        mend = "It is not Tilefold's: choose another root, or move that table away."
        raise FormatError(complaint(f"table {spec.uri}", "a table here must carry tilefold.format", written, mend))
    if int(written) > FORMAT:
        mend = "Upgrade Tilefold, or open the folder with the release that wrote it."
        raise NewerFormatError(complaint(f"table {spec.uri}", f"this release reads formats up to {FORMAT}", int(written), mend))
