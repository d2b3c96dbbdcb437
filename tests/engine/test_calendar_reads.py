"""Reads of this day, week and month so far while periods end and begin: every hour of days around a change of clocks."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.drawing import DrawnView, feature
from tests.engine.stream_drawing import KEYS
from tests.engine.stream_keys import Arrived, StreamKey, few_loose
from tilefold.declaration.calendars import Calendar
from tilefold.declaration.windows import Window
from tilefold.engine.join_zones import join_zones
from tilefold.engine.mark import Mark
from tilefold.engine.plan import ReadSpan, plan_of
from tilefold.engine.time import DAY_US, to_us
from tilefold.engine.training import bounds_exprs
from tilefold.engine.windows import bounds_us, oldest_us, reach_us

HOUR_US = DAY_US // 24
SCHEDULE_US = 6 * HOUR_US
BERLIN, NEPAL = "Europe/Berlin", "Asia/Kathmandu"
CHANGE_US = to_us(datetime(2024, 3, 29, tzinfo=UTC))
"""Two days before clocks are put forward in Berlin; the next week and month begin within three."""
RELAXED = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))


def window(unit: str, zone: str, hop_us: int | None = 0) -> Window:
    """A period of a stream view's."""
    return Window(None, hop_us=hop_us, calendar=Calendar(unit, zone))


def key_of(windows: list[Window]) -> StreamKey:
    """A key of a view that counts and lists in these windows, on the grid of quarters of an hour."""
    made = [(function, column) for function, column in (("count", None), ("max", "narrow"), ("last", "text"))]
    features = [feature(column, function, (each,), n) for n, each in enumerate(windows) for function, column in made]
    view = DrawnView("calendar", KEYS, tuple(features), HOUR_US // 4)
    return StreamKey(view, valid_for_us=2 * SCHEDULE_US, schedule_us=SCHEDULE_US)


@RELAXED
@given(
    zones=st.lists(st.sampled_from([BERLIN, NEPAL, "UTC", "America/New_York"]), min_size=1, max_size=2, unique=True),
    quarters=st.lists(st.integers(0, 4 * 24 * 4), max_size=60),
    step=st.integers(5, 30),
    few=st.sampled_from([0, 64]),
    loose=st.sampled_from([0, 64]),
)
def test_reads_equal_the_reference(zones: list[str], quarters: list[int], step: int, few: int, loose: int) -> None:
    """Beside rolling windows, over both parts, at every hour that a batch part is valid for."""
    windows = [window(unit, zone) for zone in zones for unit in ("day", "week", "month")] + [Window(DAY_US, hop_us=HOUR_US)]
    key = key_of(windows)
    events = [
        Arrived(CHANGE_US + quarter * HOUR_US // 4, f"{n:03}", {"narrow": n, "text": f"{n}"})
        for n, quarter in enumerate(quarters)
    ]
    with few_loose(loose, 0):
        for now_us in range(CHANGE_US, CHANGE_US + 5 * DAY_US, step * HOUR_US):
            key.write([one for one in events if one not in key.events and one.time_us <= now_us], now_us)
            mark = Mark(now_us // SCHEDULE_US * SCHEDULE_US, 1)
            key.sync(mark, key.compact(mark, few))
            for at_us in range(now_us, mark.watermark_us + key.valid_for_us, HOUR_US - 1):
                assert not key.wrong(at_us)
                assert not key.inexact(at_us)


@pytest.mark.parametrize(("at", "count"), [((2024, 3, 31, 21, 59), 2), ((2024, 3, 31, 22), 0), ((2024, 3, 31, 23), 1)])
def test_at_the_start_of_a_month_nothing_is_in_a_batch_window(at: Any, count: int) -> None:
    """The edge is not counted, so a month that begins at it is empty: it is not last month's.

    Berlin     31 March  | 1 April           events at 21:00, 21:58 | 22:30 UTC
                         22:00
    """
    edge_us = to_us(datetime(*at, tzinfo=UTC))
    start_us, end_us = bounds_us(window("month", BERLIN, None), edge_us)
    times = [to_us(datetime(2024, 3, 31, *time, tzinfo=UTC)) for time in ((21, 0), (21, 58), (22, 30))]
    assert sum(start_us <= time < end_us for time in times) == count
    assert end_us == edge_us


def test_bounds_of_a_stream_window() -> None:
    """The read time is counted, so of a read at midnight the new day holds that microsecond alone."""
    midnight_us = to_us(datetime(2024, 3, 30, 23, tzinfo=UTC))
    assert bounds_us(window("day", BERLIN), midnight_us) == (midnight_us, midnight_us + 1)
    assert bounds_us(window("day", BERLIN), midnight_us - 1) == (midnight_us - DAY_US, midnight_us)
    assert bounds_us(window("day", BERLIN), midnight_us + DAY_US)[0] == midnight_us + DAY_US - HOUR_US


@RELAXED
@given(st.lists(st.integers(CHANGE_US - 90 * DAY_US, CHANGE_US + 90 * DAY_US), min_size=1))
def test_bounds_of_columns(times: list[int]) -> None:
    """Training sets place windows as reads do."""
    for each in (window(unit, zone, hop) for unit in ("day", "week", "month") for zone in (BERLIN, NEPAL) for hop in (None, 0)):
        start, end = bounds_exprs(each, pl.col("at"))
        rows = pl.DataFrame({"at": times}).select("at", start=start, end=end).rows()
        assert [row[1:] for row in rows] == list(map(partial(bounds_us, each), times))


def test_a_part_keeps_days_apart_that_reads_will_see_begin() -> None:
    """Each start from now on is a point of its own, of which cells are joined on either side; an exact window has a zone."""
    reads = ReadSpan(CHANGE_US, CHANGE_US - 3 * DAY_US, CHANGE_US + DAY_US)
    plan = plan_of([window("day", BERLIN)], reads)
    starts = [CHANGE_US - HOUR_US - days * DAY_US for days in (3, 2, 1, 0)]
    assert plan.points == tuple(starts)
    assert plan.start_us == starts[0]
    zones = join_zones([window("day", BERLIN)], CHANGE_US - DAY_US, CHANGE_US + DAY_US, SCHEDULE_US)
    assert [zone.low_us for zone in zones[1:]] == [
        CHANGE_US - HOUR_US - DAY_US,
        CHANGE_US - HOUR_US,
        CHANGE_US - HOUR_US + DAY_US,
    ]
    assert {zone.grid_us for zone in zones} == {SCHEDULE_US}


def test_reach() -> None:
    """A month reaches 31 days and an hour back; keys are kept at least as long."""
    each = window("month", BERLIN)
    reach = reach_us([each, window("day", NEPAL), Window(DAY_US, hop_us=0)])
    end_us = to_us(datetime(2024, 10, 31, 22, 59, tzinfo=UTC))
    assert reach is not None
    assert 31 * DAY_US < end_us - oldest_us(each, end_us) <= reach <= 32 * DAY_US
