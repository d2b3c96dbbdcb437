"""The demo's data: how it is read, moved to the present, and kept."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tilefold.demo.flights import DATA_FILE, frequent_flight, import_flights, stored_import, whole_weeks
from tilefold.demo.flights_archive import archive, read_flights
from tilefold.errors import FileError, InputError

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
LAST = datetime(2014, 1, 1, 4, 59, tzinfo=UTC)


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    """The real ones, read once."""
    return read_flights(archive())


def days_of(root: Path) -> list[date]:
    """The days that an import kept."""
    rows = pl.read_parquet(root / DATA_FILE)
    return sorted(rows["scheduled_departure"].dt.date().unique().to_list())


def test_all_flights_are_read(flights: pl.DataFrame) -> None:
    """The package holds 336,776 flights, each with an id of its own."""
    assert (flights.height, flights["event_id"].n_unique()) == (336_776, 336_776)


def test_departures_are_local_times_in_utc(flights: pl.DataFrame) -> None:
    """A scheduled departure is New York's clock time of that day, in winter and in summer."""
    local = flights["scheduled_departure"].dt.convert_time_zone("America/New_York")
    assert local.dt.year().unique().to_list() == [2013]
    assert set(local.dt.hour().unique().to_list()).isdisjoint({0, 2, 3, 4}), "no flight leaves in the small hours"


def test_cancelled_flights_have_no_delay(flights: pl.DataFrame) -> None:
    """`NA` is null: 8,255 flights never departed."""
    assert flights["departure_delay"].null_count() == 8_255


@pytest.mark.parametrize("hours", range(0, 24 * 15, 5))
def test_last_flight_lies_in_the_last_seven_days(hours: int) -> None:
    """Whatever the time of the import, the last flight is past and less than seven days old, on its day of the week."""
    now = NOW + timedelta(hours=hours)
    moved = LAST + timedelta(weeks=whole_weeks(LAST, now))
    assert timedelta(0) <= now - moved < timedelta(days=7)
    assert moved.weekday() == LAST.weekday()


def test_shift_is_fixed_at_the_first_import(tmp_path: Path, flights: pl.DataFrame) -> None:
    """An import weeks later leaves file and notes as they are."""
    first = import_flights(tmp_path, now=NOW, read=lambda: flights)
    later = import_flights(tmp_path, now=NOW + timedelta(weeks=5), read=lambda: pytest.fail("read again"))
    assert later == first == stored_import(tmp_path)
    assert (first.first_day, first.last_day, first.rows) == ("2025-11-18", "2026-11-18", 336_776)


def test_lost_data_is_imported_with_the_stored_shift(tmp_path: Path, flights: pl.DataFrame) -> None:
    """An import that was stopped after its notes is repeated where it was, not where it would begin now."""
    first = import_flights(tmp_path, days=2, now=NOW, read=lambda: flights)
    (tmp_path / DATA_FILE).unlink()
    assert import_flights(tmp_path, days=2, now=NOW + timedelta(weeks=5), read=lambda: flights) == first


def test_a_slice_knows_where_the_whole_begins(tmp_path: Path, flights: pl.DataFrame) -> None:
    """The last days alone are kept, and the first day noted is the year's, so that a view's version stays."""
    found = import_flights(tmp_path, days=3, now=NOW, read=lambda: flights)
    assert (found.first_day, found.kept_from) == ("2025-11-18", "2026-11-16")
    assert days_of(tmp_path) == [date(2026, 11, day) for day in (16, 17, 18)]


def test_a_slice_grows_and_never_shrinks(tmp_path: Path, flights: pl.DataFrame) -> None:
    """More days are imported anew, fewer are there already."""
    import_flights(tmp_path, days=3, now=NOW, read=lambda: flights)
    import_flights(tmp_path, days=5, now=NOW, read=lambda: flights)
    import_flights(tmp_path, days=2, now=NOW, read=lambda: flights)
    assert len(days_of(tmp_path)) == 5


def test_no_days_are_refused(tmp_path: Path) -> None:
    """`days` below one is the caller's mistake."""
    with pytest.raises(InputError, match="days must be at least 1; got 0"):
        import_flights(tmp_path, days=0)


def test_broken_notes_are_named(tmp_path: Path, flights: pl.DataFrame) -> None:
    """Notes that cannot be read are an error that names them, not another shift."""
    import_flights(tmp_path, days=1, now=NOW, read=lambda: flights)
    notes = (tmp_path / DATA_FILE).with_suffix(".json")
    notes.write_text("{")
    with pytest.raises(FileError, match=str(notes)):
        import_flights(tmp_path, days=1, now=NOW, read=lambda: flights)


def test_unreadable_archive_is_named(tmp_path: Path) -> None:
    """A broken archive is an error that names it and says how to get a whole one."""
    broken = tmp_path / "flights.csv.zip"
    broken.write_bytes(b"no zip")
    with pytest.raises(FileError, match=r"flights\.csv\.zip.*Install the package again"):
        read_flights(broken)


def test_unwritable_folder_is_named(tmp_path: Path, flights: pl.DataFrame) -> None:
    """A root whose place is taken by a file is an error that says so."""
    (tmp_path / "source").write_text("in the way")
    with pytest.raises(FileError, match="its folder must be writable"):
        import_flights(tmp_path, now=NOW, read=lambda: flights)


def test_nothing_half_written_is_left(tmp_path: Path, flights: pl.DataFrame) -> None:
    """Drafts are renamed: the folder holds the data and its notes alone, and the notes are JSON."""
    import_flights(tmp_path, days=1, now=NOW, read=lambda: flights)
    assert sorted(path.name for path in (tmp_path / "source").iterdir()) == ["flights.json", "flights.parquet"]
    assert json.loads((tmp_path / "source/flights.json").read_text())["shift_weeks"] == 672


def test_frequent_flight_departed_lately(tmp_path: Path, flights: pl.DataFrame) -> None:
    """The flight that the demo shows is of an aircraft that departed in the last days."""
    import_flights(tmp_path, days=2, now=NOW, read=lambda: flights)
    flight = frequent_flight(tmp_path)
    flown = pl.read_parquet(tmp_path / DATA_FILE).filter(pl.col("departure_delay").is_not_null())
    assert flight.keys.items() <= flown.filter(tailnum=flight.tailnum).row(0, named=True).items()
