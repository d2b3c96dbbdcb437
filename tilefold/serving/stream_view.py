"""One view of a stream writer: folds what stands in the log into its stream parts.

The rule: a part says for each shard how far the log is in it, so folding again what is in it already is left out, key by key.
It is written by compare-and-set; who loses looks at what is there now and folds what that one lacks. So a repeat after a crash,
two writers at once and a sleeper that wakes up all count an event once.

    place of the view    |........e1..e2...e3....e4|  end of what was read
    part of key a        |=================|            e3 is in it: only e4 is folded
    part of key b        |==|                           all of its events are folded
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple, Protocol

from tilefold.engine.mark import Mark
from tilefold.engine.stream_codec import StreamCodec
from tilefold.engine.stream_fold import StreamFolder
from tilefold.engine.stream_part import Row, StreamPart
from tilefold.errors import ConflictError, complaint
from tilefold.stores.stream_log import Entry, Kind, Place
from tilefold.stores.stream_parts import StreamWrite, Taken

Entries = Mapping[int, Sequence[Entry]]
ATTEMPTS = 1_000
CACHE_BYTES = 256 * 1024 * 1024
REVISION_BITS = 62


def drawn_revision() -> int:
    """A revision that no part had before: one that counted would come again after a server lost its last writes."""
    return secrets.randbits(REVISION_BITS) + 1


class PartStore(Protocol):
    """What a view needs of the online store; see `StreamParts`."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The stream parts of these keys."""
        ...

    def write(
        self,
        view: str,
        version: str,
        taken: Taken,
        writes: Iterable[StreamWrite],
        ttl_ms: int | None,
        mark: Mark | None = None,
    ) -> list[bool] | None:
        """Replace stream parts by compare-and-set; None where the view is not as the writer knows it."""
        ...

    def taken(self, view: str, version: str) -> Taken | None:
        """Which log the view takes, and how far."""
        ...

    def advance(self, view: str, version: str, taken: Taken) -> bool:
        """Note how far the log is in all stream parts; False where that is not sure any more."""
        ...

    def lapse(self, view: str, version: str, taken: Taken, starts: Mapping[int, int]) -> bool:
        """Make a view that is behind where its log begins not ready until it is seeded anew."""
        ...


@dataclass(frozen=True, slots=True)
class StreamTarget:
    """A view as a writer sees it.

    Attributes
    ----------
    key_of
        The online key of an entity's text.
    rows
        The rows of some entries of the log, by entity.
    mark
        The view's committed mark, possibly an older one.
    from_us
        The earliest time that reads may have, where it is not the clock.
    forget_mark
        Lets `mark` ask the store.
    """

    name: str
    version: str
    folder: StreamFolder
    codec: StreamCodec
    ttl_ms: int | None
    key_of: Callable[[str], bytes]
    rows: Callable[[Entries], Mapping[str, list[Row]]]
    mark: Callable[[], Mark | None]
    from_us: Callable[[], int | None] = field(default=lambda: None)
    forget_mark: Callable[[], object] = field(default=lambda: None)


class _Piece(NamedTuple):
    """Events of one epoch that are in a part or not, all together; `low` is where they begin in each shard."""

    epoch: int
    low: Mapping[int, int]
    entries: Entries


class _Cached(NamedTuple):
    part: StreamPart
    size_bytes: int


