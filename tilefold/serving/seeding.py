"""Seeding: writes all stream parts of a view anew, from the event log.

The rule: a view takes a log's stream from a place before which its stream parts hold everything that its batch parts do not.
Where it never took it, or the store or the log was lost, a sync writes such parts itself: of the rows that the event log holds,
those at or after the watermark or of a later epoch than the mark, at the drained places. It drains once the writers have left,
so that nothing disappears that stream parts have shown. The places count from the commit of the mark on, in the same step, and
the writer goes on behind them. A token lets the last seeding alone write: two that mix their parts would start from different
places.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from random import Random
from typing import Protocol

from tilefold.engine.mark import Mark
from tilefold.engine.merge import is_covered
from tilefold.engine.stream_codec import StreamCodec
from tilefold.engine.stream_fold import StreamFolder
from tilefold.engine.stream_part import Row, StreamPart
from tilefold.engine.time import DAY_US, day_start_us
from tilefold.serving.stream_pieces import is_behind
from tilefold.serving.stream_view import REVISION_BITS
from tilefold.stores.stream_log import Place, StreamLog
from tilefold.stores.stream_parts import TOKEN_BYTES, Seeded, Taken, log_number

KEYS_PER_BATCH = 2_000


class SeedStore(Protocol):
    """What a seeding needs of the online store; see `StreamParts`."""

    def taken(self, view: str, version: str) -> Taken | None:
        """Which log the view takes, and how far."""
        ...

    def begin_seed(self, view: str, version: str, token: bytes) -> None:
        """Take the view from the writers, to write all of its stream parts anew."""
        ...

    def seed(
        self, view: str, version: str, token: bytes, keys: Sequence[bytes], blobs: Sequence[bytes], ttl_ms: int | None
    ) -> bool:
        """Write stream parts, whatever is there; False where another seeding has taken over."""
        ...

    def keep_only(self, view: str, version: str, token: bytes, keys: Collection[bytes]) -> bool:
        """Remove the stream parts of all other entities; False where another seeding has taken over."""
        ...


class History(Protocol):
    """What a seeding needs of one version of the event log.

    Attributes
    ----------
    buckets
        Into how many parts of the keys it is split: one of them is in memory at a time.
    """

    @property
    def buckets(self) -> int: ...  # noqa: D102 - see above

    def drained(self, incarnation: str, shards: Iterable[int]) -> dict[int, Place]:
        """Of each shard of a stream log the place up to which this version holds it."""
        ...

    def days(self) -> Mapping[date, int]:
        """Every UTC date that holds events, with the newest epoch among them."""
        ...

    def rows(
        self, day: date, bucket: int, since_us: Callable[[int], int | None]
    ) -> Iterator[tuple[int, Mapping[str, list[Row]]]]:
        """The rows of a date and bucket, by epoch and entity; of each epoch those from a time on, all where it is None."""
        ...


@dataclass(frozen=True, slots=True)
class SeededView:
    """A stream view as a seeding sees it.

    Attributes
    ----------
    key_of
        Makes the online key of an entity's text.
    from_us
        The earliest time that reads may have, where it is not the clock.
    """

    name: str
    version: str
    folder: StreamFolder
    codec: StreamCodec
    ttl_ms: int | None
    key_of: Callable[[str], bytes]
    from_us: Callable[[], int | None] = field(default=lambda: None)


def needs_seed(view: SeededView, store: SeedStore, log: StreamLog) -> bool:
    """Whether the view does not take this log, or takes it from a place that the log has trimmed."""
    taken = store.taken(view.name, view.version)
    if taken is None or taken.log != log_number(log.incarnation):
        return True
    return is_behind(taken.places, log.starts())


class Seeding:
    """One seeding of a view's stream parts.

    Parameters
    ----------
    history
        Pins the event log's newest version.
    mark
        Of the sync that seeds: what batch parts will hold at least, where none is committed.
    committed
        Asks for the view's committed mark. What it is once the writers have left stays, since no other sync commits then.
    now_us
        The clock, for which rows of busy keys are settled.
    drain
        Brings the event log up to where the stream log ends.
    chance
        Where tokens and revisions are drawn.
    """

    def __init__(
        self,
        view: SeededView,
        store: SeedStore,
        log: StreamLog,
        history: Callable[[], History],
        mark: Mark,
        committed: Callable[[], Mark | None],
        now_us: int,
        drain: Callable[[], object],
        chance: Random | None = None,
    ) -> None:
        self._view, self._store, self._now_us = view, store, now_us
        self._chance = chance or secrets.SystemRandom()
        self._token = self._chance.randbytes(TOKEN_BYTES)
        self._log = log_number(log.incarnation)
        store.begin_seed(view.name, view.version, self._token)
        self._base = committed() or mark
        drain()
        self._history = history()  # after `begin_seed`: an earlier seeding has an earlier one
        self._places = self._history.drained(log.incarnation, range(log.shards))
        self._written: set[bytes] = set()

    def write(self) -> Seeded | None:
        """Write all parts, and remove what others have written; None where another seeding has taken over."""
        if not all(self._write_bucket(number) for number in range(self._history.buckets)):
            return None
        # The rows of any other part (of another log, or wrong) are lost, in batch parts, or behind the drained places.
        if not self._store.keep_only(self._view.name, self._view.version, self._token, self._written):
            return None
        return Seeded(self._token, Taken(self._log, self._places))

    def _write_bucket(self, bucket: int) -> bool:
        parts: dict[str, StreamPart] = {}
        for epoch, rows in self._rows(bucket):
            for entity, some in rows.items():
                part = parts.get(entity)
                if part is None:
                    part = parts[entity] = self._empty()
                self._view.folder.add(part, epoch, some)
        names = list(parts)
        starts = range(0, len(names), KEYS_PER_BATCH)
        return all(self._write_parts(names[start : start + KEYS_PER_BATCH], parts) for start in starts)

    def _empty(self) -> StreamPart:
        positions = {shard: place.position for shard, place in self._places.items()}
        return StreamPart(self._log, self._chance.getrandbits(REVISION_BITS) + 1, positions)

    def _write_parts(self, names: Sequence[str], parts: Mapping[str, StreamPart]) -> bool:
        view, from_us = self._view, self._view.from_us()
        for name in names:
            view.folder.tidy(parts[name], self._base, self._now_us, from_us)
        keys = [view.key_of(name) for name in names]
        blobs = [view.codec.encode(parts[name]) for name in names]
        self._written.update(keys)
        return self._store.seed(view.name, view.version, self._token, keys, blobs, view.ttl_ms)

    def _rows(self, bucket: int) -> Iterator[tuple[int, Mapping[str, list[Row]]]]:
        """The rows that batch parts do not hold, by epoch."""
        for day, newest_epoch in self._history.days().items():
            if day_start_us(day) + DAY_US > self._base.watermark_us or not is_covered(newest_epoch, self._base):
                yield from self._history.rows(day, bucket, self._since_us)

    def _since_us(self, epoch: int) -> int | None:
        """From when on batch parts do not hold rows of an epoch; None where they hold none of them."""
        return self._base.watermark_us if is_covered(epoch, self._base) else None
