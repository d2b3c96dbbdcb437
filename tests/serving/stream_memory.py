"""A stream log and the online store's stream parts in memory, with the rules of their scripts, that fail where a test says so.

A value of event number `i` is `2 ** i`, so that a sum tells which events it holds, and how often.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from tests.engine.drawing import feature
from tests.engine.stream_drawing import BEGIN_US, SCHEDULE_US, view_of
from tilefold.declaration.windows import Window
from tilefold.engine.layout import layout_of
from tilefold.engine.mark import Mark
from tilefold.engine.stream_codec import REVISION, REVISION_START, StreamCodec
from tilefold.engine.stream_fold import StreamFolder
from tilefold.engine.stream_part import Row, StreamPart
from tilefold.serving.stream_ports import Entries, StreamTarget
from tilefold.serving.stream_view import ViewWriter
from tilefold.serving.stream_writer import StreamWriter
from tilefold.stores.stream_log import ORIGIN, Entry, Kind, Place
from tilefold.stores.stream_parts import StreamWrite, Taken, log_number

VIEW, VERSION, SOURCE = "counted", "0123456789ab", "clicks"
INCARNATION = "memory"
LOG = log_number(INCARNATION)
LIFETIME = Window(None, hop_us=0)
COUNTED = layout_of(
    replace(view_of([(LIFETIME,)], 1), features=(feature(None, "count", (LIFETIME,)), feature("whole", "sum", (LIFETIME,), 1)))
)
CODEC = StreamCodec(COUNTED)


class CrashError(Exception):
    """The process, or the way to the store, ended here."""


@dataclass
class MemoryLog:
    """A stream log; an event is (entity, time), and its number is its position."""

    shards: int = 2
    incarnation: str = INCARNATION
    entries: dict[int, list[Entry]] = field(default_factory=dict)
    trimmed: dict[int, int] = field(default_factory=dict)
    last: int = 0

    def event(self, shard: int, entity: str, time_us: int) -> int:
        """Add an event; its position."""
        return self._add(shard, Kind.EVENT, f"{entity}|{time_us}", 0)

    def barrier(self, number: int) -> None:
        """Put a barrier into every shard."""
        for shard in range(self.shards):
            self._add(shard, Kind.BARRIER, "", number)

    def refused(self, shard: int) -> int:
        """Add a refused event."""
        return self._add(shard, Kind.REFUSED, "", 0)

    def _add(self, shard: int, kind: Kind, event_id: str, number: int) -> int:
        self.last += 1
        self.entries.setdefault(shard, []).append(Entry(self.last, kind, event_id, b"", number))
        return self.last

    def read(self, after: Mapping[int, int], limit: int, wait_ms: int = 0) -> dict[int, list[Entry]]:
        """See `StreamLog`; `limit` is of each shard."""
        del wait_ms
        found = {
            shard: [
                entry for entry in self.entries.get(shard, ()) if entry.position > max(position, self.trimmed.get(shard, 0))
            ][:limit]
            for shard, position in after.items()
        }
        return {shard: some for shard, some in found.items() if some}

    def starts(self) -> dict[int, int]:
        """See `StreamLog`."""
        return {shard: self.trimmed.get(shard, 0) for shard in range(self.shards)}

    def ends(self) -> dict[int, Place]:
        """See `StreamLog`."""
        return {shard: self.place(shard, self.last) for shard in range(self.shards)}

    def place(self, shard: int, position: int) -> Place:
        """The place behind all entries of a shard up to a position."""
        place = ORIGIN
        for entry in self.entries.get(shard, ()):
            if entry.position <= position:
                place = place.after(entry)
        return place

    def numbered(self) -> list[tuple[int, str, int, int]]:
        """Every event: its position, entity, time, and the epoch that is in force where it stands."""
        return [
            (entry.position, *_event(entry), self.place(shard, entry.position).epoch)
            for shard, entries in self.entries.items()
            for entry in entries
            if entry.kind is Kind.EVENT
        ]


def _event(entry: Entry) -> tuple[str, int]:
    entity, _, time_us = entry.event_id.partition("|")
    return entity, int(time_us)


@dataclass
class MemoryParts:
    """Stream parts of one view.

    Attributes
    ----------
    step
        Called before and after whatever is changed; what it raises is raised.
    """

    parts: dict[bytes, bytes] = field(default_factory=dict)
    state: Taken | None = None
    server: bytes = b"first"
    latest: int | None = None
    step: Callable[[], None] = lambda: None
    reads: int = 0
    writes: int = 0

    def register(self, places: Mapping[int, Place], token: bytes = b"registered") -> None:
        """Let the view take the log."""
        self.state = Taken(LOG, dict(places), token)

    def lapse(self, view: str, version: str, taken: Taken, starts: Mapping[int, int]) -> bool:
        """See `PartStore`."""
        assert (view, version) == (VIEW, VERSION)
        behind = any(taken.places[shard].position < start for shard, start in starts.items())
        self.state = None if behind else self.state
        return behind

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See `PartStore`."""
        self.step()
        self.reads += len(keys)
        return [self.parts.get(key) for key in keys]

    def write(
        self,
        view: str,
        version: str,
        taken: Taken,
        writes: Iterable[StreamWrite],
        ttl_ms: int | None,
        mark: Mark | None = None,
    ) -> list[bool] | None:
        """See `PartStore`; key by key, as several scripts do. It never loses a mark."""
        del mark
        assert (view, version, ttl_ms) == (VIEW, VERSION, None)
        done = []
        for write in writes:
            self.step()
            state = self.state
            if state is None or (state.log, state.token, self.server) != (
                taken.log,
                taken.token,
                taken.server,
            ):
                return None
            if any(
                shard not in state.places or state.places[shard].position != low.position for shard, low in taken.places.items()
            ):
                return None
            held = self.parts.get(write.key)
            revision = None if held is None else REVISION.unpack_from(held, REVISION_START)[0]
            if revision == write.revision:
                self.parts[write.key] = write.blob
                self.writes += 1
            done.append(revision == write.revision)
            self.step()
        return done

    def taken(self, view: str, version: str) -> Taken | None:
        """See `PartStore`."""
        assert (view, version) == (VIEW, VERSION)
        self.step()
        return None if self.state is None else replace(self.state, places=dict(self.state.places), server=self.server)

    def advance(self, view: str, version: str, taken: Taken) -> bool:
        """See `PartStore`."""
        assert (view, version) == (VIEW, VERSION)
        self.step()
        state = self.state
        if state is None or (state.log, state.token) != (taken.log, taken.token) or taken.server != self.server:
            return False
        for shard, place in taken.places.items():
            if place.position > state.places[shard].position:
                state.places[shard] = place
        self.step()
        return True

    def note_latest(self, source: str, latest_us: int) -> None:
        """See `WriterStore`."""
        assert source == SOURCE
        self.latest = latest_us if self.latest is None else max(latest_us, self.latest)

    def copied(self) -> tuple[dict[bytes, bytes], Taken | None]:
        """What is on its disk."""
        return dict(self.parts), deepcopy(self.state)

    def restart(self, disk: tuple[dict[bytes, bytes], Taken | None]) -> None:
        """Come back with what was on disk then."""
        self.parts, self.state = dict(disk[0]), deepcopy(disk[1])
        self.server += b"+"

    def seed(self, log: MemoryLog, drained: Mapping[int, int], base: Mark | None, token: bytes) -> None:
        """Write all parts anew as of the drained positions, and let the view take the log from there."""
        self.parts.clear()
        places = {shard: log.place(shard, drained[shard]) for shard in range(log.shards)}
        parts: dict[bytes, StreamPart] = {}
        for shard, entries in log.entries.items():
            inside = {shard: [entry for entry in entries if entry.position <= drained[shard]]}
            for entity, rows in rows_by_epoch(log, inside).items():
                for epoch, row in rows:
                    part = parts.setdefault(entity.encode(), StreamPart(LOG, 10**6, _positions(places)))
                    folder().add(part, epoch, [row])
        for key, part in parts.items():
            folder().tidy(part, base, BEGIN_US)
            self.parts[key] = CODEC.encode(part)
        self.state = Taken(LOG, places, token)


