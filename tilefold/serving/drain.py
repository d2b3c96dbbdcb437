"""The drain: stream log -> event log, exactly once.

The rule: events, and the places in the stream log behind them, come into the event log in one commit, and an event's epoch is
the one in force at its place in its shard. Refused events go to the table of dead letters first. The stream log is trimmed only
up to what is in Delta and, where there are stream writers, what they have written. It can be killed anywhere and repeated, and
several may run at once.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol, TypeAlias

from tilefold.engine.time import day_of, to_us
from tilefold.serving.reports import DrainReport
from tilefold.stores.stream_log import Entry, Kind, Place, StreamLog
from tilefold.stores.streamed_writes import Places, Streamed, StreamedResult

EVENTS_PER_COMMIT = 200_000
BYTES_PER_COMMIT = 64 * 1024 * 1024
Entries: TypeAlias = dict[int, list[Entry]]
Span: TypeAlias = tuple[int, int]


class StreamedLog(Protocol):
    """What a drain needs of an event log; see `EventLog`."""

    def streamed_rows(self, entries: Entries, epochs: Sequence[int]) -> Any:
        """The events among some entries as rows of the log; `epochs` has one number for each, shard by shard."""
        ...

    def append_streamed(self, incarnation: str, shards: Sequence[int], read: Callable[[Places], Streamed]) -> StreamedResult:
        """Add what `read` finds behind the places that the log holds the stream up to, in one commit with the places behind."""
        ...


class RefusedEvents(Protocol):
    """What a drain needs of the dead letters; see `DeadLetters`."""

    def add(self, incarnation: str, refused: Mapping[int, Sequence[Entry]], places: Mapping[int, Place]) -> int:
        """Add refused entries that are not held yet; how many were new."""
        ...


def nobody_writes() -> None:
    """For a source without stream writers."""


def drain(
    event_log: StreamedLog,
    stream: StreamLog,
    dead_letters: RefusedEvents,
    now: datetime,
    *,
    written: Callable[[], Mapping[int, int] | None] = nobody_writes,
    within_s: float | None = None,
    per_commit: int = EVENTS_PER_COMMIT,
) -> DrainReport:
    """Bring the event log up to where the stream log ends now.

    Parameters
    ----------
    written
        Asks of each shard up to which position the stream writers have written; None where there are none. It is asked once
        all is in Delta: a view that takes the stream after that takes it from a place that is not trimmed.
    within_s
        Make no further commit after so many seconds; None: go on to the end.
    per_commit
        About how many events are in memory at once.

    Raises
    ------
    ConflictError
        Other writers of the event log came first every time.
    StoreUnavailableError
        The stream log does not answer. What was committed before stays.
    """
    began_s = time.monotonic()
    targets, reader = stream.ends(), _Reader(event_log, stream, dead_letters, per_commit)
    shards = range(stream.shards)
    days: Counter[date] = Counter()
    missed: dict[int, Span] = {}
    while True:
        result = event_log.append_streamed(stream.incarnation, shards, reader.read)
        days.update(result.days)
        missed |= reader.missed
        behind = any(result.places[shard].position < targets[shard].position for shard in shards)
        late = within_s is not None and time.monotonic() - began_s >= within_s
        if not behind or late or not reader.found:
            break
    held = written() or {}
    upto = {shard: min(place.position, held.get(shard, place.position)) for shard, place in result.places.items()}
    left = stream.trim(upto)
    return DrainReport(
        days=dict(sorted(days.items())),
        accepted=days.total(),
        refused=reader.refused,
        late_days=tuple(day for day in sorted(days) if day < day_of(to_us(now))),
        places=result.places,
        caught_up=not behind,
        missed=missed,
        left=left,
        duration_s=time.monotonic() - began_s,
    )


class _Reader:
    """Reads what stands behind some places, and brings its refused events to the table of dead letters.

    Attributes
    ----------
    found
        Whether the last reading found anything.
    missed
        What was trimmed behind the places of the last reading.
    refused
        Dead letters of all readings.
    """

    def __init__(self, event_log: StreamedLog, stream: StreamLog, dead_letters: RefusedEvents, limit: int) -> None:
        self._event_log, self._stream, self._dead_letters, self._limit = event_log, stream, dead_letters, limit
        self.found = False
        self.missed: dict[int, Span] = {}
        self.refused = 0

    def read(self, behind: Places) -> Streamed:
        """What `append_streamed` asks for."""
        begin = self._begin(behind)
        entries = _gathered(self._stream, begin, self._limit)
        self.found = bool(entries)
        places = {**begin, **{shard: begin[shard].behind(some) for shard, some in entries.items()}}
        refused = {shard: [entry for entry in some if entry.kind is Kind.REFUSED] for shard, some in entries.items()}
        self.refused += self._dead_letters.add(self._stream.incarnation, refused, places)
        return Streamed(self._event_log.streamed_rows(entries, _epochs(begin, entries)), places)

    def _begin(self, behind: Places) -> Places:
        """Where to read from: behind entries that are gone, in the newest epoch, which the next compaction heals."""
        starts = self._stream.starts()
        self.missed = {
            shard: (place.position, starts[shard]) for shard, place in behind.items() if starts[shard] > place.position
        }
        if not self.missed:
            return behind
        ends = self._stream.ends()
        return behind | {
            shard: Place(start, max(behind[shard].epoch, ends[shard].epoch)) for shard, (_, start) in self.missed.items()
        }


def _gathered(stream: StreamLog, behind: Places, limit: int) -> Entries:
    """The entries behind some places, up to a bound of number and size."""
    entries: Entries = {}
    after = {shard: place.position for shard, place in behind.items()}
    count = size_bytes = 0
    while count < limit and size_bytes < BYTES_PER_COMMIT:
        found = stream.read(after, limit - count)
        if not found:
            break
        for shard, some in found.items():
            entries.setdefault(shard, []).extend(some)
            after[shard] = some[-1].position
            count += len(some)
            size_bytes += sum(len(entry.payload) for entry in some)
    return entries


def _epochs(behind: Places, entries: Entries) -> list[int]:
    """The epoch of each event, shard by shard."""
    epochs = []
    for shard, some in entries.items():
        place = behind[shard]
        for entry in some:
            place = place.after(entry)
            if entry.kind is Kind.EVENT:
                epochs.append(place.epoch)
    return epochs
