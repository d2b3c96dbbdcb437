"""Compaction: tile table -> compacted table, one watermark at a time.

The rule: compaction `n` is built from log rows of `epoch <= n` alone, as the log stood at barrier `n`, and is never
overwritten. It may start from an earlier compaction only if that one's watermark and number are not above its own, left
nothing out, and was built from days that have not changed since; then only keys that something happened to are computed.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import partial
from threading import Lock
from typing import Any

import polars as pl

from tilefold.engine.compact import CELLS, PART, TILES, compact, part_schema
from tilefold.engine.entity import KEY_HASH
from tilefold.engine.layout import EPOCH, EVENTS, FIRST
from tilefold.engine.plan import ReadSpan, first_start_us, read_span, reads_newest
from tilefold.engine.time import DAY_US, day_of, floor, to_datetime
from tilefold.serving.building import Progress, no_progress
from tilefold.serving.context import ViewContext
from tilefold.serving.ground import Ground, Tiles, prepare
from tilefold.serving.reports import CompactionReport
from tilefold.stores.compacted_snapshot import CompactedSnapshot
from tilefold.stores.delta_snapshot import fingerprint
from tilefold.stores.event_log import Barrier
from tilefold.stores.log_snapshot import LogSnapshot

WORKERS = min(os.cpu_count() or 1, 4)
"""Buckets that are computed at once; memory is set by so many buckets."""
WHOLE_PASS_SHARE = 0.5  # above this share of changed keys, computing all is cheaper than telling them apart


@dataclass(slots=True)
class _Tally:
    """What is counted while buckets are written, several at once."""

    keys: int = 0
    cells: int = 0
    tiles: int = 0
    events: int = 0
    computed: int = 0
    size_bytes: int = 0
    largest_bytes: int = 0

    lock: Any = field(default_factory=Lock, repr=False)

    def facts(self) -> dict[str, int]:
        """The numbers, by name."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "lock"}

    def add(self, parts: pl.DataFrame, computed: int) -> None:
        """Count a bucket."""
        with self.lock:
            self._add(parts, computed)

    def _add(self, parts: pl.DataFrame, computed: int) -> None:
        sizes = parts[PART].bin.size()
        self.keys += parts.height
        self.cells += int(parts[CELLS].sum())
        self.tiles += int(parts[TILES].sum())
        self.events += int(parts[EVENTS].sum())
        self.computed += computed
        self.size_bytes += int(sizes.sum())
        self.largest_bytes = max(self.largest_bytes, max(sizes.to_list(), default=0))


@dataclass(frozen=True, slots=True)
class _Base:
    """An earlier compaction to start from, read from one version of its table: it may be pruned meanwhile."""

    as_of_us: int
    epoch: int
    there: CompactedSnapshot

    def rows(self, bucket: int) -> pl.LazyFrame:
        """Its rows of a bucket."""
        return self.there.scan(self.as_of_us, self.epoch, bucket)


def run_compaction(
    context: ViewContext, as_of_us: int, barrier: Barrier, *, ground: Ground | None = None, progress: Progress = no_progress
) -> CompactionReport:
    """Compute and store the batch part of every key at a watermark.

    Parameters
    ----------
    as_of_us
        The watermark, on the view's schedule.
    barrier
        The number of the compaction and the log's version that it is built from.
    ground
        What `prepare` made for the days in reach of several compactions of this barrier.

    Raises
    ------
    ConflictError
        If a compaction of this watermark and number exists.
    """
    began = time.monotonic()
    reads = reads_of(context, ground.log if ground else context.log.snapshot(barrier.version), as_of_us)
    first, last = days_in_reach(context, reads)
    stand = ground or prepare(context, barrier, first, last, progress=progress)
    log, tiles = stand.log, stand.tiles
    base = _find_base(context, log, reads, barrier.number)
    tally = _Tally()
    parts = [
        (bucket, partial(_bucket_parts, context, tiles, bucket, reads, barrier.number, base, tally))
        for bucket in range(stand.buckets)
    ]
    left_out = _newest_epoch(tiles, first, last) > barrier.number
    built = 0 if ground else sum(files.rows for day, files in log.days().items() if day in stand.rebuilt)
    facts = {
        "built_events": built,
        "built_from": events_fingerprint(context, log, reads),
        "from_us": reads.from_us,
        "complete": not left_out,
    }
    context.compacted.write(
        as_of_us, barrier.number, parts, lambda: {**tally.facts(), **facts, **_took(began)}, workers=WORKERS
    )
    return CompactionReport(
        view=context.view.name,
        as_of=to_datetime(as_of_us),
        epoch=barrier.number,
        keys=tally.keys,
        tiles_before=tally.cells,
        tiles_after=tally.tiles,
        events=tally.events,
        keys_computed=tally.computed,
        size_bytes=tally.size_bytes,
        largest_part_bytes=tally.largest_bytes,
        predecessor=None if base is None else (base.as_of_us, base.epoch),
        rebuilt_days=stand.rebuilt,
        duration_s=time.monotonic() - began,
    )


