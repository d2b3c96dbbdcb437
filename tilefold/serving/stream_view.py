"""One view of a stream writer: folds what stands in the log into its stream parts.

The rule: a part says for each shard how far the log is in it, so folding again what is in it already is left out, key by key.
It is written by compare-and-set; who loses looks at what is there now and folds what that one lacks. So a repeat after a crash,
two writers at once and a sleeper that wakes up all count an event once.

    place of the view    |........e1..e2...e3....e4|  end of what was read
    part of key a        |=================|            e3 is in it: only e4 is folded
    part of key b        |==|                           all of its events are folded
"""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from tilefold.engine.mark import Mark
from tilefold.engine.stream_part import StreamPart
from tilefold.errors import ConflictError, complaint
from tilefold.serving.part_cache import PartCache
from tilefold.serving.stream_batch import StreamBatch
from tilefold.serving.stream_pieces import entries_behind, is_behind
from tilefold.serving.stream_ports import Entries, PartStore, StreamTarget
from tilefold.stores.stream_log import Place
from tilefold.stores.stream_parts import StreamWrite, Taken

ATTEMPTS = 1_000
CACHE_BYTES = 256 * 1024 * 1024
REVISION_BITS = 62
_new_write = partial(tuple.__new__, StreamWrite)  # of three values: `StreamWrite(...)` takes several times as long


def drawn_revision() -> int:
    """A revision for the parts of one write, that no part had before.

    One that counted would come again after a server lost its last writes.
    """
    return secrets.randbits(REVISION_BITS) + 1


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
        self._cache = PartCache(cache_bytes)

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
            self._cache.forget()
            self.places = None
            return
        if (taken.token, taken.server) != (self._taken.token, self._taken.server) or self.places is None:
            self._cache.forget()  # a server that was started again may give another part the revision of one that it lost
        self._taken, self.places = taken, taken.places

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
        entries = {shard: entries_behind(some, self.places[shard]) for shard, some in read.items() if shard in self.places}
        entries = {shard: some for shard, some in entries.items() if some}
        if not entries:
            return True
        try:
            done = self._fold(entries, now_us) and self._advance(entries)
        except BaseException:
            self._cache.forget()  # parts in memory may be ahead of those in the store
            raise
        if not done:
            self._cache.forget()
            self.target.forget_mark()
            self.places = None
        return done

    def _advance(self, entries: Entries) -> bool:
        assert self.places is not None
        ahead = {shard: self.places[shard].behind(some) for shard, some in entries.items()}
        if not self._store.advance(self.target.name, self.target.version, replace(self._taken, places=ahead)):
            return False
        self.places = {**self.places, **ahead}
        return True

    def _fold(self, entries: Entries, now_us: int) -> bool:
        """Whether the view still takes this log."""
        assert self.places is not None
        batch = StreamBatch(self.target, entries, self.places)
        waiting = list(batch.entities)
        for _ in range(ATTEMPTS):
            if not waiting:
                return True
            parts = self._load(waiting)
            batch.cut_for(parts.values())
            lost = self._write(parts, batch, entries, now_us)
            if lost is None:
                return False
            waiting = lost
        mend = "Look which other processes write this view's stream; let one of them own each shard."
        thing, rule = f"view '{self.target.name}'", "another writer came first to a key again and again"
        raise ConflictError(complaint(thing, rule, f"{ATTEMPTS} attempts", mend))

    def _load(self, keys: Sequence[bytes]) -> dict[bytes, StreamPart]:
        parts = {key: part for key in keys if (part := self._cache.get(key)) is not None}
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

    def _write(
        self, parts: Mapping[bytes, StreamPart], batch: StreamBatch, shards: Collection[int], now_us: int
    ) -> list[bytes] | None:
        """The keys that another writer came first to; None where the view does not take this log from here on."""
        assert self.places is not None
        target, sizes = self.target, list[int]()
        mark = target.mark()
        writes = self._made(parts, batch, mark, now_us, sizes)
        taken = replace(self._taken, places={shard: self.places[shard] for shard in shards})
        done = self._store.write(target.name, target.version, taken, writes, target.ttl_ms, mark)
        if done is None:
            return None
        lost = []
        for (key, part), size_bytes, written in zip(parts.items(), sizes, done, strict=True):
            if written:
                self._cache.keep(key, part, size_bytes)
            else:
                self._cache.drop(key)
                lost.append(key)
        self.conflicts += len(lost)
        return lost

    def _made(
        self, parts: Mapping[bytes, StreamPart], batch: StreamBatch, mark: Mark | None, now_us: int, sizes: list[int]
    ) -> Iterator[StreamWrite]:
        """The new parts' bytes, made as they are asked for, since the store works meanwhile; notes their sizes.

        Each part is taken up once, from its events to its bytes: parts lie all over the memory, and fetching them costs most.
        """
        fold, tidy, encode = batch.fold, self.target.folder.tidy, self.target.codec.encode
        entities, from_us, revision = batch.entities, self.target.from_us(), drawn_revision()
        for key, part in parts.items():
            fold(part, entities[key])
            tidy(part, mark, now_us, from_us)
            before = part.revision or None
            part.revision = revision
            blob = encode(part)
            sizes.append(len(blob))
            yield _new_write((key, before, blob))
