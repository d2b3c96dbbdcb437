"""The partitions of all assets.

The rule: UTC days, from the earliest start of any view, one object for all assets and one backfill policy, so that a range is
one run. A view with a shorter schedule has partitions of its own for its watermarks: the longest regular steps that its
schedule is a multiple of.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg

from assets import Partitioning
from tilefold.declaration.views import FeatureView
from tilefold.engine.time import SECOND_US, floor, to_datetime
from tilefold.serving.definitions import Definitions

SINGLE_RUN = dg.BackfillPolicy.single_run()
WITHOUT_VIEWS = datetime(2020, 1, 1, tzinfo=UTC)
MINUTE_US = 60 * SECOND_US
DAY_MIN = 24 * 60
STEPS_MIN = (DAY_MIN, 720, 480, 360, 240, 180, 120, 60, 30, 20, 15, 12, 10, 6, 5, 4, 3, 2, 1)
"""Steps that cron can say, in minutes: whole hours that divide a day, and divisors of an hour."""


RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""Tags of a run: the first and the last of its partitions."""


def newest_key(partitions: dg.TimeWindowPartitionsDefinition, at: datetime) -> str | None:
    """The newest partition that was over at a time; None where none was."""
    with dg.partition_loading_context(effective_dt=at):
        return partitions.get_last_partition_key()


def partitioning_of(definitions: Definitions) -> Partitioning:
    """The partitions that a workspace's assets have."""
    views = definitions.views.values()
    first = _first_start(views, DAY_MIN)
    steps = {step_min(view) for view in views if step_min(view) < DAY_MIN}
    by_step = {step: _finer(step, _first_start(views, step)) for step in steps}
    finer = {view.name: by_step[step_min(view)] for view in views if step_min(view) in by_step}
    return Partitioning(dg.DailyPartitionsDefinition(start_date=first, timezone="UTC"), finer)


def _first_start(views: Iterable[FeatureView], step: int) -> datetime:
    """Where the first step begins that holds an event of some view with such steps."""
    among = [view for view in views if step in (DAY_MIN, step_min(view))]
    starts_us = [view.feature_start_us for view in among if view.feature_start_us > 0]  # 0 where none is given
    return to_datetime(floor(min(starts_us), step * MINUTE_US)) if starts_us else WITHOUT_VIEWS


def step_min(view: FeatureView) -> int:
    """Minutes between two partitions of a view's watermarks."""
    minutes, rest = divmod(view.schedule_us, MINUTE_US)
    return 1 if rest else next(step for step in STEPS_MIN if minutes % step == 0)


def _finer(step: int, start: datetime) -> dg.TimeWindowPartitionsDefinition:
    return dg.TimeWindowPartitionsDefinition(start=start, fmt="%Y-%m-%d-%H:%M", cron_schedule=cron(step), timezone="UTC")


def cron(step: int, shift: int = 0) -> str:
    """When something happens every so many minutes of a UTC day, `shift` minutes after each step.

    Examples
    --------
    >>> cron(DAY_MIN, 90), cron(360, 5), cron(15, 20), cron(1)
    ('30 1 * * *', '5 0,6,12,18 * * *', '5,20,35,50 * * * *', '* * * * *')
    """
    times = [(start + shift) % DAY_MIN for start in range(0, DAY_MIN, step)]
    return f"{_listed({time % 60 for time in times}, 60)} {_listed({time // 60 for time in times}, 24)} * * *"


def _listed(numbers: set[int], of: int) -> str:
    return "*" if len(numbers) == of else ",".join(str(number) for number in sorted(numbers))
