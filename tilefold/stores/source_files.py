"""The files that a source's events are imported from, read by day; or what its function returns of them.

The rule: a file is scanned lazily and only the wanted days' rows are taken; what cannot be read is an error that names it. A
function that filters by time is told the wanted days.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl
from deltalake.exceptions import DeltaError

from tilefold.declaration.source_configs import FileConfig
from tilefold.declaration.source_functions import FilterContext, FunctionConfig
from tilefold.declaration.sources import Source
from tilefold.errors import FileError, InputError, complaint
from tilefold.stores.function_rows import function_rows


def source_frames(
    source: Source, days: Sequence[date], root: str, storage_options: Mapping[str, str]
) -> dict[date, pl.DataFrame]:
    """The events of each day as the source's files hold them.

    Parameters
    ----------
    root
        What a relative location starts from.

    Raises
    ------
    FileError
        If the files are missing or unreadable.
    InputError
        If the timestamp column is missing or no UTC time.
    """
    of_day = pl.col(source.timestamp_field).dt.date()
    inside = of_day.is_between(min(days), max(days)) if days else pl.lit(value=False)
    wanted = _context(min(days), max(days)) if days else FilterContext()
    rows = _collected(source, root, storage_options, lambda frame: frame.filter(inside), wanted)
    return {day: rows.filter(of_day == day) for day in days}


def source_days(source: Source, root: str, storage_options: Mapping[str, str]) -> list[date]:
    """The days that the source's files hold events of, ascending; raises as `source_frames` does."""
    day = pl.col(source.timestamp_field).dt.date().alias("day")
    days = _collected(source, root, storage_options, lambda frame: frame.select(day.unique()).drop_nulls().sort("day"))
    return days["day"].to_list()


def _context(first: date, last: date) -> FilterContext:
    """The times of some days."""
    start, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
    return FilterContext(start, end)


def _collected(
    source: Source,
    root: str,
    storage_options: Mapping[str, str],
    query: Callable[[pl.LazyFrame], pl.LazyFrame],
    wanted: FilterContext | None = None,
) -> pl.DataFrame:
    config = source.batch_config
    assert config is not None, "only sources with files are imported"
    if isinstance(config, FunctionConfig):
        rows = function_rows(source, config, wanted or FilterContext())
        _check_timestamp(source, f"what {config.name} returns", rows.schema)
        return query(rows.lazy()).collect()
    uri = _resolved(config, root)
    try:
        frame = _scanned(config, uri, source, storage_options)
        _check_timestamp(source, uri, frame.collect_schema())
        return query(frame).collect()
    except (OSError, DeltaError, pl.exceptions.PolarsError) as error:
        raise _unreadable(source, config, uri, error) from error


def _resolved(config: FileConfig, root: str) -> str:
    return config.uri if "://" in config.uri or Path(config.uri).is_absolute() else f"{root}/{config.uri}"


def _scanned(config: FileConfig, uri: str, source: Source, storage_options: Mapping[str, str]) -> pl.LazyFrame:
    options = dict(storage_options) or None
    if config.file_format == "csv":
        frame = pl.scan_csv(uri, storage_options=options, try_parse_dates=True)
        return _with_utc(frame, source)
    if config.file_format == "delta":
        return pl.scan_delta(uri, storage_options=options)
    return pl.scan_parquet(uri, storage_options=options)


def _with_utc(frame: pl.LazyFrame, source: Source) -> pl.LazyFrame:
    """CSV knows no types: read the declared ones. A time is read as UTC only where the text says so (`Z`, `+00:00`)."""
    if source.schema is None:
        return frame
    return frame.with_columns(
        pl.col(field.name).cast(field.dtype)
        for field in source.schema
        if field.name != source.timestamp_field and not field.dtype.is_temporal()
    )


def _check_timestamp(source: Source, uri: str, schema: pl.Schema) -> None:
    dtype = schema.get(source.timestamp_field)
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone != "UTC":
        mend = "Store it as a UTC timestamp, or name another column as timestamp_field."
        rule = f"column '{source.timestamp_field}' of {uri} must be a UTC time"
        raise InputError(complaint(f"source '{source.name}'", rule, str(dtype), mend))


def _unreadable(source: Source, config: FileConfig, uri: str, error: Exception) -> FileError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    mend = f"Check that it exists, is readable and is {config.file_format}: {reason}"
    return FileError(complaint(f"source '{source.name}'", "its files must be readable", uri, mend))
