"""Brings entries of a stream log into an event log, in one commit with the places behind them.

The rule: what is read starts behind the places of the very version that the commit lands on. When another drain came first, it
is read again from where that one ended; when anything else came in between, what was staged is used as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, TypeAlias

import polars as pl

from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import StagedFile
from tilefold.stores.delta_snapshot import Snapshot
from tilefold.stores.drained_places import drained_places, place_claims
from tilefold.stores.event_columns import DATE, ORIGIN, STREAMED
from tilefold.stores.small_files import files_to_merge
from tilefold.stores.stream_log import Place

Places: TypeAlias = dict[int, Place]


class Streamed(NamedTuple):
    """Events that were read behind some places, and the places behind all that was read.

    `rows` hold the source's columns and those of `ADDED_COLUMNS` but `tf_date` and `tf_origin`.
    """

    rows: pl.DataFrame
    places: Mapping[int, Place]


@dataclass(frozen=True, slots=True)
class StreamedResult:
    """What one commit brought: events by UTC date, and the places that the log now holds the stream up to."""

    days: Mapping[date, int]
    places: Places
    version: int


@dataclass(frozen=True, slots=True)
class _StagedDay:
    file: StagedFile
    merged: pl.DataFrame


class StreamedWrite:
    """One commit of streamed events."""

    def __init__(
        self, table: Table, timestamp: str, incarnation: str, shards: Sequence[int], read: Callable[[Places], Streamed]
    ) -> None:
        self._table, self._timestamp = table, timestamp
        self._incarnation, self._shards, self._read = incarnation, shards, read
        self._behind: Places | None = None
        self._days: dict[date, pl.DataFrame] = {}
        self._places: Places = {}
        self._staged: dict[date, _StagedDay] = {}

    def commit(self) -> StreamedResult:
        """Read, write and commit; without anything new no commit is made."""
        snapshot = self._table.snapshot()
        self._prepare(snapshot)  # outside of the table's lock, so that other writers go on
        version = snapshot.version if self._places == self._behind else self._table.commit(self._decide)
        return StreamedResult({day: rows.height for day, rows in sorted(self._days.items())}, self._places, version)

    def _decide(self, snapshot: Snapshot) -> Change | None:
        self._prepare(snapshot)
        if self._places == self._behind:
            return None
        adds = [staged.file for staged in self._staged.values()]
        removes = [staged.merged for staged in self._staged.values()]
        return Change(adds, pl.concat(removes) if removes else None, place_claims(self._incarnation, self._places))

    def _prepare(self, snapshot: Snapshot) -> None:
        """Stage what is to come, as far as it is not staged yet for this version."""
        behind = drained_places(snapshot, self._incarnation, self._shards)
        if behind != self._behind:
            rows, places = self._read(behind)
            parts = rows.with_columns(pl.col(self._timestamp).dt.date().alias(DATE)).partition_by(DATE, as_dict=True)
            self._days = {day: part for (day,), part in parts.items()}
            self._behind, self._places, self._staged = behind, {**behind, **places}, {}
        held = snapshot.files.filter(pl.col(ORIGIN) == STREAMED)
        for day, rows in self._days.items():
            self._stage(snapshot, day, rows, held.filter(pl.col(DATE) == day))

    def _stage(self, snapshot: Snapshot, day: date, rows: pl.DataFrame, held: pl.DataFrame) -> None:
        known = self._staged.get(day)
        if known is not None and known.merged.join(held, on="path", how="anti").is_empty():
            return
        merged = files_to_merge(held, rows.height)
        names = snapshot.spec.file_schema.names()
        old = snapshot.collect(snapshot.scan(merged, columns=names))
        file = self._table.stage(pl.concat([old, rows.select(names)]), {DATE: day, ORIGIN: STREAMED})
        self._staged[day] = _StagedDay(file, merged)
