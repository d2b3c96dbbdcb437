from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.declaration.samples import DAY, DAY_US, HOUR, HOUR_US, SCHEMA, declare, refusal, total
from tilefold import BatchSource
from tilefold.errors import OpenStartWarning

MAY = datetime(2022, 5, 1, tzinfo=UTC)
MAY_US = 19113 * DAY_US


def test_default_schedule() -> None:
    """A view's leading edge moves by the day."""
    assert declare().schedule_us == DAY_US


@pytest.mark.parametrize("step", [HOUR, 6 * HOUR, DAY, 7 * DAY])
def test_schedule(step: timedelta) -> None:
    """`batch_schedule` divides a day or is a multiple of one."""
    assert declare(batch_schedule=step).schedule_us == step // timedelta(microseconds=1)


def test_interval_is_the_schedule() -> None:
    """`aggregation_interval` is the schedule where that is not given."""
    assert declare(aggregation_interval=HOUR).schedule_us == HOUR_US
    assert declare(aggregation_interval=HOUR, batch_schedule=DAY).schedule_us == DAY_US


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"batch_schedule": 5 * HOUR}, "batch_schedule must divide a day or be a multiple of one; got '5h'"),
        ({"batch_schedule": 36 * HOUR}, "batch_schedule must divide a day or be a multiple of one; got '1d12h'"),
        ({"batch_schedule": 0 * DAY}, "batch_schedule must be positive; got datetime.timedelta(0)"),
        ({"batch_schedule": "1d"}, "batch_schedule must be a timedelta; got '1d'"),
        ({"aggregation_interval": 0 * DAY}, "aggregation_interval must be positive; got datetime.timedelta(0)"),
        ({"aggregation_interval": 86400}, "aggregation_interval must be a timedelta; got 86400"),
        (
            {"aggregation_interval": 5 * HOUR, "batch_schedule": DAY},
            "batch_schedule must be a multiple of aggregation_interval (5h); got '1d'",
        ),
        ({"data_delay": -HOUR}, "data_delay must not be negative; got datetime.timedelta(days=-1, seconds=82800)"),
        ({"feature_start_time": "2022-05-01"}, "feature_start_time must be a datetime; got '2022-05-01'"),
        ({"lifetime_start_time": 5}, "lifetime_start_time must be a datetime; got 5"),
        (
            {"lifetime_start_time": MAY + 5 * DAY + HOUR},
            (
                "lifetime_start_time must lie on the grid of batch_schedule (1d); got '2022-05-06T01:00:00+00:00'. "
                "The step before it is 2022-05-06T00:00:00+00:00."
            ),
        ),
        (
            {"lifetime_start_time": MAY - DAY},
            (
                "lifetime_start_time must not be before feature_start_time (2022-05-01T00:00:00+00:00); "
                "got '2022-04-30T00:00:00+00:00'"
            ),
        ),
    ],
)
def test_refusals(given: dict[str, Any], rule: str) -> None:
    """A time that breaks a rule is refused; the error names the view, the rule and the value."""
    assert f"view 'spend': {rule}" in refusal(**given)


def test_naive_means_utc() -> None:
    """A naive datetime means UTC, another zone's is converted."""
    aware = datetime(2022, 5, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert declare(feature_start_time=MAY.replace(tzinfo=None)).feature_start_us == MAY_US
    assert declare(feature_start_time=MAY).feature_start_us == MAY_US
    assert declare(feature_start_time=aware).feature_start_us == MAY_US


def test_feature_start_off_the_grid() -> None:
    """`feature_start_time` need not lie on the grid, and is the lifetime's start by default."""
    view = declare(feature_start_time=MAY + HOUR)
    assert view.feature_start_us == view.lifetime_start_us == MAY_US + HOUR_US


def test_lifetime_start() -> None:
    """`lifetime_start_time` is kept; the feature start itself is always fine."""
    assert declare(lifetime_start_time=MAY + DAY).lifetime_start_us == MAY_US + DAY_US
    off_grid = MAY + HOUR
    assert declare(feature_start_time=off_grid, lifetime_start_time=off_grid).lifetime_start_us == MAY_US + HOUR_US


def test_data_delay() -> None:
    """A view's delay is its own, else its source's."""
    slow = BatchSource("slow", schema=SCHEMA, data_delay=2 * HOUR)
    assert declare(source=slow).data_delay_us == 2 * HOUR_US
    assert declare(source=slow, data_delay=HOUR).data_delay_us == HOUR_US
    assert declare(source=slow, data_delay=0 * HOUR).data_delay_us == 0


def test_valid_for() -> None:
    """A batch part answers for two cadences and the delay."""
    assert declare(data_delay=HOUR).valid_for_us == 2 * DAY_US + HOUR_US
    assert declare(batch_schedule=HOUR, features=[total(DAY)]).valid_for_us == 2 * HOUR_US


def test_open_start() -> None:
    """Without `feature_start_time` all events count, and a warning says so once."""
    with pytest.warns(OpenStartWarning, match="view 'spend': feature_start_time is not given, so all events count") as told:
        assert declare(feature_start_time=...).feature_start_us == 0
    assert [one.filename.rpartition("/")[2] for one in told] == ["samples.py"]
