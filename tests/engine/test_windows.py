"""Edges, windows, cuts and days: half open, on grids aligned to 1970."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilefold.declaration.windows import Window
from tilefold.engine.time import DAY_US, day_of, day_start_us, days_between, floor, to_datetime, to_us
from tilefold.engine.windows import BEGINNING_US, bounds_us, edge_us, reach_us

EDGE = 100 * DAY_US
WINDOWS = [Window(DAY_US), Window(7 * DAY_US), Window(30 * DAY_US), Window(None)]
TIMES = st.integers(-(10**15), 4 * 10**15)


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        (Window(7 * DAY_US), 93, 100),
        (Window(7 * DAY_US, offset_us=2 * DAY_US), 91, 98),
        (Window(None, lifetime_start_us=40 * DAY_US), 40, 100),
        (Window(None, offset_us=DAY_US, lifetime_start_us=40 * DAY_US), 40, 99),
        (Window(None, lifetime_start_us=140 * DAY_US), 100, 100),
    ],
)
def test_bounds(window: Window, start: int, end: int) -> None:
    """A window is [A - offset - size, A - offset); a lifetime begins at its own start, and is empty before it."""
    assert bounds_us(window, EDGE) == (start * DAY_US, end * DAY_US)


def test_a_lifetime_without_start() -> None:
    """A lifetime without a start of its own begins before every event."""
    assert bounds_us(Window(None), EDGE) == (BEGINNING_US, EDGE)


@given(TIMES, st.integers(1, 10**12), st.integers(0, 10**12))
def test_edge(read_us: int, schedule_us: int, delay_us: int) -> None:
    """The edge is the last point of the schedule at or before the read time less the delay."""
    edge = edge_us(read_us, schedule_us, delay_us)
    assert edge % schedule_us == 0
    assert edge <= read_us - delay_us < edge + schedule_us


def test_reach() -> None:
    """The reach is how far the longest window begins before its edge; a lifetime has none."""
    assert reach_us([Window(7 * DAY_US, 3 * DAY_US), Window(9 * DAY_US)]) == 10 * DAY_US
    assert reach_us(WINDOWS) is None


@given(TIMES)
def test_times_there_and_back(time_us: int) -> None:
    """Microseconds and datetimes are the same instant, before 1970 too; zones make no difference."""
    time = to_datetime(time_us)
    assert to_us(time) == time_us
    assert to_us(time.astimezone(timezone(timedelta(hours=-7)))) == time_us
    assert time.tzinfo is UTC


@given(TIMES, st.integers(1, 10**13))
def test_floor(time_us: int, grid_us: int) -> None:
    """A floor lies on the grid, at most one step below, before 1970 too."""
    found = floor(time_us, grid_us)
    assert found % grid_us == 0
    assert found <= time_us < found + grid_us


@given(TIMES)
def test_days(time_us: int) -> None:
    """A day begins at its start and ends before the next one's."""
    day = day_of(time_us)
    assert day_start_us(day) <= time_us < day_start_us(day + timedelta(days=1))


def test_days_between() -> None:
    """The days that share time with a span; the end is not in it."""
    first, last = to_us(datetime(2024, 2, 28, 23, tzinfo=UTC)), to_us(datetime(2024, 3, 1, tzinfo=UTC))
    assert days_between(first, last) == [date(2024, 2, 28), date(2024, 2, 29)]
    assert days_between(first, last + 1)[-1] == date(2024, 3, 1)
    assert days_between(last, last) == days_between(last, first) == []
