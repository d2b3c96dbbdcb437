"""Periods of calendars: where they begin, whatever local clocks do."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.declaration.samples import DAY, DAY_US, HOUR, HOUR_US, declare, declare_stream, refusal, stream_refusal, total
from tilefold import CalendarWindow, FeatureService
from tilefold.declaration import Window
from tilefold.declaration.calendars import LENGTHS_US, Calendar
from tilefold.engine.time import to_datetime, to_us

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca"]
RELAXED = settings(deadline=None, max_examples=40)
calendars = st.builds(Calendar, st.sampled_from(sorted(LENGTHS_US)), st.sampled_from(ZONES))
times = st.integers(to_us(datetime(1990, 1, 1, tzinfo=UTC)), to_us(datetime(2060, 1, 1, tzinfo=UTC)))


def start(unit: str, zone: str, *at: int) -> datetime:
    """The start of the period that holds a UTC time."""
    return to_datetime(Calendar(unit, zone).start_us(to_us(datetime(*at, tzinfo=UTC))))  # type: ignore[misc,arg-type] # year, month, day


def lengths(zone: str, *days: tuple[int, int, int]) -> list[float]:
    """How many hours these days have."""
    calendar = Calendar("day", zone)
    noons = [to_us(datetime(*day, 12, tzinfo=ZoneInfo(zone))) for day in days]
    return [(calendar.start_us(noon + DAY_US) - calendar.start_us(noon)) / HOUR_US for noon in noons]


def test_days_of_23_and_25_hours() -> None:
    """Days on which clocks are put forward and back are as long as they are."""
    assert lengths("Europe/Berlin", (2024, 3, 30), (2024, 3, 31), (2024, 10, 27)) == [24, 23, 25]
    assert lengths("Australia/Lord_Howe", (2024, 4, 7), (2024, 10, 6)) == [24.5, 23.5]


@pytest.mark.parametrize(
    ("unit", "at", "begins"),
    [
        ("day", (2024, 3, 5, 22, 59), (2024, 3, 4, 23)),
        ("day", (2024, 3, 5, 23), (2024, 3, 5, 23)),
        ("week", (2024, 3, 10, 22, 59), (2024, 3, 3, 23)),
        ("week", (2024, 3, 10, 23), (2024, 3, 10, 23)),
        ("month", (2024, 4, 30, 21, 59), (2024, 3, 31, 22)),
        ("month", (2024, 3, 31, 22), (2024, 3, 31, 22)),
    ],
)
def test_periods_of_berlin(unit: str, at: tuple[int, ...], begins: tuple[int, ...]) -> None:
    """A day begins at local midnight, a week with its Monday, a month with its first day."""
    assert start(unit, "Europe/Berlin", *at) == datetime(*begins, tzinfo=UTC)  # type: ignore[misc,arg-type] # year, month, day


def test_clocks_that_skip_midnight() -> None:
    """The day begins as they jump: in Brazil at one o'clock; in Toronto's spring of 1919 half an hour past midnight."""
    assert start("day", "America/Sao_Paulo", 2018, 11, 4, 12) == datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert start("day", "America/Toronto", 1919, 3, 31, 12) == datetime(1919, 3, 31, 4, 30, tzinfo=UTC)


def test_clocks_that_are_put_back_over_midnight() -> None:
    """The day begins at the first of two midnights, and is not left again in the hour that comes twice."""
    begins = datetime(2010, 11, 7, 2, 30, tzinfo=UTC)
    for minute in (30, 31, 59):
        assert start("day", "America/St_Johns", 2010, 11, 7, 2, minute) == begins
    assert start("day", "America/St_Johns", 2010, 11, 7, 3, 29) == begins
    assert start("day", "America/Havana", 2022, 11, 6, 12) == datetime(2022, 11, 6, 4, tzinfo=UTC)


def test_a_day_that_never_was() -> None:
    """Samoa had no 30 December 2011: the 31st follows the 29th."""
    assert start("day", "Pacific/Apia", 2011, 12, 30, 9, 59) == datetime(2011, 12, 29, 10, tzinfo=UTC)
    assert start("day", "Pacific/Apia", 2011, 12, 30, 10) == datetime(2011, 12, 30, 10, tzinfo=UTC)


@RELAXED
@given(calendars, times)
def test_a_period_holds_the_times_of_its_local_dates(calendar: Calendar, at_us: int) -> None:
    """It begins at or before a time, with its first local date, and the microsecond before lies in another one."""
    begins_us = calendar.start_us(at_us)
    assert at_us - calendar.longest_us < begins_us <= at_us
    assert calendar.start_us(begins_us) == begins_us
    assert calendar.start_us(begins_us - 1) < begins_us
    zone = ZoneInfo(calendar.time_zone)
    first, last = (to_datetime(each).astimezone(zone).date() for each in (begins_us, at_us))
    assert first == {"day": last, "week": last - timedelta(last.weekday()), "month": last.replace(day=1)}[calendar.unit]


@RELAXED
@given(calendars, times, st.integers(0, 400 * DAY_US))
def test_starts_between_two_times(calendar: Calendar, first_us: int, longer_us: int) -> None:
    """They are those of each period, one after the other, and lie on the calendar's grid."""
    starts = calendar.starts_us(first_us, first_us + longer_us)
    assert starts[0] == calendar.start_us(first_us)
    assert starts[-1] == calendar.start_us(first_us + longer_us)
    assert [calendar.start_us(after - 1) for after in starts[1:]] == starts[:-1]
    assert not any(each % calendar.grid_us(first_us) for each in starts)


