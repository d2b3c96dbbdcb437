"""One pinned version of an event log: what each day holds, and lazy scans of chosen days.

The rule: one row counts per (event id, event date), the one of the smallest (epoch, position). Appended and imported rows are
unique when they are written, so only days that hold streamed rows pay for finding repeats.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from tilefold.stores.delta_snapshot import Snapshot, fingerprint
from tilefold.stores.drained_places import drained_places
from tilefold.stores.event_columns import DATE, EPOCH, EVENT_ID, IMPORTED, ORIGIN, POSITION, REPLACED, SHARD, STREAMED
from tilefold.stores.log_barriers import last_barrier
from tilefold.stores.stream_log import Place

NO_EVENTS = 0
"""The fingerprint of a day without events. Do not change: it is on disk."""


@dataclass(frozen=True, slots=True)
class DayFiles:
    """What the log holds of one date.

    Attributes
    ----------
    rows, size_bytes
        Sums over the day's files; rows count repeats.
    fingerprint
        63-bit hash of the names of the day's files: equal means the same rows.
    appended_only
        No streamed rows, hence no repeats.
    epoch_min, epoch_max
        Of the day's rows.
    """

    rows: int
    size_bytes: int
    fingerprint: int
    appended_only: bool
    epoch_min: int
    epoch_max: int


@dataclass(frozen=True)
class LogSnapshot:
    """The event log at one version."""

    pinned: Snapshot

    @property
    def version(self) -> int:
        """Delta's version; -1 where the log does not exist yet."""
        return self.pinned.version

    @property
    def barrier(self) -> int:
        """Number of the last barrier at or before this version; 0 where there is none."""
        return last_barrier(self.pinned)

    def days(self) -> dict[date, DayFiles]:
        """Every date that holds events, ascending."""
        return dict(self._days)

    @cached_property
    def _days(self) -> dict[date, DayFiles]:
        """Worked out once: a version never changes."""
        grouped = self.pinned.files.group_by(DATE).agg(
            pl.col("rows").sum(),
            pl.col("size_bytes").sum(),
            pl.col("path").sort(),
            (pl.col(ORIGIN) != STREAMED).all().alias("appended_only"),
            pl.col(f"{EPOCH}_min").min(),
            pl.col(f"{EPOCH}_max").max(),
        )
        facts = grouped.sort(DATE).iter_rows()
        return {day: DayFiles(rows, size, fingerprint(paths), *rest) for day, rows, size, paths, *rest in facts}

    def drained(self, incarnation: str, shards: Iterable[int]) -> dict[int, Place]:
        """Of each shard of a stream log the place up to which this version holds it; `ORIGIN` where it holds nothing."""
        return drained_places(self.pinned, incarnation, shards)

    def imported_days(self) -> set[date]:
        """The dates that hold rows imported from files."""
        return set(self.pinned.files.filter(pl.col(ORIGIN) == IMPORTED)[DATE])

    def has_history(self) -> bool:
        """Whether the log holds any event."""
        return not self.pinned.files.is_empty()

    def has_unstreamed(self) -> bool:
        """Whether the log holds an event that did not come by the stream."""
        return bool((self.pinned.files[ORIGIN] != STREAMED).any())

    def replaced(self, days: Iterable[date]) -> dict[date, int]:
        """Those of these dates of which rows were once taken away (replaced, imported anew), and the epoch of the last time."""
        if self.pinned.claim(REPLACED) is None:
            return {}
        epochs = {day: self.pinned.claim(f"{REPLACED}/{day}") for day in days}
        return {day: epoch for day, epoch in epochs.items() if epoch is not None}

    def newest_us(self, timestamp_field: str) -> int | None:
        """The time of the newest event that counts, in microseconds; None where there is no event."""
        if not (days := self._days):
            return None
        times = self.scan_unique(max(days), [timestamp_field]).select(pl.col(timestamp_field).max().dt.timestamp("us"))
        return int(self.pinned.collect(times).item())

    def scan(self, dates: Iterable[date] | None = None, columns: Sequence[str] | None = None) -> pl.LazyFrame:
        """All rows of `dates` (all dates where None), repeats included; all columns or only `columns`."""
        files = self.pinned.files if dates is None else self._files(set(dates))
        return self.pinned.scan(files, columns=columns)

    def scan_unique(self, day: date, columns: Sequence[str] | None = None) -> pl.LazyFrame:
        """The rows of one date that count, without repeats; all columns or only `columns`."""
        files = self._files({day})
        if (files[ORIGIN] != STREAMED).all():
            return self.pinned.scan(files, columns=columns)
        order = [EPOCH, POSITION, SHARD]  # nulls first: an appended row comes before a streamed one of its epoch
        names = list(self.pinned.spec.schema.names() if columns is None else columns)
        rows = self.pinned.scan(files, columns=list(dict.fromkeys([*names, EVENT_ID, *order])))
        return rows.sort(order, nulls_last=False).unique(EVENT_ID, keep="first").select(names)

    def _files(self, dates: Collection[date]) -> pl.DataFrame:
        return self.pinned.files.filter(pl.col(DATE).is_in(list(dates)))


def fingerprints(log: LogSnapshot) -> dict[date, int]:
    """Of every date that holds events the fingerprint of its files."""
    return {day: files.fingerprint for day, files in log.days().items()}
