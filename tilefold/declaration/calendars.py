"""Periods of a calendar in a time zone: where the day, the week or the month that holds a time begins.

The rule: a period begins at the first instant at which local clocks have reached its first midnight, and lasts until the next
one begins. So days of 23 and of 25 hours are what they are; where clocks skip midnight the day begins as they jump; where they
are put back over it, it begins at the first of two. Starts never move back as time goes on.

Local time is `zoneinfo`'s. All times here are UTC microseconds since 1970.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import cache, lru_cache
from itertools import takewhile
from math import gcd
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from tilefold.declaration.times import DAY_US, SECOND_US
from tilefold.errors import DeclarationError, complaint

LENGTHS_US: Final = {"day": DAY_US, "week": 7 * DAY_US, "month": 28 * DAY_US}
"""The units, and how long the shortest of each is, but for an hour of summer time."""

_DAYS_MAX: Final = {"day": 2, "week": 8, "month": 32}  # clocks were put back by a whole day at the date line
_OF_THE_MACHINE: Final = {"localtime", "posixrules", "Factory"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_US, _LAST_US = (  # what is asked beyond is answered as if asked there: no datetime holds it in every zone
    (datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) for year in (2, 9990)
)
_KNOWN_UNTIL: Final = date(2060, 1, 1)
"""Until when starts are looked at for their grid; zones go on as they are by then."""
_GRID_YEARS: Final = 10


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days, weeks (from Monday on) or months of a time zone; made by `checked_calendar` alone."""

    unit: str
    time_zone: str

    @property
    def longest_us(self) -> int:
        """How long no period of it lasts longer."""
        return _DAYS_MAX[self.unit] * DAY_US

    def start_us(self, at_us: int) -> int:
        """The start of the period that holds a time."""
        start_us, end_us = _last_asked.get(self, (0, 0))
        if not start_us <= at_us < end_us:  # reads ask for now again and again
            start_us, end_us = _last_asked[self] = _span(self, _held(at_us))
        return min(start_us, at_us)

    def starts_us(self, first_us: int, last_us: int) -> list[int]:
        """Ascending: the start of the period that holds the first time, and all others up to the last time."""
        start_us = self.start_us(_held(first_us))
        last_us = _held(last_us)
        later = _midnights_us(self, _first_day(self, start_us))
        return sorted({start_us, *takewhile(lambda each_us: each_us <= last_us, later)})

    def grid_us(self, since_us: int) -> int:
        """The coarsest grid, counted from 1970, on which every period begins that ends after a time."""
        return _grid_us(self, since_us)


def checked_calendar(thing: str, unit: object, time_zone: object) -> Calendar:
    """A calendar as people name it; `thing` is what errors name.

    Raises
    ------
    DeclarationError
        If there is no such unit, or no such time zone.
    """
    if not isinstance(unit, str) or unit not in LENGTHS_US:
        mend = f"Use one of {', '.join(LENGTHS_US)}."
        raise DeclarationError(complaint(thing, "unit of a CalendarWindow must be known", unit, mend))
    if not isinstance(time_zone, str) or time_zone not in _zones():
        near = get_close_matches(time_zone, sorted(_zones()), n=3) if isinstance(time_zone, str) else []
        mend = f"Did you mean {' or '.join(near)}?" if near else 'Use such as "UTC" or "Europe/Berlin".'
        rule = "time_zone must be a name in the IANA time zone database"
        raise DeclarationError(complaint(thing, rule, time_zone, mend))
    return Calendar(unit, time_zone)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - _OF_THE_MACHINE)


def _held(at_us: int) -> int:
    """A time that a datetime of every zone can hold."""
    return min(max(at_us, _FIRST_US), _LAST_US)


_last_asked: dict[Calendar, tuple[int, int]] = {}


def _span(calendar: Calendar, at_us: int) -> tuple[int, int]:
    """The start of the period that holds a time, and of the next one."""
    midnights = _midnights_us(calendar, _first_day(calendar, at_us))
    start_us, end_us = next(midnights), next(midnights)
    while end_us <= at_us:  # clocks were put back over midnight and say the day before again; or a day was left out
        start_us, end_us = end_us, next(midnights)
    return start_us, end_us


def _first_day(calendar: Calendar, at_us: int) -> date:
    """The first day of the period that local clocks are in."""
    day = (_EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(calendar.time_zone)).date()
    if calendar.unit == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if calendar.unit == "week" else day


def _midnights_us(calendar: Calendar, day: date) -> Iterator[int]:
    """The starts of the period that begins on a day and of all after it."""
    while True:
        yield _midnight_s(calendar.time_zone, day) * SECOND_US
        if calendar.unit == "month":
            day = date(day.year + day.month // 12, day.month % 12 + 1, 1)
        else:
            day += timedelta(days=7 if calendar.unit == "week" else 1)


@lru_cache(100_000)
def _midnight_s(time_zone: str, day: date) -> int:
    """The first instant at which local clocks have reached a day's midnight, in seconds."""
    zone = ZoneInfo(time_zone)
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - local clocks
    early, late = sorted(_utc_s(midnight.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    if _local(early, zone) == midnight:  # of two midnights the first
        return early
    while late - early > 1:  # clocks skip it: they jump between these two
        middle = (early + late) // 2
        early, late = (early, middle) if _local(middle, zone) >= midnight else (middle, late)
    return late


def _utc_s(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(seconds=1)


def _local(at_s: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(seconds=at_s)).astimezone(zone).replace(tzinfo=None)


@cache
def _grid_us(calendar: Calendar, since_us: int) -> int:
    first = _first_day(calendar, since_us)
    last = max(_KNOWN_UNTIL, date(first.year + _GRID_YEARS, 1, 1))
    last_us = _midnight_s(calendar.time_zone, last) * SECOND_US
    return gcd(*takewhile(lambda start_us: start_us <= last_us, _midnights_us(calendar, first)))
