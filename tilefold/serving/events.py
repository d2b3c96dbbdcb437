"""Events on their way into the log: appended by hand, imported from a source's files, or pushed.

The rule: what is appended is written whole or not at all; pushed events are accepted one by one. A join key that all views of a
source need must not be null in its events; one that only some views need is left to their transformations.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any

import polars as pl

from tilefold.declaration.sources import Source, StreamSource
from tilefold.engine.time import to_us
from tilefold.errors import InputError, complaint
from tilefold.serving.barrier import take_barrier
from tilefold.serving.definitions import Definitions
from tilefold.serving.drain import drain
from tilefold.serving.ingest import Intake
from tilefold.serving.reports import DrainReport, Receipt
from tilefold.stores.dead_letters import DeadLetters
from tilefold.stores.event_columns import EVENT_ID
from tilefold.stores.event_frames import collected
from tilefold.stores.event_log import Barrier, EventLog
from tilefold.stores.source_files import source_days, source_frames
from tilefold.stores.stream_log import StreamLog

Frame = pl.DataFrame | pl.LazyFrame | Sequence[Mapping[str, Any]]
OpenStream = Callable[[Source, EventLog], StreamLog]
IMPORT_CHUNK_DAYS = 30


class EventDesk:
    """Takes events of one source into its log."""

    def __init__(self, source: Source, log: EventLog, definitions: Definitions, root: str, stream: OpenStream) -> None:
        self._source, self.log, self._root, self._stream = source, log, root, stream
        self.dead_letters = DeadLetters(f"{log.uri.removesuffix('/event_log')}/dead_letters", log.storage_options)
        keys = [{field.name for field in view.join_keys} for view in definitions.views_of(source.name)]
        shared = set.intersection(*keys) if keys else set()
        known = {field.name for field in source.schema or ()}
        self._key_columns = sorted(shared & known)

    @property
    def has_stream(self) -> bool:
        """Whether events may be pushed."""
        return isinstance(self._source, StreamSource)

    @property
    def stream(self) -> StreamLog:
        """The stream log; opened when it is first asked for."""
        return self._stream(self._source, self.log)

    def append(self, frame: Frame, replace: tuple[datetime, datetime] | None, now: datetime) -> Receipt:
        """Add events; with `replace`, in place of those from its first time to before its second."""
        _check_frame(self._source, frame)
        rows = self.log.conformed(frame, self._key_columns)
        if replace is None:
            result = self.log.append(rows, ingested_at=now)
        else:
            start_us, end_us = (to_us(time) for time in replace)
            result = self.log.replace(rows, start_us, end_us, ingested_at=now)
        self._enter_ids(rows, now)
        return Receipt(result.accepted, result.duplicate, [], tuple(result.days))

    def ingest(self, frame: Frame, now: datetime) -> Receipt:
        """Accept pushed events."""
        _check_frame(self._source, frame)
        given = frame if isinstance(frame, Sequence) else collected(frame, self._source.name, self.log.columns)
        return self._intake.accept(given, now)

    def looked_at(self, records: Sequence[Mapping[str, Any]], now: datetime) -> Receipt:
        """What `ingest` would say of some records, but for duplicates; nothing is written."""
        _check_frame(self._source, records)
        return self._intake.looked_at(records, now)

    @cached_property
    def _intake(self) -> Intake:
        source, stream = self._source, self.stream
        assert isinstance(source, StreamSource), "only such a source has a stream"
        assert self.log.columns is not None, "a stream source declares its columns"
        return Intake(source, self.log.columns, self._key_columns, stream)

    def drain(
        self, now: datetime, *, written: Callable[[], Mapping[int, int] | None], within_s: float | None = None
    ) -> DrainReport:
        """Bring the event log up to where the stream ends now."""
        return drain(self.log, self.stream, self.dead_letters, now, written=written, within_s=within_s)

    def take_barrier(self, now: datetime, written: Callable[[], Mapping[int, int] | None]) -> Barrier:
        """The next barrier of the source; the stream is drained up to it."""
        if not self.has_stream:
            return take_barrier(self.log, None, lambda: None)
        return take_barrier(self.log, self.stream, lambda: self.drain(now, written=written))

    def _enter_ids(self, rows: pl.DataFrame, now: datetime) -> None:
        """Let the stream drop appended events that are pushed again; the older ones it would take for late anyway."""
        if isinstance(self._source, StreamSource):
            remembered = pl.col(self._source.timestamp_field) >= now - self._source.stream_config.dedupe_horizon
            if ids := rows.filter(remembered)[EVENT_ID].to_list():
                self.stream.enter_ids(ids)

    def import_days(
        self, days: Sequence[date], now: datetime, options: Mapping[str, str], step: Callable[[object], None]
    ) -> Receipt:
        """Let the log hold what the source's files hold of these days."""
        self._require_files()
        accepted = duplicate = 0
        changed: list[date] = []
        for start in range(0, len(days), IMPORT_CHUNK_DAYS):
            chunk = days[start : start + IMPORT_CHUNK_DAYS]
            frames = source_frames(self._source, chunk, self._root, options)
            result = self.log.import_days(frames, ingested_at=now, key_columns=self._key_columns)
            accepted, duplicate = accepted + result.accepted, duplicate + result.duplicate
            changed += result.days
            for day in chunk:
                step(day)
        return Receipt(accepted, duplicate, [], tuple(changed))

    def file_days(self, options: Mapping[str, str]) -> list[date]:
        """The days that the source's files hold events of, ascending."""
        self._require_files()
        return source_days(self._source, self._root, options)

    def missing_days(self, last: date, options: Mapping[str, str]) -> list[date]:
        """The days up to `last` that were never imported, and the last imported one, which may have grown since."""
        imported = self.log.snapshot().imported_days()
        newest = max(imported, default=None)
        return [day for day in self.file_days(options) if day <= last and (day not in imported or day == newest)]

    def _require_files(self) -> None:
        if self._source.batch_config is None:
            mend = "Append its events, or declare it with batch_config=FileConfig(...)."
            raise InputError(complaint(f"source '{self._source.name}'", "only a source with files is imported", None, mend))


def _check_frame(source: Source, frame: object) -> None:
    """Refuse what is neither a Polars frame nor a list of records."""
    if isinstance(frame, pl.DataFrame | pl.LazyFrame):
        return
    if isinstance(frame, str) or not isinstance(frame, Sequence) or not all(isinstance(record, Mapping) for record in frame):
        mend = "Use a Polars frame (pl.from_pandas(...) makes one), or a list of dicts."
        rule = "events are a Polars frame or a list of records"
        raise InputError(complaint(f"source '{source.name}'", rule, type(frame).__name__, mend))
