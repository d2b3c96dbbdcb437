"""Time as the engine knows it: whole microseconds since 1970, UTC, on grids aligned to the epoch.

The rule: nothing here reads a clock. `floor` is the only rounding there is.
"""

from datetime import UTC, date, datetime, timedelta

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_US = timedelta(microseconds=1)


def floor(time_us: int, grid_us: int) -> int:
    """The last grid point at or before a time."""
    return time_us - time_us % grid_us


def to_us(time: datetime) -> int:
    """Microseconds since 1970 of an aware datetime."""
    return (time - _EPOCH) // _ONE_US


def span_us(span: timedelta) -> int:
    """Microseconds of a timedelta."""
    return span // _ONE_US


def to_datetime(time_us: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=time_us)


def day_of(time_us: int) -> date:
    """The UTC day that holds a time."""
    return to_datetime(floor(time_us, DAY_US)).date()


def day_start_us(day: date) -> int:
    """The first microsecond of a UTC day."""
    return (day - _EPOCH.date()).days * DAY_US


def days_between(start_us: int, end_us: int) -> list[date]:
    """The UTC days that share time with `[start_us, end_us)`, ascending."""
    first = floor(start_us, DAY_US)
    return [day_of(time_us) for time_us in range(first, max(end_us, first), DAY_US)]