def _took(began_s: float) -> dict[str, float]:
    """For plans of what the next one takes."""
    return {"duration_s": round(time.monotonic() - began_s, 3)}


def run_compactions(context: ViewContext, watermarks_us: Sequence[int], barrier: Barrier) -> Iterator[CompactionReport]:
    """Compactions at several watermarks, ascending, all of one barrier; each may start from the one before."""
    if not watermarks_us:
        return
    log = context.log.snapshot(barrier.version)
    reaches = [days_in_reach(context, reads_of(context, log, each)) for each in (watermarks_us[0], watermarks_us[-1])]
    ground = prepare(context, barrier, min(first for first, _ in reaches), max(last for _, last in reaches), hold=True)
    for as_of_us in watermarks_us:
        yield run_compaction(context, as_of_us, barrier, ground=ground)


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


def _newest_epoch(tiles: Tiles, first: date, last: date) -> int:
    found = tiles.value_range(EPOCH, first, last)
    return found[1] if found else 0


def _find_base(context: ViewContext, log: LogSnapshot, reads: ReadSpan, epoch: int) -> _Base | None:
    """The newest earlier compaction that still stands; None where everything must be computed."""
    there = context.compacted.snapshot()
    earlier = [_Base(*each, there) for each in there.partitions() if each[0] <= reads.watermark_us and each[1] <= epoch]
    return next((each for each in earlier[-1:] if _stands(context, log, reads, each)), None)


def _stands(context: ViewContext, log: LogSnapshot, reads: ReadSpan, base: _Base) -> bool:
    """Whether a compaction left nothing out that is read now, and the days it was built from are as they were."""
    facts = base.there.metadata(base.as_of_us, base.epoch)
    answered = reads_in(context, facts, base.as_of_us)
    whole = bool(facts["complete"]) and answered.from_us <= reads.from_us
    return whole and bool(facts["built_from"] == events_fingerprint(context, log, answered))


def _bucket_parts(
    context: ViewContext,
    tiles: Tiles,
    bucket: int,
    reads: ReadSpan,
    epoch: int,
    base: _Base | None,
    tally: _Tally,
) -> pl.DataFrame:
    """The batch parts of a bucket's keys."""
    first, last = days_in_reach(context, reads)
    rows = tiles.scan(first, last, bucket)
    if _newest_epoch(tiles, first, last) > epoch:
        rows = rows.filter(pl.col(EPOCH) <= epoch)
    kept = part_schema(context.layout).to_frame() if base is None else _kept(context, tiles, bucket, reads, base)
    if base is not None and kept.height:
        rows = rows.join(_changed(context, tiles, bucket, base, kept), on=context.layout.key_names, how="semi")
    parts = compact(rows.collect(), context.layout, context.windows, reads, _few(context))
    whole = pl.concat([parts, kept]).sort(KEY_HASH) if kept.height else parts
    tally.add(whole, parts.height)
    return whole


def _few(context: ViewContext) -> int | None:
    return context.view.few_cells if context.view.compaction_enabled else None


def _kept(context: ViewContext, tiles: Tiles, bucket: int, reads: ReadSpan, base: _Base) -> pl.DataFrame:
    """The parts that stay as the base has them; none where they are too few to be worth telling apart.

    A key must be computed if it has newer tiles, if it is busy (its cuts move), or if its oldest tile falls out of reach.
    """
    before = base.rows(bucket).collect()
    few = _few(context)
    settled = pl.col(FIRST) >= first_start_us(context.windows, reads.from_us)
    quiet = settled if few is None else settled & (pl.col(CELLS) <= few)
    active = _newer(tiles, bucket, base).select(context.layout.key_names).unique().collect()
    kept = before.filter(quiet).join(active, on=context.layout.key_names, how="anti")
    return kept if kept.height >= WHOLE_PASS_SHARE * before.height else kept.clear()


def _newer(tiles: Tiles, bucket: int, base: _Base) -> pl.LazyFrame:
    """The tiles of the days that the base did not hold whole."""
    return tiles.scan(day_of(base.as_of_us), None, bucket)


def _changed(context: ViewContext, tiles: Tiles, bucket: int, base: _Base, kept: pl.DataFrame) -> pl.LazyFrame:
    """The keys that must be computed, once each."""
    names = context.layout.key_names
    others = base.rows(bucket).select(names).join(kept.lazy().select(names), on=names, how="anti")
    return pl.concat([others, _newer(tiles, bucket, base).select(names)]).unique()
