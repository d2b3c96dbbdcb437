"""Data files of a Delta table: where they lie, how one is written, and the frame that lists them.

The rule: Polars writes every data file and this module describes it to Delta (rows, size, partition values, statistics). A file
that was staged but never committed is invisible to every reader, so a crash leaves garbage, never wrong rows.

Layout: `<table>/<column>=<value>/.../<uuid>.parquet`; the partition columns are in the path and the log, not in the file.
"""

import json
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import polars as pl
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, RemoveAction

from tilefold.errors import FileError, complaint
from tilefold.stores.delta_errors import writing

COMPRESSION_LEVELS = {"zstd": 1, "lz4": None}  # zstd: a third faster than Polars' default at the same size (ADR 0003)


@dataclass(frozen=True, slots=True)
class TableSpec:
    """What a table is: its place, columns, partition columns and the columns whose range every file records.

    Attributes
    ----------
    uri
        A local path or a URL of an object store.
    schema
        All columns, partition columns included.
    partition_by
        Columns of type Date, integer or String whose values stand in the path.
    stats_columns
        Integer or timestamp columns whose smallest and largest value the log keeps per file.
    storage_options
        Passed to deltalake and Polars alike; empty for local paths.
    properties
        Facts fixed at creation, kept in the table's configuration under `tilefold.<name>`.
    compression
        Of the data files that are written from now on; any is read.
    """

    uri: str
    schema: pl.Schema
    partition_by: tuple[str, ...]
    stats_columns: tuple[str, ...] = ()
    storage_options: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    compression: Literal["zstd", "lz4"] = "zstd"

    @property
    def root(self) -> str:
        """The place without a `file://` prefix and trailing slash."""
        return self.uri.removeprefix("file://").rstrip("/")

    @property
    def is_local(self) -> bool:
        """Whether the place is on this machine's file system."""
        return "://" not in self.root

    @property
    def options(self) -> dict[str, str] | None:
        """The storage options as deltalake and Polars want them."""
        return dict(self.storage_options) or None

    @property
    def file_schema(self) -> pl.Schema:
        """The columns inside a data file."""
        return pl.Schema({name: dtype for name, dtype in self.schema.items() if name not in self.partition_by})


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A written data file that no commit names yet."""

    path: str
    size_bytes: int
    rows: int
    partition: Mapping[str, str]
    stats: str

    def to_action(self) -> AddAction:
        """The file as Delta's log wants it."""
        return AddAction(self.path, self.size_bytes, dict(self.partition), _now_ms(), True, self.stats)


def stage(
    spec: TableSpec,
    frame: pl.DataFrame,
    values: Mapping[str, date | int | str],
    footer: Mapping[str, str] | None = None,
) -> StagedFile:
    """Write one data file for the partition `values`; arguments and result can be pickled, so any worker may do it.

    `footer` is kept as key-value metadata of the Parquet file.

    Raises
    ------
    FileError
        The place cannot be written.
    """
    partition = {name: str(values[name]) for name in spec.partition_by}
    path = "/".join([*(f"{name}={value}" for name, value in partition.items()), f"{uuid.uuid4().hex}.parquet"])
    rows = frame.select(spec.file_schema.names())
    with writing(spec.uri):
        size_bytes = _write(spec, path, rows, dict(footer or {}))
    return StagedFile(path, size_bytes, rows.height, partition, _stats(rows, spec.stats_columns))


def check_access(spec: TableSpec) -> None:
    """Tell a folder that may not be read from one that is missing; deltalake takes both for a missing table.

    Raises
    ------
    FileError
        The folder or its log is there but may not be read.
    """
    for place in (Path(spec.root), Path(spec.root, "_delta_log")):
        if spec.is_local and place.exists() and not os.access(place, os.R_OK | os.X_OK):
            mend = "Give this user read access to it, or choose another root."
            raise FileError(complaint(f"table {spec.uri}", "the folder must be readable", str(place), mend))


def remove_actions(spec: TableSpec, files: pl.DataFrame) -> list[RemoveAction]:
    """What Delta's log needs to drop `files` (rows of `Snapshot.files`)."""
    now_ms = _now_ms()
    columns = ["path", "size_bytes", *spec.partition_by]
    return [
        RemoveAction(path, True, now_ms, size, {k: str(v) for k, v in zip(spec.partition_by, values, strict=True)})
        for path, size, *values in files.select(columns).iter_rows()
    ]


def _write(spec: TableSpec, path: str, rows: pl.DataFrame, footer: dict[str, str]) -> int:
    """Write the file and return its exact size, which readers of Delta's log rely on."""
    place = f"{spec.root}/{path}"
    options = None if spec.is_local else spec.options
    rows.write_parquet(
        place,
        compression=spec.compression,
        compression_level=COMPRESSION_LEVELS[spec.compression],
        metadata=footer,
        mkdir=spec.is_local,
        storage_options=options,
    )
    if spec.is_local:
        return Path(place).stat().st_size
    info = DeltaStorageHandler(spec.uri, spec.options).get_file_info([path])[0]
    return int(info.size)


def _stats(rows: pl.DataFrame, columns: tuple[str, ...]) -> str:
    """Delta's statistics of one file; ranges of the chosen columns alone keep the log small."""
    stats: dict[str, object] = {"numRecords": rows.height}
    if columns and rows.height:
        picked = rows.select(columns)
        stats["minValues"] = _plain(picked.min())
        stats["maxValues"] = _plain(picked.max())
        stats["nullCount"] = picked.null_count().row(0, named=True)
    return json.dumps(stats)


def _plain(row: pl.DataFrame) -> dict[str, object]:
    """One row as JSON values; a column of nulls has no range."""
    values = row.row(0, named=True).items()
    return {k: v.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(v, datetime) else v for k, v in values if v is not None}


def _now_ms() -> int:
    """Wall-clock time: vacuum compares it with the files' real age, so it is not the workspace's clock."""
    return time.time_ns() // 1_000_000