class ViewWriter:
    """Folds the log into the stream parts of one view.

    Attributes
    ----------
    places
        How far the log is in all parts; None where the view does not take this log.
    conflicts
        How often another writer came first to a key.
    """

    def __init__(self, target: StreamTarget, store: PartStore, log: int, cache_bytes: int = CACHE_BYTES) -> None:
        self.target, self._store, self._log = target, store, log
        self.places: dict[int, Place] | None = None
        self._taken = Taken(log, {})
        self.conflicts = 0
        self._cache: dict[bytes, _Cached] = {}
        self._cached_bytes, self._cache_bytes = 0, cache_bytes

    def look(self, starts: Mapping[int, int]) -> None:
        """Ask the store whether the view takes this log, and how far.

        Parameters
        ----------
        starts
            Where the log begins. A view that is behind it lacks what was trimmed: it is not ready until it is seeded anew.
        """
        taken = self._store.taken(self.target.name, self.target.version)
        if taken is not None and taken.log == self._log and is_behind(taken.places, starts):
            self._store.lapse(self.target.name, self.target.version, taken, starts)
            taken = None
        if taken is None or taken.log != self._log:
            self.forget()
            self.places = None
            return
        if (taken.token, taken.server) != (self._taken.token, self._taken.server) or self.places is None:
            self.forget()  # a server that was started again may give another part the revision of one that it lost
        self._taken, self.places = taken, taken.places

    def forget(self) -> None:
        """Trust nothing that was kept in memory."""
        self._cache.clear()
        self._cached_bytes = 0

    def fold(self, read: Entries, now_us: int) -> bool:
        """Fold what was read, as far as it lies behind the view's places; then move these.

        Returns
        -------
        False where the view stands elsewhere by now (it was taken away to be seeded, or its store came back without its last
        writes): look again.

        Raises
        ------
        StoreUnavailableError, StoreFullError
            The online store failed: nothing is lost, and folding again leaves out what is in.
        """
        if self.places is None:
            return True
        entries = {shard: _behind(some, self.places[shard]) for shard, some in read.items() if shard in self.places}
        entries = {shard: some for shard, some in entries.items() if some}
        if not entries:
            return True
        try:
            done = self._fold(entries, now_us) and self._advance(entries)
        except BaseException:
            self.forget()  # parts in memory may be ahead of those in the store
            raise
        if not done:
            self.forget()
            self.target.forget_mark()
            self.places = None
        return done

    def _advance(self, entries: Entries) -> bool:
        assert self.places is not None
        ahead = {shard: _place_after(self.places[shard], some) for shard, some in entries.items()}
        if not self._store.advance(self.target.name, self.target.version, replace(self._taken, places=ahead)):
            return False
        self.places = {**self.places, **ahead}
        return True

    def _fold(self, entries: Entries, now_us: int) -> bool:
        """Whether the view still takes this log."""
        assert self.places is not None
        pieces = list(_by_epoch(entries, self.places))
        rows = [self.target.rows(piece.entries) for piece in pieces]
        waiting = {self.target.key_of(entity): entity for some in rows for entity in some}
        for _ in range(ATTEMPTS):
            if not waiting:
                return True
            parts = self._load(list(waiting))
            cuts = _cuts(parts.values(), self.places)
            if cuts:  # some part holds some of these events
                pieces = [cut for piece in _by_epoch(entries, self.places) for cut in _cut(piece, cuts)]
                rows = [self.target.rows(piece.entries) for piece in pieces]
            for key, part in parts.items():
                self._add(part, waiting[key], pieces, rows, whole=not cuts)
            _move(parts.values(), {shard: some[-1].position for shard, some in entries.items()})
            lost = self._write(parts, entries, now_us)
            if lost is None:
                return False
            waiting = {key: waiting[key] for key in lost}
        mend = "Look which other processes write this view's stream; let one of them own each shard."
        thing, rule = f"view '{self.target.name}'", "another writer came first to a key again and again"
        raise ConflictError(complaint(thing, rule, f"{ATTEMPTS} attempts", mend))

    def _load(self, keys: Sequence[bytes]) -> dict[bytes, StreamPart]:
        parts = {key: self._cache[key].part for key in keys if key in self._cache}
        missing = [key for key in keys if key not in parts]
        for key, data in zip(missing, self._store.read(missing), strict=True):
            parts[key] = self._decoded(data)
        return parts

    def _decoded(self, data: bytes | None) -> StreamPart:
        if data is None:
            return StreamPart(self._log)
        part = self.target.codec.decode(data)
        # What another log left behind is in the event log, or lost with that log; its positions mean nothing here.
        return part if part.log == self._log else StreamPart(self._log, part.revision)

    def _add(
        self, part: StreamPart, entity: str, pieces: Sequence[_Piece], rows: Sequence[Mapping[str, list[Row]]], *, whole: bool
    ) -> None:
        """Fold what a part lacks; with `whole` it lacks all of it."""
        positions = part.positions
        for piece, some in zip(pieces, rows, strict=True):
            own = some.get(entity)
            if own and (whole or all(positions.get(shard, 0) <= low for shard, low in piece.low.items())):
                self.target.folder.add(part, piece.epoch, own)

    def _write(self, parts: Mapping[bytes, StreamPart], shards: Collection[int], now_us: int) -> list[bytes] | None:
        """The keys that another writer came first to; None where the view does not take this log from here on."""
        assert self.places is not None
        target, sizes = self.target, list[int]()
        mark = target.mark()
        writes = self._made(parts, mark, now_us, sizes)
        taken = replace(self._taken, places={shard: self.places[shard] for shard in shards})
        done = self._store.write(target.name, target.version, taken, writes, target.ttl_ms, mark)
        if done is None:
            return None
        lost = []
        for (key, part), size_bytes, written in zip(parts.items(), sizes, done, strict=True):
            if written:
                self._keep(key, part, size_bytes)
            else:
                self._drop(key)
                lost.append(key)
        self.conflicts += len(lost)
        return lost

    def _made(
        self, parts: Mapping[bytes, StreamPart], mark: Mark | None, now_us: int, sizes: list[int]
    ) -> Iterator[StreamWrite]:
        """The parts' bytes, made as they are asked for, since the store works meanwhile; notes their sizes."""
        tidy, encode = self.target.folder.tidy, self.target.codec.encode
        from_us = self.target.from_us()
        for key, part in parts.items():
            tidy(part, mark, now_us, from_us)
            before = part.revision or None
            part.revision = drawn_revision()
            blob = encode(part)
            sizes.append(len(blob))
            yield StreamWrite(key, before, blob)

    def _keep(self, key: bytes, part: StreamPart, size_bytes: int) -> None:
        """Put a part at the young end of what is kept, and let the oldest ones go."""
        self._drop(key)
        self._cache[key] = _Cached(part, size_bytes)
        self._cached_bytes += size_bytes + len(key)
        while self._cached_bytes > self._cache_bytes and len(self._cache) > 1:
            self._drop(next(iter(self._cache)))

    def _drop(self, key: bytes) -> None:
        known = self._cache.pop(key, None)
        if known is not None:
            self._cached_bytes -= known.size_bytes + len(key)


