"""Sync: compacted table -> online store.

The rule, for compaction `(E, n)`: it is entered in the view's list of begun syncs before its first key. A key is skipped only
if its part equals the one in the committed compaction AND in every begun one; where one of these is missing, all keys are
written, and what else the store holds is emptied. Each part is written by a compare of stamps in the server, and the mark
moves last, by the same compare. So a crash anywhere, a repeat, or a sleeper that wakes up late leaves every key right.
Compactions are read from one version of their table, taken after the begin: what is pruned meanwhile is there to the end.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tilefold.engine.codec import seal_many
from tilefold.engine.mark import Mark
from tilefold.engine.time import to_datetime
from tilefold.errors import ConflictError, complaint
from tilefold.serving.reports import SyncReport
from tilefold.serving.seeding import Seeding
from tilefold.serving.sync_ports import Compactions, SyncedView, SyncStore, Work
from tilefold.stores.script_runner import batched

OTHERS_AT_ONCE = 1_000
Progress = Callable[[int, int], None]  # keys done, keys in all
Seed = Callable[[Mark], Seeding | None]


def no_progress(done: int, total: int) -> None:
    """Tell nobody."""
    del done, total


def nothing_more() -> None:
    """Do nothing."""


def no_seed(mark: Mark) -> None:
    """For a view without a stream."""
    del mark


@dataclass(slots=True)
class _Tally:
    written: int = 0
    unchanged: int = 0
    removed: int = 0
    bytes: int = 0


class Sync:
    """One sync from begin to commit.

    Parameters
    ----------
    compactions
        Pins the newest version of the compacted table.
    seed
        What writes the stream parts of a view that needs it, given the mark of the sync.
    full
        Write every key, whatever the store seems to hold.
    begun
        What to do once the sync has begun and knows what it writes, before its first key.
    """

    def __init__(
        self,
        view: SyncedView,
        store: SyncStore,
        compactions: Callable[[], Compactions],
        mark: Mark,
        *,
        seed: Seed = no_seed,
        full: bool = False,
        progress: Progress = no_progress,
        begun: Callable[[], None] = nothing_more,
    ) -> None:
        self._view, self._store, self._pin, self._mark = view, store, compactions, mark
        self._name, self._version = view.name, view.version
        self._seed, self._full, self._progress, self._begun = seed, full, progress, begun
        self._tally = _Tally()
        self._emptied: set[bytes] = set()
        self._written: set[bytes] | None = None  # the keys, where others are to be emptied
        self._began = time.monotonic()

    def run(self) -> SyncReport:
        """Sync.

        Raises
        ------
        ConflictError
            If the compaction was pruned before the sync began.
        StoreUnavailableError, StoreFullError
            The store failed; repeating the sync is safe.
        """
        if not self._store.begin(self._name, self._version, self._mark):
            return self._report(superseded=True, full=False)
        compactions = self._pinned()
        committed = self._store.mark(self._name, self._version)  # after begin: a store emptied before it shows none
        wanted = self._wanted(committed)
        bases = wanted if committed and not self._full and set(compactions.marks()).issuperset(wanted) else None
        if bases is None and (wanted or self._full):  # else it is the first one: nothing is there yet
            self._written = set()
        to_remove = self._store.emptied(self._name, self._version) if committed else set()
        seeding = self._seed(self._mark)
        self._begun()  # not before: a seeding brings the event log up to the stream, and writes what it finds there
        seeded = seeding.write() if seeding else None
        done = (seeding is None or seeded is not None) and self._write_all(compactions, bases) and self._empty_others()
        if not done or not self._store.commit(self._name, self._version, self._mark, seeded):
            return self._report(superseded=True, full=bases is None)
        if committed and to_remove:
            self._remove(sorted(to_remove - self._emptied), committed)
        return self._report(superseded=False, full=bases is None)

    def _pinned(self) -> Compactions:
        """The compactions as they are now that the sync has begun; from here on a prune spares this one."""
        there = self._pin()
        if self._mark not in there.marks():
            thing, rule = f"view '{self._name}'", "its compaction must stay while it is synced, but was pruned"
            raise ConflictError(complaint(thing, rule, str(self._mark), "Compact it again, or use materialize."))
        return there

    def _remove(self, keys: Sequence[bytes], below: Mark) -> None:
        """Delete keys that an earlier committed sync emptied and that are empty still."""
        self._store.remove_emptied(self._name, self._version, keys, below)
        self._store.forget_emptied(self._name, self._version, keys)

    def _wanted(self, committed: Mark | None) -> list[Mark]:
        """The compactions whose parts the store's keys may have."""
        begun = [mark for mark in self._store.begun(self._name, self._version) if mark != self._mark]
        return [*([committed] if committed else []), *begun]

    def _write_all(self, compactions: Compactions, bases: list[Mark] | None) -> bool:
        """Write what differs; False where a newer sync has taken over."""
        return all(self._write(compactions.work(self._mark, bases, bucket)) for bucket in range(compactions.buckets))

    def _write(self, work: Work) -> bool:
        self._tally.unchanged += work.unchanged
        for entities, parts in work.batches:
            if not self._write_batch(entities, parts):
                return False
            self._progress(self._tally.written, self._tally.written + work.keys)
        return True

    def _write_batch(self, entities: Sequence[str], parts: Sequence[bytes]) -> bool:
        keys = [self._view.key_of(entity) for entity in entities]
        if self._written is not None:
            self._written.update(keys)
        return self._write_keys(keys, parts)

    def _empty_others(self) -> bool:
        """Empty the keys that this compaction does not have, where it is not known which the store's others had."""
        if self._written is None:
            return True
        others = self._store.others(self._name, self._version, self._written)
        return all(self._write_keys(some, [b""] * len(some)) for some in batched(others, OTHERS_AT_ONCE))

    def _write_keys(self, keys: Sequence[bytes], parts: Sequence[bytes]) -> bool:
        emptied = [key for key, part in zip(keys, parts, strict=True) if not part]
        if emptied:
            self._store.note_emptied(self._name, self._version, emptied)
            self._emptied.update(emptied)
        if self._full:
            self._view.drop_broken(keys)
        blobs = seal_many(parts, self._mark)
        if not self._store.write_parts(self._name, self._version, self._mark, keys, blobs, self._view.ttl_ms):
            return False
        self._tally.written += len(keys) - len(emptied)
        self._tally.removed += len(emptied)
        self._tally.bytes += sum(map(len, blobs))
        return True

    def _report(self, *, superseded: bool, full: bool) -> SyncReport:
        tally = self._tally
        return SyncReport(
            view=self._name,
            as_of=to_datetime(self._mark.watermark_us),
            epoch=self._mark.epoch,
            written=tally.written,
            unchanged=tally.unchanged,
            removed=tally.removed,
            bytes=tally.bytes,
            superseded=superseded,
            full=full,
            duration_s=time.monotonic() - self._began,
        )
