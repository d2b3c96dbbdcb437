"""What compactions of one barrier stand on: the log as it was at the barrier, and tiles brought up to it.

The rule: several compactions of one barrier may share a ground; the tiles of a range that is small enough are held in memory,
so that a year of compactions does not open a year of files again and again.
"""

from dataclasses import dataclass
from datetime import date
from typing import Protocol

import polars as pl

from tilefold.engine.layout import FIRST
from tilefold.engine.time import DAY_US, day_of, day_start_us
from tilefold.errors import ConflictError, complaint
from tilefold.serving.building import Progress, build_days, no_progress
from tilefold.serving.context import ViewContext
from tilefold.stores.event_log import Barrier
from tilefold.stores.log_snapshot import NO_EVENTS, LogSnapshot
from tilefold.stores.tile_snapshot import TileSnapshot

HELD_TILES_MAX = 3_000_000
"""Rows that are held: some hundred megabytes."""
ATTEMPTS = 5


class Tiles(Protocol):
    """Tiles pinned at one version."""

    def scan(self, start: date | None = None, end: date | None = None, bucket: int | None = None) -> pl.LazyFrame:
        """See `TileSnapshot.scan`."""
        ...

    def value_range(self, column: str, start: date | None = None, end: date | None = None) -> tuple[int, int] | None:
        """See `TileSnapshot.value_range`."""
        ...


@dataclass(frozen=True, slots=True)
class Ground:
    """The log at a barrier, the tiles built from it, and which days had to be built anew."""

    log: LogSnapshot
    tiles: Tiles
    buckets: int
    rebuilt: tuple[date, ...]


class HeldTiles:
    """Tiles of some days in memory, asked like a snapshot."""

    def __init__(self, pinned: TileSnapshot, first: date, last: date, buckets: int) -> None:
        self._pinned = pinned
        day = (pl.col(FIRST) // DAY_US).alias("__day")
        self._rows = {
            bucket: pinned.scan(first, last, bucket).with_columns(day).collect().sort("__day") for bucket in range(buckets)
        }

    def scan(self, start: date | None = None, end: date | None = None, bucket: int | None = None) -> pl.LazyFrame:
        """See `TileSnapshot.scan`."""
        rows = pl.concat(self._rows.values()) if bucket is None else self._rows[bucket]
        low = 0 if start is None else rows["__day"].search_sorted(day_start_us(start) // DAY_US)
        high = rows.height if end is None else rows["__day"].search_sorted(day_start_us(end) // DAY_US)
        return rows[low:high].drop("__day").lazy()

    def value_range(self, column: str, start: date | None = None, end: date | None = None) -> tuple[int, int] | None:
        """See `TileSnapshot.value_range`."""
        return self._pinned.value_range(column, start, end)


def prepare(
    context: ViewContext, barrier: Barrier, first: date, last: date, *, hold: bool = False, progress: Progress = no_progress
) -> Ground:
    """Bring the tiles of the days `[first, last)` up to the log at a barrier.

    Parameters
    ----------
    hold
        Keep the tiles in memory if they are few enough: for several compactions.

    Raises
    ------
    ConflictError
        If another builder brings the tiles to another state of the log again and again.
    """
    log, table = context.log.snapshot(barrier.version), context.tile_table()
    rebuilt: set[date] = set()
    for _ in range(ATTEMPTS):
        rebuilt |= set(build_days(context, log, first, last, progress=progress).rebuilt)
        pinned = table.snapshot()
        if _fits(context, log, pinned, first, last):
            return _ground(context, log, pinned, first, last, hold=hold, rebuilt=rebuilt)
    mend = "Let one process at a time build this view, then try again."
    thing, rule = f"view '{context.view.name}'", "its tiles must stay as they were built until they are read"
    raise ConflictError(complaint(thing, rule, f"{ATTEMPTS} attempts", mend))


def _fits(context: ViewContext, log: LogSnapshot, pinned: TileSnapshot, first: date, last: date) -> bool:
    """Whether the tiles are those of the log: another builder may have brought them to a newer one in between."""
    start = max(first, day_of(context.view.feature_start_us))
    wanted = {day: files.fingerprint for day, files in log.days().items() if start <= day < last}
    found = {day: tiles.fingerprint for day, tiles in pinned.days().items() if start <= day < last}
    return {day: mark for day, mark in found.items() if mark != NO_EVENTS} == wanted


def _ground(
    context: ViewContext, log: LogSnapshot, pinned: TileSnapshot, first: date, last: date, *, hold: bool, rebuilt: set[date]
) -> Ground:
    table = context.tile_table()
    rows = sum(tiles.rows for day, tiles in pinned.days().items() if first <= day < last)
    held = hold and rows <= HELD_TILES_MAX
    tiles: Tiles = HeldTiles(pinned, first, last, table.buckets) if held else pinned
    return Ground(log, tiles, table.buckets, tuple(sorted(rebuilt)))
