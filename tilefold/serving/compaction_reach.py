"""Which reads a compaction answers, which days it reads for that, and whether these are still as they were.

The rule: a compaction is current while the events of the days in its reach have the fingerprint that it was built from.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from tilefold.engine.plan import ReadSpan, first_start_us, read_span, reads_newest
from tilefold.engine.time import DAY_US, day_of, floor
from tilefold.serving.context import ViewContext
from tilefold.stores.delta_snapshot import fingerprint
from tilefold.stores.log_snapshot import LogSnapshot


def reads_of(context: ViewContext, log: LogSnapshot, as_of_us: int) -> ReadSpan:
    """The reads that a compaction of this log at a watermark must answer."""
    newest_us = log.newest_us(context.log.timestamp) if reads_newest(context.view) else None
    return read_span(context.view, as_of_us, newest_us)


def built_reads(context: ViewContext, as_of_us: int, epoch: int) -> ReadSpan:
    """The reads that an existing compaction was built to answer."""
    return reads_in(context, context.compacted.metadata(as_of_us, epoch), as_of_us)


def reads_in(context: ViewContext, facts: Mapping[str, Any], as_of_us: int) -> ReadSpan:
    """The reads that a compaction of these facts was built to answer."""
    return replace(read_span(context.view, as_of_us), from_us=facts.get("from_us", as_of_us))


def days_in_reach(context: ViewContext, reads: ReadSpan) -> tuple[date, date]:
    """The days `[first, last)` that hold what windows of these reads can see below the watermark."""
    as_of_us = reads.watermark_us
    start = max(first_start_us(context.windows, reads.from_us), context.view.feature_start_us)
    first = day_of(min(start, as_of_us))
    return first, day_of(floor(as_of_us - 1, DAY_US) + DAY_US)


def events_fingerprint(context: ViewContext, log: LogSnapshot, reads: ReadSpan) -> int:
    """A number that is equal for equal events within reach of these reads."""
    first, last = days_in_reach(context, reads)
    return fingerprint(f"{day} {files.fingerprint}" for day, files in log.days().items() if first <= day < last)


def is_current(context: ViewContext, log: LogSnapshot, as_of_us: int, epoch: int) -> bool:
    """Whether a compaction was built from the events that the log holds."""
    built_from = context.compacted.metadata(as_of_us, epoch)["built_from"]
    return bool(built_from == events_fingerprint(context, log, built_reads(context, as_of_us, epoch)))
