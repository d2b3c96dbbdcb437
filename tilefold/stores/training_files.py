"""Training sets in files: where a spine is read from, and where its values are written to.

The rule: a place that ends in `.parquet` (globs too) or `.csv` is such a file, any other is a Delta table. What is there
already is only replaced where that is asked for, and in one step, so that nobody reads half of it. CSV knows no types: join
keys are read in the view's, and times only where the text says UTC.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from tilefold.errors import FileError, TilefoldError, complaint
from tilefold.stores.delta_errors import writing

_SIGNED: dict[type[pl.DataType], pl.DataType] = {
    pl.UInt8: pl.Int16(),
    pl.UInt16: pl.Int32(),
    pl.UInt32: pl.Int64(),
    pl.UInt64: pl.Int64(),
}
"""Delta has no unsigned integers."""
_OTHER_FILES = (
    ".csv",
    ".txt",
    ".tsv",
    ".json",
    ".jsonl",
    ".ndjson",
    ".arrow",
    ".feather",
    ".ipc",
    ".avro",
    ".orc",
    ".pq",
    ".xlsx",
    ".gz",
)
"""Names that nobody would give to a Delta table."""
_UNREADABLE = (OSError, DeltaError, pl.exceptions.PolarsError)


def scan_spine(place: str, keys: Mapping[str, pl.DataType], timestamp: str, options: Mapping[str, str]) -> pl.LazyFrame:
    """The spine of a file or a table, lazily.

    Raises
    ------
    FileError
        If it is missing or unreadable.
    """
    with _reading_spine(place):
        return _scanned(place, keys, timestamp, dict(options) or None)


def spine_chunks(spine: pl.LazyFrame, rows: int, what: str) -> Iterator[pl.DataFrame]:
    """A lazy spine, so many rows at a time, in order; raises FileError where it cannot be read to the end."""
    with _reading_spine(what):
        yield from spine.collect_batches(chunk_size=rows, maintain_order=True)


@contextmanager
def _reading_spine(what: str) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        if isinstance(error, TilefoldError):
            raise
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        mend = f"Check that it exists and is a Parquet file, a CSV file with a header, or a Delta table: {reason}"
        raise FileError(complaint("spine", "it must be readable", what, mend)) from error


def check_place(place: str, options: Mapping[str, str], *, overwrite: bool) -> None:
    """Refuse a place that cannot be written to; raises FileError."""
    thing = "training set"
    if place.lower().endswith(_OTHER_FILES):
        raise FileError(
            complaint(thing, "it is written as Parquet or Delta", place, "End the name in .parquet, or in nothing.")
        )
    if not overwrite and _is_there(place, options):
        mend = "Choose another place, or say that it may be replaced (overwrite=True, --overwrite)."
        raise FileError(complaint(thing, "nothing may be there yet", place, mend))


def write_training_set(chunks: Iterable[pl.DataFrame], place: str, options: Mapping[str, str]) -> None:
    """Write frames of one schema, at least one, one after the other, replacing what is there.

    Raises
    ------
    FileError, FormatError
        If the place cannot be written.
    """
    with writing(place), TemporaryDirectory(prefix="tilefold-") as folder:
        paths: list[Path] = []
        for number, chunk in enumerate(chunks):
            paths.append(Path(folder) / f"{number}.parquet")
            chunk.write_parquet(paths[-1])
        rows = pl.scan_parquet(paths, glob=False)
        if place.endswith(".parquet"):
            _write_parquet(rows, place, options)
        else:
            _write_delta(rows, place, options)


def _write_parquet(rows: pl.LazyFrame, place: str, options: Mapping[str, str]) -> None:
    if "://" in place:
        rows.sink_parquet(place, storage_options=dict(options) or None)
        return
    target = Path(place)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        rows.sink_parquet(beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _write_delta(rows: pl.LazyFrame, place: str, options: Mapping[str, str]) -> None:
    casts = [pl.col(name).cast(_in_delta(dtype)) for name, dtype in rows.collect_schema().items()]
    rows.select(casts).sink_delta(
        place,
        mode="overwrite",
        storage_options=dict(options) or None,
        delta_write_options={"schema_mode": "overwrite"},
    )


def _in_delta(dtype: pl.DataType) -> pl.DataType:
    """What a column is stored as: Delta has no unsigned integers, and times in microseconds alone."""
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", dtype.time_zone)
    return _SIGNED.get(type(dtype), dtype)


def _is_there(place: str, options: Mapping[str, str]) -> bool:
    if place.endswith(".parquet"):
        return "://" not in place and Path(place).exists()
    if "://" not in place and not Path(place).exists():
        return False
    return DeltaTable.is_deltatable(place, dict(options) or None) or ("://" not in place and any(Path(place).iterdir()))


def _scanned(place: str, keys: Mapping[str, pl.DataType], timestamp: str, options: dict[str, str] | None) -> pl.LazyFrame:
    if place.endswith(".parquet"):
        return _seen(pl.scan_parquet(place, storage_options=options))
    if not place.endswith(".csv"):
        return _seen(pl.scan_delta(place, storage_options=options))
    typed = {name: dtype for name, dtype in keys.items() if not dtype.is_temporal()}
    frame = pl.scan_csv(place, storage_options=options, try_parse_dates=True, schema_overrides=typed)
    empty = timestamp in frame.collect_schema() and frame.select(timestamp).head(1).collect().is_empty()
    return frame.cast({timestamp: pl.Datetime("us", "UTC")}) if empty else frame  # no row says what its times are


def _seen(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The frame, of which the columns could be read."""
    frame.collect_schema()
    return frame