def is_behind(places: Mapping[int, Place], starts: Mapping[int, int]) -> bool:
    """Whether a view at these places lacks entries that a log with these starts holds no more."""
    return any(shard not in places or places[shard].position < start for shard, start in starts.items())


def _behind(entries: Sequence[Entry], place: Place) -> Sequence[Entry]:
    """The entries behind a place; they are in order."""
    if entries[0].position > place.position:
        return entries
    return [entry for entry in entries if entry.position > place.position]


def _place_after(place: Place, entries: Sequence[Entry]) -> Place:
    for entry in entries:
        if entry.kind is Kind.BARRIER:
            place = place.after(entry)
    return Place(entries[-1].position, place.epoch)


def _by_epoch(entries: Entries, places: Mapping[int, Place]) -> Iterator[_Piece]:
    """The events parted by the epoch that is in force where they stand."""
    low = {shard: places[shard].position for shard in entries}
    epochs: dict[int, dict[int, list[Entry]]] = {}
    for shard, some in entries.items():
        place = places[shard]
        for entry in some:
            if entry.kind is Kind.EVENT:
                epochs.setdefault(place.epoch, {}).setdefault(shard, []).append(entry)
            elif entry.kind is Kind.BARRIER:
                place = place.after(entry)
    for epoch, events in sorted(epochs.items()):
        yield _Piece(epoch, {shard: low[shard] for shard in events}, events)


def _move(parts: Iterable[StreamPart], ends: Mapping[int, int]) -> None:
    """Let parts say that they include the log up to these ends; most then share what they say."""
    known: dict[int, tuple[Mapping[int, int], Mapping[int, int]]] = {}  # by the identity of what parts said before
    for part in parts:
        before = part.positions
        pair = known.get(id(before))
        if pair is None:
            moved = {**before, **{shard: max(end, before.get(shard, 0)) for shard, end in ends.items()}}
            pair = known[id(before)] = (before, ends if moved == ends else moved)
        part.positions = pair[1]


def _cuts(parts: Iterable[StreamPart], places: Mapping[int, Place]) -> dict[int, set[int]]:
    """By shard, where parts end that hold some of these events already."""
    cuts: dict[int, set[int]] = {}
    known: Mapping[int, int] | None = None
    for part in parts:
        if part.positions is known:
            continue
        known = part.positions
        for shard, position in known.items():
            if shard in places and position > places[shard].position:
                cuts.setdefault(shard, set()).add(position)
    return cuts


def _cut(piece: _Piece, cuts: Mapping[int, set[int]]) -> Iterator[_Piece]:
    """A piece shard by shard, each cut at these positions."""
    for shard, events in piece.entries.items():
        edges = [piece.low[shard], *sorted(cuts.get(shard, ())), 2**63]
        for low, high in pairwise(edges):
            inside = [entry for entry in events if low < entry.position <= high]
            if inside:
                yield _Piece(piece.epoch, {shard: low}, {shard: inside})
