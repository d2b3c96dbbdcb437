"""The departures that the replay pushes: four weeks of flights, one round after the other.

The rule: the last four weeks of 2013 are moved to the present by as many whole weeks as all flights are (see `flights`), and
come again and again: round `r` is 28 days later than the round before, so a departure stands on its day of the week and at its
time of the day in each. Every departure of every round has an id of its own, which never changes; so sending one again is
harmless.

    round 0          round 1          round 2
    |0 1 2 ... n-1   |n n+1 ...       |2n ...          numbers of departures
    |<-- 28 days --->|
"""

import json
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import polars as pl

from tilefold.demo.flights import replace_file, stored_import, whole_weeks
from tilefold.demo.flights_archive import packaged_flights
from tilefold.engine.time import to_datetime, to_us
from tilefold.errors import FileError, complaint

SOURCE = "departures"
DEPARTURES_FILE = "source/departures.parquet"
ROUND = timedelta(days=28)
QUIET_MAX = timedelta(minutes=5)
"""The replay skips what a gap without any departure has above this: New York's nights."""
_ROUND_US = ROUND // timedelta(microseconds=1)
_QUIET_US = QUIET_MAX // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DeparturesImport:
    """What a folder holds of the departures: when round 0 begins (ISO 8601), and how many there are in a round."""

    start: str
    rows: int


def import_departures(root: Path, now: datetime, read: Callable[[], pl.DataFrame] | None = None) -> "Timeline":
    """The timeline of a root; its departures are written there when it is first asked for, and stay.

    Parameters
    ----------
    read
        Gives the flights as they were; the package's, where not given.

    Raises
    ------
    FileError
        If the package is missing, or the folder cannot be read or written.
    """
    target, notes = root / DEPARTURES_FILE, (root / DEPARTURES_FILE).with_suffix(".json")
    try:
        if not (target.exists() and notes.exists()):
            _write(root, target, notes, now, (read or packaged_flights)())
        noted = DeparturesImport(**json.loads(notes.read_text()))
        return Timeline(pl.read_parquet(target), to_us(datetime.fromisoformat(noted.start)))
    except (OSError, ValueError, TypeError, pl.exceptions.PolarsError) as error:
        if isinstance(error, FileError):
            raise
        mend = "Give your user the right to write there, or remove its departures.* and start again."
        raise FileError(complaint("the demo's departures", f"they must be readable ({error})", str(target), mend)) from error


def _write(root: Path, target: Path, notes: Path, now: datetime, flights: pl.DataFrame) -> None:
    end = flights["scheduled_departure"].to_list()[-1].replace(hour=0, minute=0, second=0, microsecond=0)
    known = stored_import(root)
    weeks = known.shift_weeks if known else whole_weeks(end, now)
    rows = departures_of(flights, end)
    noted = DeparturesImport((end - ROUND + timedelta(weeks=weeks)).isoformat(), rows.height)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, rows.write_parquet)
    replace_file(notes, lambda draft: draft.write_text(json.dumps(asdict(noted), indent=2) + "\n"))


def departures_of(flights: pl.DataFrame, end: datetime) -> pl.DataFrame:
    """The departures of the round that ends at a time, in their order; `offset_us` is how long after its beginning each is.

    A flight that was cancelled stands at the time at which it should have left, without a delay.
    """
    late = pl.duration(minutes=pl.col("departure_delay").fill_null(0))
    since = (pl.col("scheduled_departure") + late - pl.lit(end - ROUND)).dt.total_microseconds().alias("offset_us")
    inside = flights.with_columns(since).filter(pl.col("offset_us").is_between(0, _ROUND_US, closed="left"))
    names = ["offset_us", "carrier", "origin", "destination", "flight", "tailnum", "departure_delay", "event_id"]
    return inside.select(names).sort("offset_us", "event_id")


class Timeline:
    """All departures of all rounds, by number.

    Parameters
    ----------
    rows
        As `departures_of` gives them.
    start_us
        When round 0 begins.
    """

    def __init__(self, rows: pl.DataFrame, start_us: int) -> None:
        self._rows, self._start_us = rows, start_us
        self._offsets_us: list[int] = rows["offset_us"].to_list()
        before = [self._offsets_us[-1] - _ROUND_US, *self._offsets_us]
        gaps = [min(after - at, _QUIET_US) for at, after in zip(before, self._offsets_us, strict=False)]
        self._quick_us = list(accumulate(gaps))

    def time_us(self, number: int) -> int:
        """When a departure is."""
        turn, place = divmod(number, len(self._offsets_us))
        return self._start_us + turn * _ROUND_US + self._offsets_us[place]

    def quick_us(self, number: int) -> int:
        """How long it takes to play all departures before and this one, without what long gaps have too much."""
        turn, place = divmod(number, len(self._quick_us))
        return turn * self._quick_us[-1] + self._quick_us[place]

    def first_at(self, time_us: int) -> int:
        """The number of the first departure at or after a time; never one of before round 0."""
        turn, offset_us = divmod(max(time_us - self._start_us, 0), _ROUND_US)
        return turn * len(self._offsets_us) + bisect_left(self._offsets_us, offset_us)

    def records(self, first: int, end: int, stamp_us: Callable[[int], int]) -> pl.DataFrame:
        """The departures `[first, end)` as events of the source, each at the time that its number is stamped with."""
        size = len(self._offsets_us)
        numbers = range(first, end)
        stamps = pl.Series("departed_at", [stamp_us(number) for number in numbers], dtype=pl.Int64)
        rows = self._rows[[number % size for number in numbers]]
        turns = pl.Series([f"-{number // size}" for number in numbers], dtype=pl.String)
        return rows.select(
            stamps.cast(pl.Datetime("us", "UTC")),
            pl.exclude("offset_us", "event_id"),
            (pl.col("event_id") + turns).alias("event_id"),
        )

    def __repr__(self) -> str:
        return f"Timeline({len(self._offsets_us)} departures a round, from {to_datetime(self._start_us).astimezone(UTC)})"
