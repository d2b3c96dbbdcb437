"""The tables in memory: the event log, changed by compare-and-set of its version, and the compactions of a view.

The rule: as in Delta: a commit lands as the direct successor of the version that it was decided on, or is decided again; a
version never changes; a compaction is written once. Bringing the stream in, and numbering barriers, is the product's own code.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple
from zlib import crc32

from tests.simulation.events import Event
from tests.simulation.lines import Broken, Line
from tilefold.engine.codec import Codec
from tilefold.engine.mark import Mark
from tilefold.engine.reach import equal_in_reach
from tilefold.engine.stream_part import Row
from tilefold.engine.time import day_of
from tilefold.errors import ConflictError, FileError, complaint
from tilefold.serving.sync_ports import Work
from tilefold.stores.drained_places import drained_places
from tilefold.stores.log_barriers import last_barrier, number_barrier
from tilefold.stores.log_results import Barrier
from tilefold.stores.stream_log import Entry, Kind, Place
from tilefold.stores.streamed_writes import Places, Streamed, StreamedResult, StreamedWrite

ATTEMPTS = 60


class LogRow(NamedTuple):
    """An event in the event log; what did not come by the stream has position 0, which sorts before all others."""

    epoch: int
    position: int
    event: Event


@dataclass(frozen=True)
class LogVersion:
    """One version of the event log."""

    version: int
    claims: Mapping[str, int]
    rows: tuple[LogRow, ...]

    def claim(self, name: str) -> int | None:
        """See `Claims`."""
        return self.claims.get(name)

    @property
    def barrier(self) -> int:
        """See `LogSnapshot`."""
        return last_barrier(self)

    def drained(self, incarnation: str, shards: Iterable[int]) -> dict[int, Place]:
        """See `LogSnapshot`."""
        return drained_places(self, incarnation, shards)

    def has_history(self) -> bool:
        """See `LogSnapshot`."""
        return bool(self.rows)

    def has_unstreamed(self) -> bool:
        """See `LogSnapshot`."""
        return any(not row.position for row in self.rows)

    def unique(self) -> dict[str, LogRow]:
        """The rows that count, by id: of those of one id the one of the smallest epoch and position."""
        found: dict[str, LogRow] = {}
        for row in sorted(self.rows, key=lambda row: row[:2]):
            found.setdefault(row.event.event_id, row)
        return found


@dataclass(frozen=True)
class LogChange:
    """What a commit does: rows that come, ids that go, claims."""

    rows: Sequence[LogRow] = ()
    gone: Collection[str] = ()
    claims: Mapping[str, int] = field(default_factory=dict)


class EventTable:
    """The data of an event log.

    Attributes
    ----------
    appended
        The epoch of every event that did not come by the stream, by its number; of those that were replaced too.
    """

    def __init__(self) -> None:
        self.versions = [LogVersion(0, {}, ())]
        self.appended: dict[int, int] = {}

    def put(self, base: LogVersion, change: LogChange) -> bool:
        """Commit on top of a version; False where another one came first."""
        if base is not self.versions[-1]:
            return False
        rows = tuple(row for row in base.rows if row.event.event_id not in change.gone)
        claims = {**base.claims, **change.claims}
        self.appended |= {row.event.number: row.epoch for row in change.rows if not row.position}
        self.versions.append(LogVersion(base.version + 1, claims, (*rows, *change.rows)))
        return True


class _StagedRows:
    """A `Staging` that has nothing to stage."""

    def __init__(self, rows: Sequence[LogRow]) -> None:
        self._rows = rows
        self.days: dict[date, int] = {}
        for row in rows:
            day = day_of(row.event.time_us)
            self.days[day] = self.days.get(day, 0) + 1

    def stage(self, snapshot: LogVersion) -> None:
        """See `Staging`."""

    def change(self, claims: Mapping[str, int]) -> LogChange:
        """See `Staging`."""
        return LogChange(self._rows, (), claims)


class MemoryEventLog:
    """An `EventLog` of one process; `known` finds the event of a payload."""

    source = "events"

    def __init__(self, table: EventTable, line: Line, known: Callable[[bytes], Event]) -> None:
        self._table, self._line, self._known = table, line, known

    def snapshot(self, version: int | None = None) -> LogVersion:
        """See `EventLog`."""
        return self._reached(lambda: self._table.versions[-1 if version is None else version])

    def streamed_rows(self, entries: Mapping[int, Sequence[Entry]], epochs: Sequence[int]) -> list[LogRow]:
        """See `EventLog`."""
        events = [entry for some in entries.values() for entry in some if entry.kind is Kind.EVENT]
        return [LogRow(n, entry.position, self._known(entry.payload)) for n, entry in zip(epochs, events, strict=True)]

    def append_streamed(self, incarnation: str, shards: Sequence[int], read: Callable[[Places], Streamed]) -> StreamedResult:
        """See `EventLog`."""
        return StreamedWrite(self, _StagedRows, incarnation, shards, read).commit()

    def take_barrier(self) -> Barrier:
        """See `EventLog`."""
        return number_barrier(self, lambda claims: LogChange(claims=claims))

    def append(self, events: Sequence[Event], gone: Collection[str] = ()) -> int:
        """Add events that did not come by the stream; with `gone`, in place of these ids. Returns the version."""

        def decide(snapshot: LogVersion) -> LogChange | None:
            held = {row.event.event_id for row in snapshot.rows} - set(gone)
            fresh = [LogRow(snapshot.barrier + 1, 0, event) for event in events if event.event_id not in held]
            return LogChange(fresh, gone) if fresh or gone else None

        return self.commit(decide)

    def commit(self, decide: Callable[[LogVersion], LogChange | None]) -> int:
        """See `Table`."""
        for _ in range(ATTEMPTS):
            base = self.snapshot()
            change = decide(base)
            if change is None:
                return base.version
            if self._reached(lambda on=base, what=change: self._table.put(on, what)):
                return base.version + 1
        raise ConflictError(complaint("event log in memory", "other writers came first", f"{ATTEMPTS} attempts", "Again."))

    def _reached(self, effect: Callable[[], Any]) -> Any:
        try:
            return self._line.call(effect)
        except Broken as error:
            raise FileError(complaint("table in memory", "it must be reached", "silence", "Wait.")) from error


@dataclass(frozen=True)
class Compacted:
    """One compaction: the part of each entity, and the first cell that a window of its reads reaches."""

    parts: Mapping[str, bytes]
    start: int


@dataclass(frozen=True)
class MemoryCompactions:
    """The `Compactions` of a view at one version."""

    held: Mapping[Mark, Compacted]
    codec: Codec
    buckets: int

    def marks(self) -> set[Mark]:
        """See `Compactions`."""
        return set(self.held)

    def work(self, mark: Mark, bases: Sequence[Mark] | None, bucket: int) -> Work:
        """See `Compactions`; one key at a time."""
        new, start = self._parts(mark, bucket), self.held[mark].start
        if bases is None:
            names = sorted(new)
        else:
            others = [self._parts(base, bucket) for base in bases]
            names = sorted({name for base in others for name in self._differing(new, base, start)})
        batches = [([name], [new.get(name, b"")]) for name in names]
        return Work(batches, len(names), len(new) - sum(name in new for name in names))

    def _parts(self, mark: Mark, bucket: int) -> dict[str, bytes]:
        found = self.held[mark].parts.items() if mark in self.held else ()
        return {name: part for name, part in found if crc32(name.encode()) % self.buckets == bucket}

    def _differing(self, new: Mapping[str, bytes], base: Mapping[str, bytes], start: int) -> Iterator[str]:
        for name in new.keys() | base.keys():
            one, other = new.get(name, b""), base.get(name, b"")
            if one != other and not (other and equal_in_reach(self.codec, one, other, start)):
                yield name


class MemoryHistory:
    """The `History` of a view in one version of the event log; `row_of` makes the row of an event, None where it has none."""

    def __init__(self, version: LogVersion, buckets: int, row_of: Callable[[Event], Row | None]) -> None:
        self._version, self.buckets, self._row_of = version, buckets, row_of
        self._days: dict[date, list[LogRow]] = {}
        for row in version.unique().values():
            self._days.setdefault(day_of(row.event.time_us), []).append(row)

    def drained(self, incarnation: str, shards: Iterable[int]) -> dict[int, Place]:
        """See `History`."""
        return self._version.drained(incarnation, shards)

    def days(self) -> dict[date, int]:
        """See `History`."""
        return {day: max(row.epoch for row in rows) for day, rows in self._days.items()}

    def rows(
        self, day: date, bucket: int, since_us: Callable[[int], int | None]
    ) -> Iterator[tuple[int, Mapping[str, list[Row]]]]:
        """See `History`."""
        epochs: dict[int, dict[str, list[Row]]] = {}
        for epoch, _, event in self._days[day]:
            since, made = since_us(epoch), self._row_of(event)
            wanted = made is not None and (since is None or event.time_us >= since)
            if made is not None and wanted and crc32(event.user.encode()) % self.buckets == bucket:
                epochs.setdefault(epoch, {}).setdefault(event.user, []).append(made)
        yield from epochs.items()
