"""Stages the changes of many dates and makes one commit of them.

The rule: a date is worked out again only when its files or the epoch differ from what it was worked out from, so that a
conflict with another writer costs a look at the log, not a second write of everything. One date is in memory at a time.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import StagedFile
from tilefold.stores.delta_snapshot import Snapshot
from tilefold.stores.event_columns import BARRIER, DATE, EPOCH, INGESTED_AT, ORIGIN, POSITION, SHARD, TIMESTAMP
from tilefold.stores.log_changes import DayChange, LogDay, replaced_claims


@dataclass(frozen=True, slots=True)
class _Staged:
    """A worked-out date, its files written, and what it was worked out from."""

    made_from: tuple[object, ...]
    adds: tuple[StagedFile, ...]
    removes: pl.DataFrame
    accepted: int


@dataclass(slots=True)
class LogWrite:
    """One write of many dates.

    Attributes
    ----------
    table
        The log's table.
    change_day
        The change of a date, from its files and its rows.
    rows_of
        The new rows of a date, without the added columns that this class fills in.
    ingested_at
        Aware time of arrival.
    epoch
        None: the one after the last barrier.
    """

    table: Table
    change_day: Callable[[LogDay, pl.DataFrame], DayChange]
    rows_of: Callable[[date], pl.DataFrame]
    ingested_at: datetime
    epoch: int | None = None
    staged: dict[date, _Staged] = field(default_factory=dict)

    def commit(self, dates: Callable[[Snapshot], Iterable[date]]) -> int:
        """Change all `dates` of the version that the commit lands on; returns the version that holds the change."""

        def decide(snapshot: Snapshot) -> Change | None:
            epoch = (snapshot.claim(BARRIER) or 0) + 1 if self.epoch is None else self.epoch
            files = snapshot.files.partition_by(DATE, as_dict=True)
            wanted = list(dates(snapshot))
            self.staged = {day: staged for day, staged in self.staged.items() if day in wanted}
            for day in wanted:
                self._stage(LogDay(snapshot, files.get((day,), snapshot.files.clear())), day, epoch)
            changed = [self.staged[day] for day in self.changed()]
            if not changed:
                return None
            adds, removes = [add for day in changed for add in day.adds], pl.concat(day.removes for day in changed)
            return Change(adds, removes, replaced_claims(removes, epoch))

        return self.table.commit(decide)

    def changed(self) -> tuple[date, ...]:
        """The dates of which files come or go, ascending."""
        return tuple(sorted(day for day, staged in self.staged.items() if staged.adds or staged.removes.height))

    def accepted(self) -> int:
        """How many new rows come in."""
        return sum(staged.accepted for staged in self.staged.values())

    def _stage(self, files: LogDay, day: date, epoch: int) -> None:
        made_from = (epoch, *files.key())
        known = self.staged.get(day)
        if known is None or known.made_from != made_from:
            change = self.change_day(files, self._stamped(self.rows_of(day), epoch))
            adds = tuple(self.table.stage(rows, {DATE: day, ORIGIN: origin}) for origin, rows in change.adds)
            self.staged[day] = _Staged(made_from, adds, change.removes, change.accepted)

    def _stamped(self, rows: pl.DataFrame, epoch: int) -> pl.DataFrame:
        return rows.with_columns(
            pl.lit(self.ingested_at).cast(TIMESTAMP).alias(INGESTED_AT),
            pl.lit(epoch, pl.Int64).alias(EPOCH),
            pl.lit(None, pl.Int32).alias(SHARD),
            pl.lit(None, pl.Int64).alias(POSITION),
        )
