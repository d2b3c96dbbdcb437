from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tests.declaration.samples import AMOUNT, DAY, DAY_US, HOUR, HOUR_US, declare, moved, refusal, series, total
from tilefold import Aggregate, LifetimeWindow, TimeWindow, TimeWindowSeries
from tilefold.declaration import Window


def windows_of(window: Any, **parameters: Any) -> tuple[Window, ...]:
    """What the engine makes of a window."""
    return declare(features=[total(window)], **parameters).features[0].windows


def name_of(window: Any) -> str:
    """What the sum over a window is called."""
    return declare(features=[total(window)]).features[0].name


def test_timedelta() -> None:
    """A timedelta is a window of that size."""
    assert windows_of(30 * DAY) == windows_of(TimeWindow(30 * DAY)) == (Window(30 * DAY_US),)


def test_offset() -> None:
    """A negative offset moves the window back.

    ----[=======7d=======)--1d--A---->
    """
    assert windows_of(moved(7 * DAY, DAY)) == (Window(7 * DAY_US, offset_us=DAY_US),)


def test_series() -> None:
    """A series is its windows, oldest first, the last one ending at the leading edge.

    ----[==1d==)[==1d==)[==1d==)A---->
    """
    steps = windows_of(series(3 * DAY, DAY, window_size=DAY))
    assert steps == (Window(DAY_US, 2 * DAY_US), Window(DAY_US, DAY_US), Window(DAY_US, 0))


def test_series_end() -> None:
    """No window of a series ends after its end, also where the steps do not meet it.

    ----[====2d====)------------A---->      start 5 days, end 1 day, step 3 days: the second would end at A
    """
    steps = windows_of(series(5 * DAY, 3 * DAY, series_end=-DAY, window_size=2 * DAY))
    assert steps == (Window(2 * DAY_US, 3 * DAY_US),)


def test_series_overlap() -> None:
    """Windows of a series may overlap."""
    steps = windows_of(series(4 * DAY, DAY, window_size=3 * DAY))
    assert steps == (Window(3 * DAY_US, DAY_US), Window(3 * DAY_US, 0))


def test_series_window_size() -> None:
    """A series' windows are one step long where their size is not given."""
    assert windows_of(series(2 * DAY, DAY)) == (Window(DAY_US, DAY_US), Window(DAY_US, 0))


def test_series_values_are_lists() -> None:
    """A series' values are lists of the function's results."""
    feature = declare(features=[total(series(DAY, DAY))]).features[0]
    assert feature.is_series
    assert feature.dtype == pl.List(pl.Float64)


def test_lifetime() -> None:
    """A lifetime has no size, and no start of its own by default."""
    assert windows_of(LifetimeWindow()) == (Window(None),)


def test_lifetime_start() -> None:
    """A lifetime that begins after the feature start says so."""
    (window,) = windows_of(LifetimeWindow(), lifetime_start_time=datetime(2022, 6, 1))  # noqa: DTZ001 - it means UTC
    assert window == Window(None, lifetime_start_us=19144 * DAY_US)


@pytest.mark.parametrize(
    ("window", "name"),
    [
        (30 * DAY, "amount_sum_30d"),
        (36 * HOUR, "amount_sum_1d12h"),
        (24 * HOUR, "amount_sum_1d"),
        (DAY + timedelta(minutes=1, seconds=2, milliseconds=3, microseconds=4), "amount_sum_1d1m2s3ms4us"),
        (LifetimeWindow(), "amount_sum_lifetime"),
        (moved(7 * DAY, DAY), "amount_sum_7d_offset_1d"),
        (series(7 * DAY, DAY, window_size=DAY), "amount_sum_1d_series_7d_0s_1d"),
        (series(7 * DAY, 2 * DAY, series_end=-DAY, window_size=DAY), "amount_sum_1d_series_7d_1d_2d"),
    ],
)
def test_names(window: Any, name: str) -> None:
    """A feature is called after its column, function and window."""
    assert name_of(window) == name