def _positions(places: Mapping[int, Place]) -> dict[int, int]:
    return {shard: place.position for shard, place in places.items()}


def rows_by_epoch(log: MemoryLog, entries: Entries) -> dict[str, list[tuple[int, Row]]]:
    """The rows of entries, each with its epoch, by entity."""
    found: dict[str, list[tuple[int, Row]]] = {}
    for shard, some in entries.items():
        for entry in some:
            if entry.kind is Kind.EVENT:
                entity, row = row_of(entry)
                found.setdefault(entity, []).append((log.place(shard, entry.position).epoch, row))
    return found


def row_of(entry: Entry) -> tuple[str, Row]:
    """An event's entity and row."""
    entity, time_us = _event(entry)
    components: list[Any] = []
    for slot in COUNTED.slots:
        components += slot.partial.lift(2**entry.position if slot.column else None, time_us, "")
    return entity, Row(time_us, time_us, tuple(components))


def rows_of(entries: Entries) -> dict[str, list[Row]]:
    """What a view makes of entries."""
    found: dict[str, list[Row]] = {}
    for some in entries.values():
        for entry in some:
            if entry.kind is Kind.EVENT:
                entity, row = row_of(entry)
                found.setdefault(entity, []).append(row)
    return found


def folder() -> StreamFolder:
    """Folds rows of the view."""
    return StreamFolder(COUNTED, [LIFETIME], SCHEDULE_US, 2 * SCHEDULE_US)


