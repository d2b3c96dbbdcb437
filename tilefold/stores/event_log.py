"""The event log of one source: a Delta table of events by UTC date.

The rule: within one date an event id enters once by `append` and `import_days`; what the stream brings twice is dropped when
read (`LogSnapshot.scan_unique`). Barriers are commits of the log itself and epochs are given inside the commit: a row's epoch
is one more than the last barrier before it, so no row of epoch <= n can ever appear behind barrier n.

    version   1 append   2 barrier 1   3 append   4 import   5 barrier 2
    epoch         1                        2          2
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

import polars as pl

from tilefold.errors import InputError, complaint
from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import TableSpec
from tilefold.stores.delta_snapshot import Snapshot
from tilefold.stores.event_columns import (
    ADDED_COLUMNS,
    DATE,
    EPOCH,
    PARTITION_BY,
    LogSource,
    declared_columns,
)
from tilefold.stores.event_frames import collected, conform, learn_columns
from tilefold.stores.log_barriers import last_barrier, number_barrier
from tilefold.stores.log_changes import append_day, import_day, replace_day, replaced_claims
from tilefold.stores.log_days import dates_between, first_of_each, rows_by_day
from tilefold.stores.log_results import AppendResult, Barrier, Forgotten
from tilefold.stores.log_snapshot import NO_EVENTS, LogSnapshot, fingerprints
from tilefold.stores.log_writes import LogWrite
from tilefold.stores.one_table import OneTable
from tilefold.stores.rewriting import Rewriting
from tilefold.stores.staged_days import StagedDays
from tilefold.stores.stream_log import Entry
from tilefold.stores.stream_payload import decode_frame
from tilefold.stores.streamed_writes import Places, Streamed, StreamedResult, StreamedWrite

__all__ = ["AppendResult", "Barrier", "EventLog", "Frame"]

Frame = pl.DataFrame | pl.LazyFrame | Sequence[Mapping[str, Any]]


class EventLog(OneTable):
    """The events of one source.

    Parameters
    ----------
    uri
        The table's place, local or on an object store.
    source
        Its name, schema (None: learned from the first events and kept in the table) and timestamp field.
    storage_options
        Passed on unchanged.
    """

    def __init__(self, uri: str, source: LogSource, storage_options: Mapping[str, str] | None = None) -> None:
        self.source = source.name
        self.timestamp = source.timestamp_field
        self.storage_options = dict(storage_options or {})
        self._columns = declared_columns(source)
        self._table = self._table_of(uri, self._columns)

    @property
    def columns(self) -> pl.Schema | None:
        """The source's own columns; None while a source that declares none has no events."""
        if self._columns is None and (stored := self._table.columns()):
            own = pl.Schema({name: dtype for name, dtype in stored.items() if name not in ADDED_COLUMNS})
            self._settle(own or None)
        return self._columns

    def append(
        self, frame: Frame, *, ingested_at: datetime, key_columns: Collection[str] = (), epoch: int | None = None
    ) -> AppendResult:
        """Add events, in one commit; ids that the log holds for the same date are dropped.

        Parameters
        ----------
        frame
            Events, with or without `event_id`.
        ingested_at
            Aware time of arrival.
        key_columns
            Columns that must not be null, beside the timestamp.
        epoch
            For migrations and tests; by default the one after the last barrier.

        Raises
        ------
        InputError
            The frame breaks a rule; nothing is written.
        ConflictError, FileError, FormatError
            As `Table.commit`.
        """
        rows = self._conformed(frame, key_columns)
        parts = rows_by_day(rows)
        write = LogWrite(self._table, append_day, parts.__getitem__, ingested_at, epoch)
        return self._result(write, lambda _: parts, rows.height)

    def import_days(
        self,
        frames: Mapping[date, Frame],
        *,
        ingested_at: datetime,
        key_columns: Collection[str] = (),
        epoch: int | None = None,
    ) -> AppendResult:
        """Let each frame be what was imported of its date, all in one commit.

        A date whose set of event ids stays the same is not touched, so nothing downstream is built again. Ids that were
        appended or streamed stay as they are. LazyFrames are collected one date at a time.

        Raises
        ------
        InputError
            A frame breaks a rule or holds an event of another date; nothing is written.
        """
        given: dict[date, int] = {}
        if self.columns is None and frames:  # the table must know its columns before the first file
            self._conformed(next(iter(frames.values())), key_columns)

        def rows_of(day: date) -> pl.DataFrame:
            rows = self._conformed(frames[day], key_columns)
            self._check_all(rows, pl.col(DATE) == day, f"imported as {day} must lie on that date (UTC)")
            given[day] = rows.height
            return first_of_each(rows)

        write = LogWrite(self._table, import_day, rows_of, ingested_at, epoch)
        result = self._result(write, lambda _: frames, 0)
        return AppendResult(result.accepted, sum(given.values()) - result.accepted, result.days, result.version)

    def replace(
        self,
        frame: Frame,
        start_us: int,
        end_us: int,
        *,
        ingested_at: datetime,
        key_columns: Collection[str] = (),
        epoch: int | None = None,
    ) -> AppendResult:
        """Remove every event with `start_us <= timestamp < end_us` and put `frame` in its place, in one commit.

        Raises
        ------
        InputError
            The range is empty, or the frame breaks a rule or holds an event outside of the range; nothing is changed.
        """
        if start_us >= end_us:
            rule = "the replaced range must end after it starts"
            raise InputError(complaint(f"source {self.source!r}", rule, (start_us, end_us), "Swap or widen the bounds."))
        rows = self._conformed(frame, key_columns)
        inside = pl.col(self.timestamp).dt.timestamp("us").is_between(start_us, end_us, closed="left")
        self._check_all(rows, inside, "must lie inside of the replaced range")
        parts = rows_by_day(rows)
        empty = rows.clear()
        change = partial(replace_day, outside=~inside)
        write = LogWrite(self._table, change, lambda day: parts.get(day, empty), ingested_at, epoch)
        return self._result(write, lambda snapshot: parts.keys() | dates_between(snapshot, start_us, end_us), rows.height)

    def append_streamed(self, incarnation: str, shards: Sequence[int], read: Callable[[Places], Streamed]) -> StreamedResult:
        """Add events of a stream log behind those that were added before, in one commit with the places behind them.

        Parameters
        ----------
        incarnation, shards
            Of the stream log.
        read
            Given the places that the log holds the stream up to, the events behind them; called again when another drain
            came first.

        Raises
        ------
        ConflictError, FileError, FormatError
            As `Table.commit`; and what `read` raises.
        """
        staging = partial(StagedDays, self._table, self.timestamp)
        return StreamedWrite(self._table, staging, incarnation, shards, read).commit()

    def streamed_rows(self, entries: Mapping[int, Sequence[Entry]], epochs: Sequence[int]) -> pl.DataFrame:
        """The events among some entries as rows for `append_streamed`; `epochs` has one number for each.

        Raises
        ------
        FormatError
            A payload is broken or of another schema.
        """
        assert self.columns is not None, "a stream source declares its columns"
        rows = decode_frame(entries, self.columns, arrivals=True)
        return rows.with_columns(pl.Series(EPOCH, epochs, dtype=pl.Int64))

    def forget(self, matches: pl.Expr) -> Forgotten:
        """Take out every event for which `matches` holds, repeats too; earlier versions go with `drop_history`.

        Raises
        ------
        ConflictError, FileError, FormatError
            As `Table.commit`.
        """
        rewriting = Rewriting(self._table, matches, claims=lambda before, gone: replaced_claims(gone, last_barrier(before) + 1))
        version = rewriting.run()
        if not rewriting.rows:
            return Forgotten(0, {})
        before, after = (fingerprints(self.snapshot(each)) for each in (version - 1, version))  # a commit follows its decision
        changed = {day: (mark, after.get(day, NO_EVENTS)) for day, mark in before.items()}
        return Forgotten(rewriting.rows, {day: marks for day, marks in changed.items() if marks[0] != marks[1]})

    def take_barrier(self) -> Barrier:
        """Number the next compaction of the source and mark its place in the log."""
        return number_barrier(self._table, lambda claims: Change(claims=claims))

    def last_barrier(self) -> int:
        """Number of the last barrier; 0 where none was taken."""
        return self.snapshot().barrier

    def snapshot(self, version: int | None = None) -> LogSnapshot:
        """The log pinned at its newest version, or at `version`.

        Raises
        ------
        FormatError
            The log is broken, or `version` is not kept any more.
        """
        return LogSnapshot(self._table.snapshot(version))

    def conformed(self, frame: Frame, key_columns: Collection[str] = ()) -> pl.DataFrame:
        """The rows as the log would take them: its columns in their types, and `event_id`.

        Raises
        ------
        InputError
            The frame breaks a rule.
        """
        return self._conformed(frame, key_columns).drop(DATE)

    def _conformed(self, frame: Frame, key_columns: Collection[str]) -> pl.DataFrame:
        rows = collected(frame, self.source, self.columns)
        columns = self.columns or learn_columns(rows, self.source)
        typed = conform(rows, self.source, columns, self.timestamp, key_columns)
        if self._columns is None:
            self._settle(columns)
        return typed.with_columns(pl.col(self.timestamp).dt.date().alias(DATE))

    def _check_all(self, rows: pl.DataFrame, holds: pl.Expr, rule: str) -> None:
        if not (wrong := rows.filter(~holds)).is_empty():
            thing = f"source {self.source!r}, column {self.timestamp!r}"
            mend = f"Filter the frame ({wrong.height} of {rows.height} rows)."
            raise InputError(complaint(thing, f"events {rule}", wrong[self.timestamp][0], mend))

    def _result(self, write: LogWrite, dates: Callable[[Snapshot], Iterable[date]], given: int) -> AppendResult:
        version = write.commit(dates)
        accepted = write.accepted()
        return AppendResult(accepted, given - accepted, write.changed(), version)

    def _settle(self, columns: pl.Schema | None) -> None:
        self._columns = columns
        self._table = self._table_of(self.uri, columns)

    def _table_of(self, uri: str, columns: pl.Schema | None) -> Table:
        schema = pl.Schema({**(columns or {}), **ADDED_COLUMNS})
        stats = tuple(name for name in (self.timestamp, EPOCH) if name in schema)
        return Table(TableSpec(uri, schema, PARTITION_BY, stats, self.storage_options))
