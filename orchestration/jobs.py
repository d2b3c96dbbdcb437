"""Jobs: assets that become due together.

The rule: partition `D` is due once it is over and its events may not arrive any more: at its end plus the `data_delay`. What
is due together runs together, each view with the event log of its source. A view whose `batch_trigger` is manual is never due.
Watermarks of shorter steps than a day run by themselves: a compaction builds the tiles that it needs.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg

from assets import Partitioning
from assets.compacted import compacted_key
from assets.event_log import event_log_key
from assets.online import online_key
from assets.tiles import tiles_key
from orchestration.partitions import DAY_MIN, MINUTE_US, step_min
from tilefold.declaration.views import FeatureView
from tilefold.serving.definitions import Definitions


@dataclass(frozen=True, slots=True)
class Due:
    """Some assets whose partitions are due every `step_min`, `delay_min` after their end."""

    step_min: int
    delay_min: int
    partitions: dg.TimeWindowPartitionsDefinition
    assets: tuple[dg.AssetKey, ...]

    @property
    def name(self) -> str:
        """`daily`, `every_15min`; with the delay, where there is one."""
        every = "daily" if self.step_min == DAY_MIN else f"every_{_duration(self.step_min)}"
        return f"{every}_after_{_duration(self.delay_min)}" if self.delay_min else every

    @property
    def delay(self) -> timedelta:
        """How long after its end a partition is due."""
        return timedelta(minutes=self.delay_min)


def _duration(minutes: int) -> str:
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}min"


def due_together(declared: Definitions, partitioning: Partitioning) -> list[Due]:
    """All assets, by step and delay."""
    groups: dict[tuple[int, int], dict[dg.AssetKey, None]] = defaultdict(dict)
    partitions: dict[int, dg.TimeWindowPartitionsDefinition] = {DAY_MIN: partitioning.daily}
    for source in declared.sources.values():
        groups[DAY_MIN, _minutes(source.data_delay_us)][event_log_key(source.name)] = None
    for view in (view for view in declared.views.values() if view.scheduled):
        delay, step = _minutes(view.data_delay_us), step_min(view)
        partitions[step] = partitioning.of_watermarks(view.name)
        groups[DAY_MIN, delay].update(dict.fromkeys([event_log_key(view.source.name), tiles_key(view.name)]))
        groups[step, delay].update(dict.fromkeys(watermarked(view)))
    return [Due(step, delay, partitions[step], tuple(keys)) for (step, delay), keys in sorted(groups.items(), reverse=True)]


def _minutes(delay_us: int) -> int:
    return -(-delay_us // MINUTE_US)


def watermarked(view: FeatureView) -> list[dg.AssetKey]:
    """A view's assets that have a partition for each watermark."""
    return [compacted_key(view.name), *([online_key(view.name)] if view.online else [])]
