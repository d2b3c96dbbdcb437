"""Durations and instants as people write them, into integer microseconds.

The rule: a duration is a `timedelta`, an instant a `datetime`; a naive one means UTC (in declarations only, never in data).
"""

from datetime import UTC, datetime, timedelta
from math import gcd
from typing import Final

from tilefold.errors import DeclarationError, complaint
from tilefold.functions.plain import duration_text

__all__ = [
    "DAY_US",
    "HOUR_US",
    "MINUTE_US",
    "SECOND_US",
    "common_grid_us",
    "duration_text",
    "duration_us",
    "instant_text",
    "instant_us",
    "not_negative_us",
    "positive_us",
]

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def duration_us(thing: str, parameter: str, value: object) -> int:
    """Microseconds of a timedelta, of either sign."""
    if not isinstance(value, timedelta):
        mend = "Write timedelta(days=1) for a day."
        raise DeclarationError(complaint(thing, f"{parameter} must be a timedelta", value, mend))
    return value // timedelta(microseconds=1)


def positive_us(thing: str, parameter: str, value: object) -> int:
    """Microseconds of a timedelta above zero."""
    given_us = duration_us(thing, parameter, value)
    if given_us <= 0:
        mend = "Write timedelta(days=1) for a day."
        raise DeclarationError(complaint(thing, f"{parameter} must be positive", value, mend))
    return given_us


def not_negative_us(thing: str, parameter: str, value: object) -> int:
    """Microseconds of a timedelta of zero or more."""
    given_us = duration_us(thing, parameter, value)
    if given_us < 0:
        raise DeclarationError(complaint(thing, f"{parameter} must not be negative", value, "Use timedelta(0) for none."))
    return given_us


def instant_us(thing: str, parameter: str, value: object) -> int:
    """Microseconds since the Unix epoch of a datetime; a naive one means UTC."""
    if not isinstance(value, datetime):
        mend = "Write datetime(2022, 5, 1), which means UTC, or an aware datetime."
        raise DeclarationError(complaint(thing, f"{parameter} must be a datetime", value, mend))
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def instant_text(at_us: int) -> str:
    """An instant as an error message shows it."""
    return (_EPOCH + timedelta(microseconds=at_us)).isoformat()


def common_grid_us(steps_us: list[int]) -> int:
    """The coarsest grid on which all of these steps lie."""
    return gcd(*steps_us)
