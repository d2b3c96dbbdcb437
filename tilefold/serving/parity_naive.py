"""The last word on a sampled value: the naive reference over the events that the read could see.

The rule: events that were put into the log without a stream are in a stream part only where a seeding came after them. When it
came is not kept, so what had come by each such time is tried.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import polars as pl

from tilefold.engine.plan import first_start_us
from tilefold.engine.reference import Event, reference_values
from tilefold.engine.time import DAY_US, day_of, day_start_us, days_between
from tilefold.functions import OVERFLOW
from tilefold.functions.base import TIE, TIME
from tilefold.serving.audit_online import same_value
from tilefold.serving.context import ViewContext
from tilefold.serving.parity_events import ARRIVED_US, AT_SHARD, EDGE, ENTITY, LAG_US, UPTO_EPOCH, UPTO_POSITION
from tilefold.serving.parity_report import Finding
from tilefold.serving.read import Status
from tilefold.stores import sample_table as table
from tilefold.stores.log_snapshot import LogSnapshot

EVENTS_MAX = 2_000_000
"""Of all samples of a run together: plain Python goes over each once per feature. What is beyond stays as it is in bulk."""
_APPENDS_MAX = 20
Row = Mapping[str, Any]


@dataclass
class Judge:
    """Judges what bulk comparison has left open.

    Attributes
    ----------
    log_number
        Which stream log the source has now; None for a source without one.
    """

    context: ViewContext
    log: LogSnapshot
    log_number: int | None
    _left: int = field(default=EVENTS_MAX, init=False)

    def judge(self, sample: Row, names: Sequence[str], events: pl.DataFrame) -> dict[str, tuple[Finding, Any]]:
        """What some features of a sample are, and what they should be.

        Parameters
        ----------
        events
            Those behind the samples, as `events_behind` gives them.
        """
        rows = events.filter(pl.col(ENTITY) == sample[table.ENTITY])
        self._left -= rows.height
        if self._left < 0:
            return dict.fromkeys(names, (self._excuse(sample) or Finding.MISMATCH, None))
        own, found, expected = rows.to_dicts(), dict[str, Finding](), dict[str, Any]()
        for appended_us in self._appended(sample, own):
            seen = [row for row in own if self._is_seen(sample, row, appended_us)]
            values = self._values(sample, seen)
            expected = expected or values
            for name in names:
                if name not in found and self._is_right(name, sample, values[name], seen):
                    found[name] = Finding.RIGHT if len(seen) == len(own) else Finding.LATE
        left = self._excuse(sample) or Finding.MISMATCH
        return {name: (found.get(name, left), _told(expected[name])) for name in names}

    def _values(self, sample: Row, seen: Sequence[Row]) -> dict[str, Any]:
        read_us = sample[table.READ] if self.context.view.kind == "batch" else None
        return reference_values(self.context.view.features, _events(seen), sample[EDGE], read_us)

    def _is_right(self, name: str, sample: Row, must: Any, seen: Sequence[Row]) -> bool:
        number = self._numbers[name]
        feature, status = self.context.view.features[number], Status(sample[table.STATUSES][number])
        return same_value(feature, sample[f"{self.context.view.name}__{name}"], status, must, _events(seen))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {feature.name: number for number, feature in enumerate(self.context.view.features)}

    def _appended(self, sample: Row, rows: Sequence[Row]) -> list[int]:
        """Up to which times appended events may be in the stream part: 0 for none."""
        if not self.context.is_stream:
            return [0]
        times = {row[ARRIVED_US] for row in rows if row[AT_SHARD] is None and not _in_batch(sample, row)}
        return [0, *sorted(each for each in times if each <= sample[table.SAMPLED])[:_APPENDS_MAX]]

    def _is_seen(self, sample: Row, row: Row, appended_us: int) -> bool:
        """As `seen_expr`, and what was appended up to a time."""
        if _in_batch(sample, row) or not self.context.is_stream:
            return _in_batch(sample, row)
        shard, places, arrived_us = row[AT_SHARD], sample[table.POSITIONS], row[ARRIVED_US]
        if shard is None:
            return bool(arrived_us <= appended_us)
        held = shard < len(places) and row[UPTO_POSITION] <= places[shard]
        return bool(held or arrived_us <= sample[table.SAMPLED] - LAG_US)

    def _excuse(self, sample: Row) -> Finding | None:
        """Whether the log has changed so that what it held then cannot be told."""
        if sample[table.LOG] not in (None, self.log_number):
            return Finding.CORRECTED
        start_us = max(first_start_us(self.context.windows, sample[EDGE]), self.context.view.feature_start_us)
        first, last, since = (day_of(each) for each in (start_us, sample[EDGE], sample[table.WATERMARK]))
        streamed = self.context.is_stream  # a stream part is not corrected before a compaction covers its events
        changed = any(
            first <= day <= last and (epoch > sample[table.EPOCH] or (streamed and day >= since))
            for day, epoch in self._replaced.items()
        )
        return Finding.CORRECTED if changed else None

    @cached_property
    def _replaced(self) -> dict[date, int]:
        """The days of which rows were once taken away, from the first day that holds events to the last one."""
        held = self.log.days()
        if not held:
            return {}
        return self.log.replaced(days_between(day_start_us(min(held)), day_start_us(max(held)) + DAY_US))


def _in_batch(sample: Row, row: Row) -> bool:
    return bool(row[UPTO_EPOCH] <= sample[table.EPOCH] and row[TIME] < sample[table.WATERMARK])


def _events(rows: Sequence[Row]) -> list[Event]:
    return [Event(row[TIME], row.get(TIE, ""), row) for row in rows]


def _told(must: Any) -> Any:
    return "OVERFLOW" if must is OVERFLOW else must
