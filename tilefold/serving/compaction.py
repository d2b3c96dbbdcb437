"""Compaction: tile table -> compacted table, one watermark at a time.

The rule: compaction `n` is built from log rows of `epoch <= n` alone, as the log stood at barrier `n`, and is never
overwritten. What it may take over from an earlier one says `compaction_base`.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from functools import partial
from threading import Lock
from typing import Any

import polars as pl

from tilefold.engine.compact import CELLS, PART, TILES, compact, part_schema
from tilefold.engine.entity import KEY_HASH
from tilefold.engine.layout import EPOCH, EVENTS
from tilefold.engine.plan import ReadSpan
from tilefold.engine.time import to_datetime
from tilefold.serving.building import Progress, no_progress
from tilefold.serving.compaction_base import Base, changed_keys, find_base, kept_parts
from tilefold.serving.compaction_reach import days_in_reach, events_fingerprint, reads_of
from tilefold.serving.context import ViewContext
from tilefold.serving.ground import Ground, Tiles, prepare
from tilefold.serving.reports import CompactionReport
from tilefold.stores.event_log import Barrier

WORKERS = min(os.cpu_count() or 1, 4)
"""Buckets that are computed at once; memory is set by so many buckets."""


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
    base = find_base(context, log, reads, barrier.number)
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


def _newest_epoch(tiles: Tiles, first: date, last: date) -> int:
    found = tiles.value_range(EPOCH, first, last)
    return found[1] if found else 0


def _bucket_parts(
    context: ViewContext,
    tiles: Tiles,
    bucket: int,
    reads: ReadSpan,
    epoch: int,
    base: Base | None,
    tally: _Tally,
) -> pl.DataFrame:
    """The batch parts of a bucket's keys."""
    first, last = days_in_reach(context, reads)
    rows = tiles.scan(first, last, bucket)
    if _newest_epoch(tiles, first, last) > epoch:
        rows = rows.filter(pl.col(EPOCH) <= epoch)
    few = context.view.few_cells if context.view.compaction_enabled else None
    kept = part_schema(context.layout).to_frame() if base is None else kept_parts(context, tiles, bucket, reads, base, few)
    if base is not None and kept.height:
        rows = rows.join(changed_keys(context, tiles, bucket, base, kept), on=context.layout.key_names, how="semi")
    parts = compact(rows.collect(), context.layout, context.windows, reads, few)
    whole = pl.concat([parts, kept]).sort(KEY_HASH) if kept.height else parts
    tally.add(whole, parts.height)
    return whole