@pytest.mark.parametrize("at_us", [-(2**62), 2**62, to_us(datetime(1, 1, 1, tzinfo=UTC))])
def test_times_beyond_all_calendars(at_us: int) -> None:
    """A time that no datetime holds has a start at or before it."""
    for zone in ZONES:
        assert Calendar("month", zone).start_us(at_us) <= at_us
        assert Calendar("month", zone).starts_us(at_us, at_us)


@pytest.mark.parametrize(
    ("zone", "since", "grid_us"),
    [
        ("UTC", 2022, DAY_US),
        ("Europe/Berlin", 2022, HOUR_US),
        ("Asia/Kolkata", 2022, HOUR_US // 2),
        ("Asia/Kathmandu", 2022, HOUR_US // 4),
        ("Asia/Kathmandu", 1980, HOUR_US // 4),
        ("Africa/Monrovia", 2022, DAY_US),
        ("Africa/Monrovia", 1960, 30_000_000),
    ],
)
def test_the_grid_of_a_zone(zone: str, since: int, grid_us: int) -> None:
    """It is as fine as the offsets that the zone has had since then, and has now: Monrovia's had half minutes until 1972."""
    assert Calendar("day", zone).grid_us(to_us(datetime(since, 1, 1, tzinfo=UTC))) == grid_us


# --- declarations


def of(window: Any, **parameters: Any) -> dict[str, Any]:
    """A view of one window, by the hour."""
    return {"features": [total(window)], "batch_schedule": HOUR} | parameters


def test_windows_and_names() -> None:
    """A window knows its calendar; the feature's name says which period, not whose."""
    feature = declare(**of(CalendarWindow("month", "Europe/Berlin"))).features[0]
    assert feature.name == "amount_sum_this_month"
    assert feature.windows == (Window(None, calendar=Calendar("month", "Europe/Berlin")),)
    stream = declare_stream(**of(CalendarWindow("day"))).features[0]
    assert (stream.name, stream.windows) == ("amount_sum_this_day", (Window(None, hop_us=0, calendar=Calendar("day", "UTC")),))


def test_two_zones_need_names() -> None:
    """The same period of two zones stands in one view under names of its own."""
    zones = [total(CalendarWindow("week", zone)) for zone in ("UTC", "Asia/Tokyo")]
    assert "a feature's name may stand once; got 'amount_sum_this_week'" in refusal(features=zones)
    view = declare(features=[zones[0], total(CalendarWindow("week", "Asia/Tokyo"), name="tokyo")])
    assert FeatureService("both", features=[view]).name == "both"


def test_cells() -> None:
    """Cells keep periods apart: as fine as the schedule, the hops and the offsets of the zone since the feature start."""
    week = CalendarWindow("week", "Asia/Kathmandu")
    assert declare(features=[total(7 * DAY), total(week)]).cell_us == HOUR_US // 4
    assert declare(features=[total(CalendarWindow("month"))]).cell_us == DAY_US
    assert declare_stream(features=[total(7 * DAY), total(CalendarWindow("month", "Europe/Berlin"))]).cell_us == HOUR_US
    old = of(CalendarWindow("week", "Africa/Monrovia"), feature_start_time=datetime(1960, 1, 1))  # noqa: DTZ001 - it means UTC
    assert declare(**old).cell_us == 30_000_000


def test_versions() -> None:
    """Another unit or zone is another view."""
    windows = [CalendarWindow(unit, zone) for unit in ("day", "week") for zone in ("UTC", "Europe/London")]
    assert len({declare(features=[total(each, name="one")], batch_schedule=HOUR).version for each in windows}) == 4


@pytest.mark.parametrize(
    ("window", "says"),
    [
        (
            CalendarWindow("day", "Europe/Berln"),
            "time_zone must be a name in the IANA time zone database; got 'Europe/Berln'. Did you mean Europe/Berlin",
        ),
        (CalendarWindow("day", "CEST+whatever"), """got 'CEST+whatever'. Use such as "UTC" or "Europe/Berlin"."""),
        (CalendarWindow("day", ""), "got ''. Use such as"),
        (CalendarWindow("day", "../../etc/passwd"), "got '../../etc/passwd'. Use such as"),
        (CalendarWindow("day", "localtime"), "time_zone must be a name in the IANA time zone database; got 'localtime'"),
        (CalendarWindow("day", ZoneInfo("UTC")), "got zoneinfo.ZoneInfo(key='UTC'). Use such as"),  # type: ignore[arg-type] # wrong on purpose
        (CalendarWindow("month", None), "got None. Use such as"),  # type: ignore[arg-type] # wrong on purpose
        (CalendarWindow("year"), "unit of a CalendarWindow must be known; got 'year'. Use one of day, week, month."),
        (CalendarWindow(DAY), "unit of a CalendarWindow must be known; got datetime.timedelta(days=1)"),  # type: ignore[arg-type] # wrong on purpose
    ],
)
def test_what_is_no_calendar(window: CalendarWindow, says: str) -> None:
    """An unknown zone or unit is named, beside what is meant or known."""
    for refused in (refusal(**of(window)), stream_refusal(**of(window))):
        assert refused.startswith("view 'spend', feature 'amount_sum': ")
        assert says in refused


def test_a_schedule_as_long_as_the_period() -> None:
    """A batch view whose every edge would see nothing, or a rest, of the period is refused; a stream view is not."""
    says = "batch_schedule must be shorter than the day of a CalendarWindow; got '1d'. Make batch_schedule shorter"
    assert says in refusal(features=[total(CalendarWindow("day"))])
    assert "shorter than the week" in refusal(features=[total(CalendarWindow("week"))], batch_schedule=7 * DAY)
    assert declare_stream(features=[total(CalendarWindow("day"))]).schedule_us == DAY_US


def test_a_trailing_edge_of_its_own() -> None:
    """A period's start moves with the calendar, so an Aggregate may not set its grid."""
    features = [total(CalendarWindow("day"), trailing_edge=HOUR)]
    assert "a CalendarWindow has no trailing_edge; got datetime.timedelta(seconds=3600)" in stream_refusal(features=features)
    assert "trailing_edge of an Aggregate belongs to stream views" in refusal(features=features, batch_schedule=HOUR)


def test_dates_are_those_of_the_zone() -> None:
    """The first day of a month begins hours before or after it does in UTC."""
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        begins = start("month", zone, 2024, 6, 15).astimezone(ZoneInfo(zone))
        assert (begins.date(), begins.hour) == (date(2024, 6, 1), 0)
