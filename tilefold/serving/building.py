"""Building tiles: event log -> tile table, day by day.

The rule: a day's tiles are current if they were built from the log's present rows of that day (its fingerprint); a current
day is left alone, so building is idempotent and costs what changed. One bucket of one day is in memory at a time.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from math import ceil

import polars as pl

from tilefold.engine.entity import bucket_expr
from tilefold.engine.layout import Layout
from tilefold.engine.tiles import build_tiles, check_day, check_keys, prepare_events
from tilefold.engine.time import day_of
from tilefold.serving.context import ViewContext, transforming
from tilefold.serving.reports import DayReport, TilesReport
from tilefold.stores.event_columns import EPOCH
from tilefold.stores.log_snapshot import NO_EVENTS, DayFiles, LogSnapshot
from tilefold.stores.tile_table import TileTable

Progress = Callable[[date], None]

EVENTS_PER_PASS = 10_000_000  # of one day that are grouped at once; a larger day is grouped bucket by bucket
DAY_EVENTS_PER_BUCKET = 2_000_000
LOG_EVENTS_PER_BUCKET = 5_000_000


def no_progress(day: date) -> None:
    """Tell nobody."""
    del day


def build_days(
    context: ViewContext,
    log: LogSnapshot,
    start: date,
    end: date,
    *,
    force: bool = False,
    progress: Progress = no_progress,
) -> TilesReport:
    """Bring the tiles of the days `[start, end)` up to a state of the log.

    Parameters
    ----------
    force
        Build days anew that are current already.
    progress
        Called with each day before it is built.

    Raises
    ------
    InputError
        If the view's transformation fails, gives a null key or moves an event to another day.
    """
    began = time.monotonic()
    events = {day: files for day, files in log.days().items() if start <= day < end}
    table = context.tile_table(_buckets(log))
    stale = _stale_days(context, table, events, start, end, force=force)
    fingerprints = {day: events[day].fingerprint if day in events else NO_EVENTS for day in stale}
    if stale:
        table.replace_days(_built(context, log, events, stale, table.buckets, progress), fingerprints)
    return TilesReport(context.view.name, _report(table, events, stale, start, end), time.monotonic() - began)


def _buckets(log: LogSnapshot) -> int:
    """A power of two that keeps a bucket of a day, and of a month, well within memory."""
    days = [files.rows for files in log.days().values()]
    wanted = max(max(days, default=0) / DAY_EVENTS_PER_BUCKET, sum(days) / LOG_EVENTS_PER_BUCKET, 1)
    return 1 << (ceil(wanted) - 1).bit_length()


def _stale_days(
    context: ViewContext, table: TileTable, events: dict[date, DayFiles], start: date, end: date, *, force: bool
) -> list[date]:
    first = max(start, day_of(context.view.feature_start_us))
    built = {day: tiles.fingerprint for day, tiles in table.snapshot().days().items() if first <= day < end}
    wanted = {day: files.fingerprint for day, files in events.items() if day >= first}
    emptied = {day: NO_EVENTS for day in built if day not in wanted}
    return sorted(day for day, mark in {**wanted, **emptied}.items() if force or built.get(day) != mark)


def _built(
    context: ViewContext,
    log: LogSnapshot,
    events: dict[date, DayFiles],
    days: Iterable[date],
    buckets: int,
    progress: Progress,
) -> Iterator[tuple[date, Iterator[tuple[int, pl.DataFrame]]]]:
    for day in days:
        progress(day)
        yield day, _day_buckets(context, log, day, events[day], buckets) if day in events else iter(())


def _day_buckets(
    context: ViewContext, log: LogSnapshot, day: date, files: DayFiles, buckets: int
) -> Iterator[tuple[int, pl.DataFrame]]:
    """The tiles of a day, bucket by bucket."""
    if files.rows <= EVENTS_PER_PASS or buckets == 1:
        yield from _split(_day_tiles(context, log, day, files, None), context.layout, buckets)
        return
    of_bucket = bucket_expr(context.layout.join_keys, buckets)
    for bucket in range(buckets):
        yield bucket, _day_tiles(context, log, day, files, of_bucket == bucket)


def _split(tiles: pl.DataFrame, layout: Layout, buckets: int) -> Iterator[tuple[int, pl.DataFrame]]:
    if buckets == 1:
        yield 0, tiles
        return
    name = "__bucket"
    numbered = tiles.with_columns(bucket_expr(layout.join_keys, buckets).alias(name))
    for (bucket,), rows in numbered.partition_by(name, as_dict=True, include_key=False).items():
        yield int(bucket), rows


def _day_tiles(context: ViewContext, log: LogSnapshot, day: date, files: DayFiles, only: pl.Expr | None) -> pl.DataFrame:
    """All tiles of a day, or those of some keys; each epoch is grouped by itself."""
    if files.epoch_min == files.epoch_max:
        return _epoch_tiles(context, day, source_events(context, log, day), files.epoch_min, only)
    rows = log.scan_unique(day)
    epochs = rows.select(pl.col(EPOCH).unique().sort()).collect()[EPOCH]
    parts = [rows.filter(pl.col(EPOCH) == epoch).select(context.source_columns) for epoch in epochs]
    return pl.concat(_epoch_tiles(context, day, part, epoch, only) for part, epoch in zip(parts, epochs, strict=True))


def source_events(context: ViewContext, log: LogSnapshot, day: date) -> pl.LazyFrame:
    """The events of a day as a view's transformation is given them."""
    return log.scan_unique(day, context.source_columns)


def _epoch_tiles(context: ViewContext, day: date, events: pl.LazyFrame, epoch: int, only: pl.Expr | None) -> pl.DataFrame:
    view = context.view
    output = view.transform(events)
    wanted = output if only is None else output.filter(only)
    prepared = prepare_events(wanted, context.layout, view.timestamp_field, view.feature_start_us)
    with transforming(view):
        tiles = build_tiles(prepared, context.layout, epoch).collect()
    check_keys(tiles, context.layout)
    check_day(tiles, context.layout, day)
    return tiles


def _report(table: TileTable, events: dict[date, DayFiles], stale: list[date], start: date, end: date) -> tuple[DayReport, ...]:
    built = {day: tiles for day, tiles in table.snapshot().days().items() if start <= day < end}
    rebuilt = set(stale)
    return tuple(
        DayReport(day, events[day].rows if day in events else 0, tiles.rows, tiles.size_bytes, day in rebuilt)
        for day, tiles in built.items()
    )
