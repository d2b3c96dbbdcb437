"""The flights out of New York in 2013, moved to the present.

The rule: all times move by one number of whole weeks, so that days of the week stay what they were and the last flight lies
within the last seven days. The number is fixed at the first import into a folder and kept there beside the data; importing
again never moves what is there.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from tilefold.demo.flights_archive import packaged_flights
from tilefold.errors import FileError, InputError, complaint

SOURCE = "flights"
DATA_FILE = "source/flights.parquet"  # as features/flights.py says


@dataclass(frozen=True, slots=True)
class Import:
    """What a folder holds of the flights.

    Attributes
    ----------
    shift_weeks
        By how much all times were moved, in whole weeks.
    first_day, last_day
        UTC days of the first and last flight of the whole year after moving, as ISO dates.
    kept_from
        The first day that was imported; `first_day` unless less was asked for.
    rows
        How many flights the file holds.
    """

    shift_weeks: int
    first_day: str
    last_day: str
    kept_from: str
    rows: int


@dataclass(frozen=True, slots=True)
class Flight:
    """What one asks the features of a flight by."""

    tailnum: str
    carrier: str
    origin: str

    @property
    def keys(self) -> dict[str, str]:
        """As `get_features` takes them."""
        return asdict(self)


def whole_weeks(last: datetime, now: datetime) -> int:
    """By how many weeks to move the last flight so that it lies in the seven days before now.

    Examples
    --------
    >>> whole_weeks(datetime(2014, 1, 1, 5), datetime(2014, 1, 8, 5))
    1
    >>> whole_weeks(datetime(2014, 1, 1, 5), datetime(2014, 1, 8, 4))
    0
    """
    return (now - last) // timedelta(weeks=1)


def import_flights(
    root: Path, days: int | None = None, now: datetime | None = None, read: Callable[[], pl.DataFrame] | None = None
) -> Import:
    """Write the flights under a root, where `features/flights.py` says they are; leave them if they are there already.

    Parameters
    ----------
    days
        Keep the last so many days alone; None keeps all, 365 and the night after.
    now
        What time it is, where the system's clock does not say it.
    read
        Gives the flights as they were; the package's, where not given.

    Raises
    ------
    FileError
        If the package is missing, or the folder cannot be written.
    InputError
        If `days` is not positive.
    """
    if days is not None and days < 1:
        raise InputError(complaint("the demo's flights", "days must be at least 1", days, "Leave it out for the whole year."))
    target = root / DATA_FILE
    known = stored_import(root)
    if known is not None and target.exists() and known.kept_from <= _kept_from(known, days):
        return known
    flights = (read or packaged_flights)()
    moved, wanted = _moved(flights, known, datetime.now(UTC) if now is None else now, days)
    _write(target, moved, wanted)
    return wanted


def stored_import(root: Path) -> Import | None:
    """What was imported into a root; None where nothing was.

    Raises
    ------
    FileError
        If its notes are broken.
    """
    notes = _notes(root / DATA_FILE)
    try:
        return Import(**json.loads(notes.read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        mend = "Remove the folder's `source` and import again."
        raise FileError(complaint("the demo's flights", f"its notes must be readable ({error})", str(notes), mend)) from error


def frequent_flight(root: Path) -> Flight:
    """The aircraft that departed most often in the last week that was imported, and where from; ties by name."""
    keys = ["tailnum", "carrier", "origin"]
    departure = pl.col("scheduled_departure")
    recent = pl.scan_parquet(root / DATA_FILE).filter(departure > departure.max() - pl.duration(days=7))
    flown = recent.filter(pl.col("departure_delay").is_not_null()).group_by(keys).len()
    row = flown.sort("len", *keys, descending=[True, False, False, False]).select(keys).first().collect()
    return Flight(*row.row(0))


def _notes(target: Path) -> Path:
    return target.with_suffix(".json")


def _kept_from(known: Import, days: int | None) -> str:
    if days is None:
        return known.first_day
    kept = date.fromisoformat(known.last_day) - timedelta(days=days - 1)
    return max(known.first_day, kept.isoformat())


def _moved(flights: pl.DataFrame, known: Import | None, now: datetime, days: int | None) -> tuple[pl.DataFrame, Import]:
    """The flights in the present, and what to note about them."""
    times = flights["scheduled_departure"].to_list()
    first, last = min(times), max(times)
    weeks = whole_weeks(last, now) if known is None else known.shift_weeks
    shift = timedelta(weeks=weeks)
    noted = Import(weeks, _day(first + shift), _day(last + shift), "", 0)
    kept_from = _kept_from(noted, days)
    departure = pl.col("scheduled_departure") + shift
    moved = flights.with_columns(departure).filter(pl.col("scheduled_departure").dt.date() >= date.fromisoformat(kept_from))
    return moved, Import(weeks, noted.first_day, noted.last_day, kept_from, moved.height)


def _day(time: datetime) -> str:
    return time.date().isoformat()


def _write(target: Path, flights: pl.DataFrame, noted: Import) -> None:
    """Notes first: an import that was stopped in between is repeated with the same shift."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(_notes(target), lambda draft: draft.write_text(json.dumps(asdict(noted), indent=2) + "\n"))
        replace_file(target, flights.write_parquet)
    except OSError as error:
        mend = "Give your user the right to write there, free some space, or name another --root."
        rule = f"its folder must be writable ({error.strerror})"
        raise FileError(complaint("the demo's flights", rule, str(target.parent), mend)) from error


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    write(draft)
    draft.replace(path)
