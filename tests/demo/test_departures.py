"""The departures of the replay: which they are, where they lie in time, and their ids."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilefold.demo.departures import DEPARTURES_FILE, QUIET_MAX, ROUND, Timeline, departures_of, import_departures
from tilefold.demo.flights import import_flights, stored_import
from tilefold.demo.flights_archive import archive, read_flights
from tilefold.engine.time import DAY_US, to_datetime, to_us
from tilefold.errors import FileError

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
END = datetime(2014, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
START_US = 7 * DAY_US
OFFSETS_US = [0, 0, 60_000_000, 10 * DAY_US, ROUND // MICROSECOND - 1]


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    """The real ones, read once."""
    return read_flights(archive())


def small() -> Timeline:
    """A timeline of five departures a round."""
    names = ("carrier", "origin", "destination", "tailnum", "event_id")
    columns: dict[str, object] = {name: [f"{name}{number}" for number in range(5)] for name in names}
    rows = pl.DataFrame({"offset_us": OFFSETS_US, **columns, "flight": [1] * 5, "departure_delay": [None, 1, 2, 3, 4]})
    return Timeline(rows, START_US)


def test_a_round_is_the_last_four_weeks(flights: pl.DataFrame) -> None:
    """All departures of the 28 days before New Year, in order; a cancelled flight stands at its scheduled time."""
    rows = departures_of(flights, END)
    assert rows["offset_us"].is_sorted()
    assert (rows["offset_us"].min() or 0) >= 0
    assert (rows["offset_us"].max() or 0) < ROUND // MICROSECOND
    late = flights.filter(pl.col("event_id") == rows.filter(pl.col("departure_delay") > 60)["event_id"][0])
    offset = rows.filter(pl.col("event_id") == late["event_id"][0])["offset_us"][0]
    left_us = to_us(late["scheduled_departure"][0]) + 60_000_000 * int(late["departure_delay"][0])
    assert offset == left_us - to_us(END - ROUND)
    assert rows["departure_delay"].null_count() > 0


def test_rounds_keep_days_of_the_week_and_times(tmp_path: Path, flights: pl.DataFrame) -> None:
    """Round 0 ends within the last seven days; each departure stands on its day of the week, at its time, in every round."""
    timeline = import_departures(tmp_path, NOW, lambda: flights)
    first = departures_of(flights, END)
    original = to_us(END - ROUND) + int(first["offset_us"][17])
    for turn in range(3):
        time = to_datetime(timeline.time_us(17 + turn * first.height))
        assert (time.weekday(), time.time()) == (to_datetime(original).weekday(), to_datetime(original).time())
    start = to_datetime(timeline.time_us(0) - int(first["offset_us"][0]))
    assert timedelta(0) <= NOW - (start + ROUND) < timedelta(days=7)


def test_an_import_is_moved_as_the_flights_are(tmp_path: Path, flights: pl.DataFrame) -> None:
    """Where flights were imported long ago the departures are moved by as many weeks, and later imports leave them there."""
    import_flights(tmp_path, days=1, now=NOW - timedelta(weeks=3), read=lambda: flights)
    known = stored_import(tmp_path)
    assert known is not None
    timeline = import_departures(tmp_path, NOW, lambda: flights)
    start = END - ROUND + timedelta(weeks=known.shift_weeks)
    assert timeline.time_us(0) == to_us(start) + int(departures_of(flights, END)["offset_us"][0])
    again = import_departures(tmp_path, NOW + timedelta(weeks=9), lambda: flights.head(0))
    assert again.time_us(0) == timeline.time_us(0)


def test_broken_departures_are_told(tmp_path: Path, flights: pl.DataFrame) -> None:
    """A file that cannot be read is named, with what to do."""
    import_departures(tmp_path, NOW, lambda: flights)
    (tmp_path / DEPARTURES_FILE).write_bytes(b"broken")
    with pytest.raises(FileError, match="the demo's departures"):
        import_departures(tmp_path, NOW)


@given(number=st.integers(0, 10_000))
def test_numbers_and_times_belong_together(number: int) -> None:
    """Times grow with numbers; the first departure at the time of one is itself, or one of the same time before it."""
    timeline = small()
    time_us = timeline.time_us(number)
    assert time_us <= timeline.time_us(number + 1)
    first = timeline.first_at(time_us)
    assert first <= number
    assert timeline.time_us(first) == time_us
    assert first == 0 or timeline.time_us(first - 1) < time_us


@given(number=st.integers(0, 10_000))
def test_long_gaps_are_skipped(number: int) -> None:
    """Between two departures the replay needs as long as there is between them, but no longer than five minutes."""
    timeline = small()
    gap_us = timeline.time_us(number + 1) - timeline.time_us(number)
    assert timeline.quick_us(number + 1) - timeline.quick_us(number) == min(gap_us, QUIET_MAX // MICROSECOND)


def test_each_departure_of_each_round_has_its_own_id() -> None:
    """Records of two rounds have ten ids, the same ones whenever they are made, and the times that they are stamped with."""
    timeline = small()
    rows = timeline.records(3, 13, lambda number: number * 1_000_000)
    assert rows["event_id"].to_list()[:3] == ["event_id3-0", "event_id4-0", "event_id0-1"]
    assert rows["event_id"].n_unique() == 10
    assert rows.equals(timeline.records(3, 13, lambda number: number * 1_000_000))
    assert rows["departed_at"].dt.timestamp("us").to_list() == [number * 1_000_000 for number in range(3, 13)]
