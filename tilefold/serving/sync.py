"""Sync: compacted table -> online store.

The rule, for compaction `(E, n)`: it is entered in the view's list of begun syncs before its first key. A key is skipped only
if its part equals the one in the committed compaction AND in every begun one; where one of these is missing, all keys are
written. Each part is written by a compare of stamps in the server, and the mark moves last, by the same compare. So a crash
anywhere, a repeat, or a sleeper that wakes up late leaves every key right. Compactions are read from one version of their
table, taken after the begin: what is pruned meanwhile is there to the end.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tilefold.engine.codec import Part, seal, seal_many
from tilefold.engine.compact import PART
from tilefold.engine.entity import entity_expr
from tilefold.engine.layout import FIRST
from tilefold.engine.mark import Mark
from tilefold.engine.plan import first_start_us
from tilefold.engine.time import to_datetime
from tilefold.errors import ConflictError, FormatError, InputError, complaint
from tilefold.serving.context import ViewContext, require_online
from tilefold.serving.reports import SyncReport
from tilefold.serving.seeding import Seeding, needs_seed, note_newest
from tilefold.stores.compacted_snapshot import CompactedSnapshot
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.stream_log import StreamLog

KEYS_PER_BATCH = 5_000
Progress = Callable[[int, int], None]  # keys done, keys in all


def no_progress(done: int, total: int) -> None:
    """Tell nobody."""
    del done, total


@dataclass(frozen=True, slots=True)
class StreamSide:
    """What a sync of a stream view needs beside: the log, and what time it is."""

    log: StreamLog
    now_us: int


@dataclass(slots=True)
class _Tally:
    written: int = 0
    unchanged: int = 0
    removed: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Work:
    """The keys of a bucket that must be written: entity and part; an empty part where the key is emptied."""

    rows: pl.DataFrame
    unchanged: int


def run_sync(
    context: ViewContext,
    online: OnlineStore,
    as_of_us: int,
    *,
    full: bool = False,
    progress: Progress = no_progress,
    stream: StreamSide | None = None,
) -> SyncReport:
    """Bring the online store to the newest compaction at a watermark; with `full` every key is written.

    Parameters
    ----------
    stream
        Of a stream view the log whose stream it takes; its stream parts are seeded where they are not, or with `full`.

    Raises
    ------
    InputError
        If no compaction at this watermark exists.
    ConflictError
        If it was pruned before the sync began.
    NotOnlineError
        If the view is declared `online=False`.
    StoreUnavailableError, StoreFullError
        The store failed; repeating the sync is safe.
    """
    require_online(context.view)
    epoch = context.compacted.latest(as_of_us)
    if epoch is None:
        thing, rule = f"view '{context.view.name}'", "only a compaction that exists can be synced"
        raise InputError(complaint(thing, rule, str(to_datetime(as_of_us)), "Compact it first, or use materialize."))
    return _Sync(context, online, Mark(as_of_us, epoch), progress, full=full, stream=stream).run()


class _Sync:
    """One sync from begin to commit."""

    def __init__(
        self,
        context: ViewContext,
        online: OnlineStore,
        mark: Mark,
        progress: Progress,
        *,
        full: bool,
        stream: StreamSide | None,
    ) -> None:
        self._stream = stream
        self._context, self._online, self._mark, self._progress = context, online, mark, progress
        self._name, self._version = context.view.name, context.view.version
        self._full = full
        self._compactions = context.compacted.snapshot()
        self._tally = _Tally()
        self._emptied: set[bytes] = set()
        self._began = time.monotonic()
        self._ttl_ms = context.ttl_ms

    def run(self) -> SyncReport:
        if not self._online.begin(self._name, self._version, self._mark):
            return self._report(superseded=True, full=False)
        self._compactions = self._pinned()
        committed = self._online.mark(self._name, self._version)  # after begin: a store emptied before it shows none
        bases = self._bases(committed)
        to_remove = self._online.emptied(self._name, self._version) if committed else set()
        if self._context.ends_at_newest:
            note_newest(self._context, self._online, self._context.log.snapshot())
        seeding = self._seeding(committed)
        seeded = seeding.write() if seeding else None
        done = (seeding is None or seeded is not None) and all(self._write(work) for work in self._work(bases))
        if not done or not self._online.commit(self._name, self._version, self._mark, seeded):
            return self._report(superseded=True, full=bases is None)
        if committed and to_remove:
            self._remove(to_remove - self._emptied, committed)
        return self._report(superseded=False, full=bases is None)

    def _seeding(self, committed: Mark | None) -> Seeding | None:
        """Of a stream view that does not take its log: what writes its stream parts."""
        stream = self._stream
        if stream is None or not (self._full or needs_seed(self._context, self._online, stream.log)):
            return None
        return Seeding(self._context, self._online, stream.log, committed or self._mark, stream.now_us)

    def _pinned(self) -> CompactedSnapshot:
        """The compactions as they are now that the sync has begun; from here on a prune spares this one."""
        there = self._context.compacted.snapshot()
        if (self._mark.watermark_us, self._mark.epoch) not in there.partitions():
            thing, rule = f"view '{self._name}'", "its compaction must stay while it is synced, but was pruned"
            raise ConflictError(complaint(thing, rule, str(self._mark), "Compact it again, or use materialize."))
        return there

    def _remove(self, keys: set[bytes], below: Mark) -> None:
        """Delete keys that an earlier committed sync emptied and that are empty still."""
        self._online.remove_emptied(self._name, self._version, keys, below)
        self._online.forget_emptied(self._name, self._version, keys)

    def _bases(self, committed: Mark | None) -> list[Mark] | None:
        """The compactions whose parts the store's keys may have; None where they are not all known."""
        begun = [mark for mark in self._online.begun(self._name, self._version) if mark != self._mark]
        wanted = [*([committed] if committed else []), *begun]
        known = {Mark(*each) for each in self._compactions.partitions()}
        return wanted if committed and not self._full and known.issuperset(wanted) else None

    def _work(self, bases: list[Mark] | None) -> Iterator[_Work]:
        for bucket in range(self._context.tile_table().buckets):
            new = self._parts(self._mark, bucket)
            if bases is None:
                yield _Work(new.drop(FIRST), 0)
            else:
                yield self._difference(new, [self._parts(base, bucket) for base in bases])

    def _parts(self, mark: Mark, bucket: int) -> pl.DataFrame:
        rows = self._compactions.scan(mark.watermark_us, mark.epoch, bucket)
        return rows.select(entity_expr(self._context.layout.join_keys), PART, FIRST).collect()

    def _difference(self, new: pl.DataFrame, bases: Sequence[pl.DataFrame]) -> _Work:
        """Keys whose part differs from that in some base."""
        start = first_start_us(self._context.windows, self._mark.watermark_us)
        changed = [self._changed(new, base, start) for base in bases]
        names = pl.concat([rows.select("entity") for rows in changed]).unique()
        rows = names.join(new.select("entity", PART), on="entity", how="left").with_columns(pl.col(PART).fill_null(b""))
        return _Work(rows, new.height - rows.filter(pl.col(PART) != b"").height)

    def _changed(self, new: pl.DataFrame, base: pl.DataFrame, start_us: int) -> pl.DataFrame:
        both = new.join(base, on="entity", how="full", coalesce=True, suffix="_base")
        differs = both.filter(pl.col(PART).ne_missing(pl.col(f"{PART}_base")))
        # A base part may still hold tiles that no window reaches any more: equal without them is equal.
        aged = pl.col(f"{FIRST}_base") < start_us
        suspects = differs.filter(aged)
        if not suspects.height:
            return differs
        grain = self._context.layout.grain_us
        same = [
            self._equal_in_reach(one, other, start_us // grain)
            for one, other in suspects.select(PART, f"{PART}_base").iter_rows()
        ]
        return pl.concat([differs.filter(~aged.fill_null(value=False)), suspects.filter(~pl.Series(same))])

    def _equal_in_reach(self, new: bytes | None, base: bytes, start: int) -> bool:
        """Whether two parts hold the same tiles from a cell on."""
        decode = self._context.codec.decode
        tiles = _tiles(decode(seal(new or b"", self._mark)))
        before = [tile for tile in _tiles(decode(seal(base, self._mark))) if tile[1] >= start]
        return tiles == before

    def _write(self, work: _Work) -> bool:
        """Write the keys of a bucket; False where a newer sync has taken over."""
        self._tally.unchanged += work.unchanged
        for batch in work.rows.iter_slices(KEYS_PER_BATCH):
            if not self._write_batch(batch):
                return False
            self._progress(self._tally.written, self._tally.written + work.rows.height)
        return True

    def _write_batch(self, batch: pl.DataFrame) -> bool:
        entity_key = self._online.entity_key
        keys = [entity_key(self._name, self._version, entity) for entity in batch["entity"].to_list()]
        parts = batch[PART].to_list()
        emptied = [key for key, part in zip(keys, parts, strict=True) if not part]
        if emptied:
            self._online.note_emptied(self._name, self._version, emptied)
            self._emptied.update(emptied)
        if self._full:
            self._drop_broken(keys)
        blobs = seal_many(parts, self._mark)
        if not self._online.write_parts(self._name, self._version, self._mark, keys, blobs, self._ttl_ms):
            return False
        self._tally.written += len(keys) - len(emptied)
        self._tally.removed += len(emptied)
        self._tally.bytes += sum(map(len, blobs))
        return True

    def _drop_broken(self, keys: Sequence[bytes]) -> None:
        """Remove parts that cannot be read: their stamps say nothing, and would stop the sync."""
        for key, (data, _) in zip(keys, self._online.read_many(keys), strict=True):
            try:
                self._context.codec.decode(data or seal(b"", self._mark))
            except FormatError:
                self._online.drop_part(key)

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


def _tiles(part: Part) -> list[tuple[Any, ...]]:
    """The tiles of a part, each as (first, last, components), in cells since 1970."""
    return [
        (first + part.base, last + part.base, *states)
        for first, last, *states in zip(part.first, part.last, *part.columns, strict=True)
    ]