def test_cell() -> None:
    """The cell is the coarsest grid that holds the schedule and every window's edges."""
    assert declare(features=[total(7 * DAY)]).cell_us == DAY_US
    assert declare(features=[total(7 * DAY), total(36 * HOUR)]).cell_us == 12 * HOUR_US
    assert declare(features=[total(moved(7 * DAY, HOUR))]).cell_us == HOUR_US
    assert declare(features=[total(series(3 * DAY, 6 * HOUR, window_size=DAY))]).cell_us == 6 * HOUR_US
    assert declare(features=[total(LifetimeWindow())]).cell_us == DAY_US


@pytest.mark.parametrize(
    ("window", "rule", "value"),
    [
        (0 * DAY, "window_size must be positive", "timedelta(0)"),
        (-DAY, "window_size must be positive", "timedelta(days=-1)"),
        (TimeWindow(5), "window_size must be a timedelta", "5"),  # type: ignore[arg-type] # what the test is about
        ("30d", "time_window must be a window", "'30d'"),
        (6 * HOUR, "window_size must be at least one batch_schedule (1d)", "'6h'"),
        (moved(7 * DAY, -DAY), "offset must be zero or negative", "timedelta(days=1)"),
        (series(7 * DAY, 0 * DAY), "step_size must be positive", "timedelta(0)"),
        (series(7 * DAY, HOUR), "window_size must be at least one batch_schedule (1d)", "'1h'"),
        (series(7 * DAY, DAY, series_end=DAY), "series_end must be zero or negative", "timedelta(days=1)"),
        (series(DAY, DAY, window_size=2 * DAY), "at least one window must fit", "timedelta(days=-1)"),
        (series(-DAY, DAY), "at least one window must fit", "timedelta(days=1)"),
        (series(2000 * DAY, DAY), "a series has at most 1000 windows", "2000"),
    ],
)
def test_refusals(window: Any, rule: str, value: str) -> None:
    """A window that breaks a rule is refused; the error names the view, the feature, the rule and the value."""
    message = refusal(features=[total(window)])
    assert message.startswith("view 'spend', feature 'amount_sum': ")
    assert rule in message
    assert f"got {value}" in message or f"got datetime.{value}" in message


@pytest.mark.parametrize(
    ("window", "rule"),
    [
        (36 * HOUR, "window_size must be a multiple of aggregation_interval (1d)"),
        (moved(2 * DAY, HOUR), "offset must be a multiple of aggregation_interval (1d)"),
        (series(3 * DAY, 12 * HOUR, window_size=DAY), "step_size must be a multiple of aggregation_interval (1d)"),
        (series(60 * HOUR, DAY), "series_start must be a multiple of aggregation_interval (1d)"),
        (series(3 * DAY, DAY, series_end=-HOUR), "series_end must be a multiple of aggregation_interval (1d)"),
    ],
)
def test_off_the_interval(window: Any, rule: str) -> None:
    """Where aggregation_interval is given, every edge of every window lies on it."""
    assert rule in refusal(features=[total(window)], aggregation_interval=DAY)


def test_off_the_interval_names_the_value() -> None:
    """The error of a window off its grid names the value and what to do."""
    message = refusal(features=[total(36 * HOUR)], aggregation_interval=DAY)
    assert "got '1 day, 12:00:00'. Change either, or leave aggregation_interval out." in message


def test_named_feature_in_errors() -> None:
    """An error calls a feature by its own name where it has one."""
    feature = Aggregate(input_column=AMOUNT, function="sum", time_window=HOUR, name="hourly")
    assert refusal(features=[feature]).startswith("view 'spend', feature 'hourly': ")


def test_series_step() -> None:
    """Where only `window_size` is given, windows follow each other without a gap; without either the series is refused."""
    start = -7 * DAY
    only_size, both = (
        declare(features=[total(TimeWindowSeries(series_start=start, window_size=DAY, step_size=step))]) for step in (None, DAY)
    )
    assert only_size.version == both.version
    message = refusal(features=[total(TimeWindowSeries(series_start=start))])
    assert "feature 'amount_sum': step_size must be a timedelta; got None" in message
