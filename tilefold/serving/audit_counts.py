"""Audits of counts: no event is lost or counted twice from the event log to tiles to compactions.

The rule: an audit counts a step's input in a way of its own, and compares only where input and output are of the same state of
the log: a day that got events since it was built is not wrong, it is due.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from tilefold.engine.layout import EPOCH, EVENTS, FIRST
from tilefold.engine.plan import ReadSpan, first_start_us, read_span
from tilefold.engine.time import DAY_US, day_start_us
from tilefold.serving.building import source_events
from tilefold.serving.compaction_reach import built_reads, days_in_reach, is_current
from tilefold.serving.context import ViewContext
from tilefold.stores.log_snapshot import NO_EVENTS, DayFiles, LogSnapshot
from tilefold.stores.tile_snapshot import DayTiles, TileSnapshot

_CELL, _COUNT = "__cell", "__count"


@dataclass(frozen=True, slots=True)
class CountAudit:
    """How many events there must be and are; `current` is False where the log has changed since, and nothing is compared."""

    expected: int
    found: int
    current: bool

    @property
    def passed(self) -> bool:
        """Whether nothing is lost, nothing counted twice."""
        return not self.current or self.expected == self.found


def audit_tiles(context: ViewContext, days: Sequence[date]) -> dict[date, CountAudit]:
    """Compare the events in each day's tiles with those that the view's transformation gives of the log."""
    log, tiles = context.log.snapshot(), context.tile_table().snapshot()
    held, built = log.days(), tiles.days()
    found = _events_by_cell(tiles, days[0], days[-1] + timedelta(days=1), DAY_US)
    by_day = dict(found.group_by(_CELL).agg(pl.col(EVENTS).sum()).iter_rows())
    expected = _events_of(context, log, [day for day in days if day in held])
    return {
        day: CountAudit(
            expected.get(day, 0),
            by_day.get(day_start_us(day) // DAY_US, 0),
            _is_built(context, day, held.get(day), built.get(day)),
        )
        for day in days
    }


def _is_built(context: ViewContext, day: date, held: DayFiles | None, built: DayTiles | None) -> bool:
    """Whether a day's tiles were built from the events that the log holds; of a day before all events none are."""
    if day_start_us(day) + DAY_US <= context.view.feature_start_us:
        return True
    return (built.fingerprint if built else NO_EVENTS) == (held.fingerprint if held else NO_EVENTS)


def _events_of(context: ViewContext, log: LogSnapshot, days: Sequence[date]) -> dict[date, int]:
    """How many events each day's output of the view holds, from its feature start on."""
    counts = [_output_count(context, log, day) for day in days]
    return {day: int(count.item()) for day, count in zip(days, pl.collect_all(counts), strict=True)}


def _output_count(context: ViewContext, log: LogSnapshot, day: date) -> pl.LazyFrame:
    view = context.view
    since = pl.col(view.timestamp_field).dt.timestamp("us") >= view.feature_start_us
    return view.transform(source_events(context, log, day)).select(since.sum().alias(_COUNT))


def audit_compactions(context: ViewContext, watermarks_us: Sequence[int]) -> dict[int, CountAudit]:
    """Compare the events in the newest compaction at each watermark with those of the tiles within its reach."""
    log, tiles, grain = context.log.snapshot(), context.tile_table().snapshot(), context.layout.grain_us
    newest = dict(context.compacted.partitions())  # ascending, so the largest epoch of each watermark stays
    there = [watermark_us for watermark_us in watermarks_us if watermark_us in newest]
    reads = {
        each: built_reads(context, each, newest[each]) if each in newest else read_span(context.view, each)
        for each in watermarks_us
    }
    spans = [days_in_reach(context, each) for each in reads.values()]
    cells = _events_by_cell(tiles, min(first for first, _ in spans), max(last for _, last in spans), grain)
    held = [context.compacted.scan(each, newest[each]).select(pl.col(EVENTS).sum()) for each in there]
    found = {each: int(count.item()) for each, count in zip(there, pl.collect_all(held), strict=True)}
    return {
        each: CountAudit(
            _within_reach(context, cells, reads[each], newest.get(each, 0)),
            found.get(each, 0),
            each in newest and is_current(context, log, each, newest[each]),
        )
        for each in watermarks_us
    }


def _events_by_cell(tiles: TileSnapshot, first: date, last: date, grain_us: int) -> pl.DataFrame:
    """The events of the days `[first, last)` by cell and epoch."""
    cell = (pl.col(FIRST) // grain_us).alias(_CELL)
    return tiles.scan(first, last).group_by(cell, EPOCH).agg(pl.col(EVENTS).sum()).collect()


def _within_reach(context: ViewContext, cells: pl.DataFrame, reads: ReadSpan, epoch: int) -> int:
    grain, start_us = context.layout.grain_us, first_start_us(context.windows, reads.from_us)
    inside = pl.col(_CELL).is_between(start_us // grain, reads.watermark_us // grain, closed="left") & (pl.col(EPOCH) <= epoch)
    return int(cells.filter(inside)[EVENTS].sum())