class _Folder(StreamFolder):
    """Folds rows, and may be interrupted while it does."""

    step: Callable[[], None] = staticmethod(lambda: None)

    def add(self, part: StreamPart, epoch: int, rows: Iterable[Row]) -> None:
        """See `StreamFolder`."""
        self.step()
        super().add(part, epoch, rows)
        self.step()


def writer_of(
    log: MemoryLog, store: MemoryParts, mark: Callable[[], Mark | None] = lambda: None, cache_bytes: int = 2**20
) -> StreamWriter:
    """A writer of the view, as a process would start it."""
    folding = _Folder(COUNTED, [LIFETIME], SCHEDULE_US, 2 * SCHEDULE_US)
    folding.step = lambda: store.step()  # noqa: PLW0108 - which one that is changes
    target = StreamTarget(VIEW, VERSION, folding, CODEC, None, str.encode, rows_of, mark)

    def newest_us(entries: Entries) -> int | None:
        times = [_event(entry)[1] for some in entries.values() for entry in some if entry.kind is Kind.EVENT]
        return max(times, default=None)

    writer = StreamWriter(SOURCE, log, store, [target], lambda: BEGIN_US + SCHEDULE_US, newest_us, lambda: 0.0)
    writer.views = [ViewWriter(target, store, LOG, cache_bytes)]
    return writer


def held_by(store: MemoryParts) -> dict[str, dict[int, list[int]]]:
    """By entity and epoch, which events a part holds; an event that it holds twice stands twice."""
    found: dict[str, dict[int, list[int]]] = {}
    for key, data in store.parts.items():
        for epoch, group in CODEC.decode(data).groups.items():
            tiles = [row.components for row in group.loose]
            if group.settled:
                tiles.append(tuple(column[0] for column in group.settled.columns))
            found.setdefault(key.decode(), {})[epoch] = _numbers(tiles)
    return found


def _numbers(tiles: Sequence[tuple[Any, ...]]) -> list[int]:
    """The numbers of the events in tiles: the bits of the sum, or, where one is doubled, all bits that its count needs."""
    place = next(slot.start for slot in COUNTED.slots if slot.partial.name == "sum")
    total = sum(tile[place] * 2**32 + tile[place + 1] for tile in tiles)
    numbers = [bit for bit in range(total.bit_length()) if total >> bit & 1]
    count = sum(tile[0] for tile in tiles)
    return numbers if len(numbers) == count else [*numbers, *["wrong"] * abs(count - len(numbers))]  # type: ignore[list-item]


def expected_in(log: MemoryLog, mark: Mark | None = None) -> dict[str, dict[int, list[int]]]:
    """What parts should hold: every event that the mark does not cover."""
    found: dict[str, dict[int, list[int]]] = {}
    for number, entity, time_us, epoch in log.numbered():
        if mark is None or not (epoch <= mark.epoch and time_us < mark.watermark_us):
            found.setdefault(entity, {}).setdefault(epoch, []).append(number)
    return {entity: {epoch: sorted(numbers) for epoch, numbers in epochs.items()} for entity, epochs in found.items()}
