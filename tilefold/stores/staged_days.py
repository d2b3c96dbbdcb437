"""Streamed rows as files of an event log, one per UTC date.

The rule: a day's small files are merged into the new one, so that a log that is drained every few seconds keeps few files. A
day that was staged is used as it is, as long as the files that it merges are all there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import StagedFile
from tilefold.stores.delta_snapshot import Snapshot
from tilefold.stores.event_columns import DATE, ORIGIN, STREAMED
from tilefold.stores.small_files import stage_with_small


@dataclass(frozen=True, slots=True)
class _StagedDay:
    file: StagedFile
    merged: pl.DataFrame


class StagedDays:
    """A `Staging` of rows that hold the source's columns and those of `ADDED_COLUMNS` but `tf_date` and `tf_origin`."""

    def __init__(self, table: Table, timestamp: str, rows: pl.DataFrame) -> None:
        self._table = table
        parts = rows.with_columns(pl.col(timestamp).dt.date().alias(DATE)).partition_by(DATE, as_dict=True)
        self._rows = {day: part for (day,), part in parts.items()}
        self.days: Mapping[date, int] = {day: part.height for day, part in self._rows.items()}
        self._staged: dict[date, _StagedDay] = {}

    def stage(self, snapshot: Snapshot) -> None:
        """See `Staging`."""
        held = snapshot.files.filter(pl.col(ORIGIN) == STREAMED)
        for day, rows in self._rows.items():
            self._stage_day(snapshot, day, rows, held.filter(pl.col(DATE) == day))

    def change(self, claims: Mapping[str, int]) -> Change:
        """See `Staging`."""
        adds = [staged.file for staged in self._staged.values()]
        removes = [staged.merged for staged in self._staged.values()]
        return Change(adds, pl.concat(removes) if removes else None, claims)

    def _stage_day(self, snapshot: Snapshot, day: date, rows: pl.DataFrame, held: pl.DataFrame) -> None:
        known = self._staged.get(day)
        if known is not None and known.merged.join(held, on="path", how="anti").is_empty():
            return
        file, merged = stage_with_small(self._table, snapshot, held, rows, {DATE: day, ORIGIN: STREAMED})
        self._staged[day] = _StagedDay(file, merged)
