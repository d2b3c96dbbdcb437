"""A stream log in memory, kept on a server of its own.

The rule: as every `StreamLog`: what `append` told a position for stands once and keeps its place. The tests of stream logs run
on it too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from tests.simulation.lines import Broken, Line
from tilefold.errors import StoreUnavailableError, complaint
from tilefold.stores.stream_log import Entry, Kind, NewEntry, Place

T = TypeVar("T")


class Written(NamedTuple):
    """An entry, and when it was written."""

    entry: Entry
    at_s: float


@dataclass
class LogServer:
    """The data of a log; `placed` says of each event its shard, position and epoch."""

    incarnation: str
    shards: int
    keep_s: float
    now_s: Callable[[], float]
    last: int = 0
    entries: dict[int, list[Written]] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)
    barriers: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    events: int = 0
    placed: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def put(self, shard: int, kind: Kind, event_id: str, payload: bytes, number: int = 0) -> int:
        """Add one entry; its position."""
        self.last += 1
        entry = Entry(self.last, kind, event_id, payload, number)
        self.entries.setdefault(shard, []).append(Written(entry, self.now_s()))
        self.ends[shard] = self.last
        return self.last

    def append(self, entries: Sequence[NewEntry]) -> list[int | None]:
        """Add what is new; positions follow each other shard by shard."""
        positions: list[int | None] = [None] * len(entries)
        for number in sorted(range(len(entries)), key=lambda each: entries[each].shard):
            kind, shard, event_id, payload = entries[number]
            if kind is Kind.EVENT and event_id in self.ids:
                continue
            if kind is Kind.EVENT:
                self.ids.add(event_id)
                self.events += 1
            positions[number] = position = self.put(shard, kind, event_id, payload)
            self.placed[event_id] = (shard, position, self.barriers.get(shard, 0) + 1)
        return positions

    def append_barrier(self, number: int) -> None:
        """Put a barrier where there is no such or larger one."""
        for shard in range(self.shards):
            if self.barriers.get(shard, 0) < number:
                self.put(shard, Kind.BARRIER, "", b"", number)
                self.barriers[shard] = number

    def read(self, after: Mapping[int, int], limit: int) -> dict[int, list[Entry]]:
        """About `limit` entries behind these positions, evenly of each shard."""
        each = max(1, -(-limit // max(1, len(after))))
        found = {
            shard: [w.entry for w in self.entries.get(shard, ()) if w.entry.position > low] for shard, low in after.items()
        }
        return {shard: some[:each] for shard, some in found.items() if some}

    def trim(self, upto: Mapping[int, int]) -> int:
        """Drop what is old enough and not behind these positions; how many are left."""
        for shard, limit in upto.items():
            held = self.entries.get(shard, [])
            gone = 0
            while gone < len(held) and held[gone].entry.position <= limit and held[gone].at_s <= self.now_s() - self.keep_s:
                gone += 1
            if gone:
                self.starts[shard] = held[gone - 1].entry.position
                self.entries[shard] = held[gone:]
        return sum(map(len, self.entries.values()))


class MemoryLog:
    """A `StreamLog` of one process."""

    def __init__(self, server: LogServer, line: Line) -> None:
        self.server, self._line = server, line
        self.incarnation, self.shards = server.incarnation, server.shards

    def append(self, entries: Sequence[NewEntry]) -> list[int | None]:
        """See `StreamLog`; a repeat after a broken connection gets the first answer."""
        told: list[list[int | None]] = []

        def once() -> list[int | None]:
            if not told:
                told.append(self.server.append(entries))
            return told[0]

        return self._ask(once)

    def enter_ids(self, event_ids: Sequence[str]) -> None:
        """See `StreamLog`."""
        self._ask(lambda: self.server.ids.update(event_ids))

    def append_barrier(self, number: int) -> None:
        """See `StreamLog`."""
        self._ask(lambda: self.server.append_barrier(number))

    def read(self, after: Mapping[int, int], limit: int, wait_ms: int = 0) -> dict[int, list[Entry]]:
        """See `StreamLog`; it never waits."""
        del wait_ms
        return self._ask(lambda: self.server.read(after, limit))

    def ends(self) -> dict[int, Place]:
        """See `StreamLog`."""
        return self._ask(lambda: dict(self._ends()))

    def _ends(self) -> Iterator[tuple[int, Place]]:
        for shard in range(self.shards):
            yield shard, Place(self.server.ends.get(shard, 0), self.server.barriers.get(shard, 0) + 1)

    def starts(self) -> dict[int, int]:
        """See `StreamLog`."""
        return self._ask(lambda: {shard: self.server.starts.get(shard, 0) for shard in range(self.shards)})

    def trim(self, upto: Mapping[int, int]) -> int:
        """See `StreamLog`."""
        return self._ask(lambda: self.server.trim(upto))

    def events(self) -> int:
        """See `StreamLog`."""
        return self._ask(lambda: self.server.events)

    def close(self) -> None:
        """See `StreamLog`."""

    def _ask(self, effect: Callable[[], T]) -> T:
        try:
            return self._line.retried(effect)
        except Broken as error:
            raise StoreUnavailableError(complaint("stream log in memory", "it must answer", "silence", "Wait.")) from error
