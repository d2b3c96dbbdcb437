"""Partition keys and what they stand for.

The rule: partition `D` is the time `[start, end)` of its window. For events and tiles it is the events of `D`; for compactions
and the online store it is the watermark at the END of `D`. A partition whose end is off its view's schedule has no watermark.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeAlias

import dagster as dg

from tilefold.declaration.views import FeatureView
from tilefold.engine.time import DAY_US, to_us

RunContext: TypeAlias = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


@dataclass(frozen=True, slots=True)
class Partitioning:
    """Which partitions the assets have.

    Attributes
    ----------
    daily
        UTC days: of every event log and tile table, and of what follows them unless its view is in `finer`. It is one object
        for all of them, or Dagster splits a range into several runs.
    finer
        Partitions of compactions and online stores, by view, where the schedule is shorter than a day.
    """

    daily: dg.DailyPartitionsDefinition
    finer: Mapping[str, dg.TimeWindowPartitionsDefinition] = field(default_factory=dict)

    def of_watermarks(self, view: str) -> dg.TimeWindowPartitionsDefinition:
        """The partitions of a view's compactions and online store."""
        return self.finer.get(view, self.daily)

    @property
    def first(self) -> datetime:
        """Where the first day begins."""
        return self.daily.start


def windows(context: RunContext, partitions: dg.TimeWindowPartitionsDefinition) -> Iterator[tuple[str, dg.TimeWindow]]:
    """The keys of the run's partitions with their windows, ascending."""
    for key in context.partition_keys:
        yield key, partitions.time_window_for_partition_key(key)


def days(context: RunContext, partitions: dg.TimeWindowPartitionsDefinition) -> dict[str, date]:
    """The run's daily partition keys with their dates."""
    return {key: window.start.date() for key, window in windows(context, partitions)}


def watermarks(context: RunContext, partitions: dg.TimeWindowPartitionsDefinition, view: FeatureView) -> dict[str, datetime]:
    """The run's partition keys with their watermarks, without those that have none."""
    ends = {key: window.end for key, window in windows(context, partitions)}
    return {key: end for key, end in ends.items() if has_watermark(view, end)}


def has_watermark(view: FeatureView, end: datetime) -> bool:
    """Whether a watermark of the view lies at this time: on its schedule, and after its first event may lie."""
    return to_us(end) % view.schedule_us == 0 and to_us(end) > view.feature_start_us


def is_sub_day(view: FeatureView) -> bool:
    """Whether a view's watermark moves more often than once a day."""
    return view.schedule_us < DAY_US
