"""The stream writer of one source: log -> stream parts of all views that take it.

The rule: it goes on where the views' places say, so it needs no memory of its own: after a crash, or beside another writer,
each key takes what it lacks. It reads no more than a batch at a time, so its memory is bounded; what it has not read waits in
the log, which refuses new events before it loses any.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tilefold.serving.stream_pieces import is_behind
from tilefold.serving.stream_ports import Entries, PartStore, StreamTarget
from tilefold.serving.stream_view import ViewWriter
from tilefold.stores.stream_log import Place, StreamLog
from tilefold.stores.stream_parts import log_number

BATCH_EVENTS = 10_000
LOOK_S = 1.0
"""How often it asks whether a view that takes no stream yet does so now."""


class WriterStore(PartStore, Protocol):
    """What a writer needs of the online store; see `StreamParts`."""

    def note_latest(self, source: str, latest_us: int) -> None:
        """Note the time of an event of a source."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: how many entries it read, and the places behind them."""

    entries: int
    ends: Mapping[int, int]


class StreamWriter:
    """Folds one source's log into the stream parts of its views; one thread at a time.

    Parameters
    ----------
    now_us
        The clock.
    newest_us
        The time of the newest event among some entries; None where there is none.
    now_s
        A clock that never goes back, in seconds.
    """

    def __init__(
        self,
        source: str,
        log: StreamLog,
        store: WriterStore,
        targets: Sequence[StreamTarget],
        now_us: Callable[[], int],
        newest_us: Callable[[Entries], int | None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._log, self._store = source, log, store
        self._now_us, self._newest_us, self._now_s = now_us, newest_us, now_s
        self._number = log_number(log.incarnation)
        self.views = [ViewWriter(target, store, self._number) for target in targets]
        self._looked_s = float("-inf")

    def look(self) -> None:
        """Ask of every view where it stands; asked again at once where the store does not answer."""
        self._looked_s = float("-inf")
        starts = self._log.starts()
        for view in self.views:
            view.look(starts)
        self._looked_s = self._now_s()

    def take(self, targets: Sequence[StreamTarget]) -> None:
        """Write these views from here on; those that it writes already go on where they are."""
        known = {(view.target.name, view.target.version): view for view in self.views}
        own = [known.get((target.name, target.version)) for target in targets]
        pairs = zip(own, targets, strict=True)
        self.views = [ViewWriter(target, self._store, self._number) if view is None else view for view, target in pairs]

    def step(self, shards: Collection[int] | None = None, limit: int = BATCH_EVENTS, wait_ms: int = 0) -> Step:
        """Fold about `limit` entries of these shards (all where None), waiting for the first of them.

        Raises
        ------
        StoreUnavailableError, StoreFullError
            The log or the online store failed: stepping again goes on where it stopped.
        """
        if any(view.places is None for view in self.views) and self._now_s() - self._looked_s >= LOOK_S:
            self.look()
        read = self._read(shards, limit, wait_ms)
        if not read:
            return Step(0, {})
        newest_us = self._newest_us(read)
        if newest_us is not None:  # before the parts: a writer that dies in between comes back to these entries
            self._store.note_latest(self._source, newest_us)
        done = [view.fold(read, self._now_us()) for view in self.views]
        if not all(done):
            self.look()
        return Step(sum(map(len, read.values())), {shard: some[-1].position for shard, some in read.items()})

    def _read(self, shards: Collection[int] | None, limit: int, wait_ms: int) -> Entries:
        """What stands behind the places of all views, none of it missing.

        A log is never trimmed past a place; but a store that came back without its last writes has places of before, and a
        drain that still knew the others may trim meanwhile. So it is asked after the read where the log begins: a view that is
        behind that lapses.
        """
        while after := self.places(shards):
            read = self._log.read(after, limit, wait_ms)
            if not read:
                break
            starts = self._log.starts()
            if not any(view.places is not None and is_behind(view.places, starts) for view in self.views):
                return read
            self.look()
        return {}

    def places(self, shards: Collection[int] | None = None) -> dict[int, int]:
        """How far every view is, at least, in each of these shards; nothing where no view takes the log."""
        taking = [view.places for view in self.views if view.places is not None]
        wanted = range(self._log.shards) if shards is None else shards
        return {shard: min(_position(places, shard) for places in taking) for shard in wanted} if taking else {}

    def lag(self) -> int:
        """How many positions of the log are waiting, over all shards; positions may have gaps."""
        places, ends = self.places(), self._log.ends()
        return sum(max(ends[shard].position - position, 0) for shard, position in places.items() if shard in ends)


def _position(places: Mapping[int, Place], shard: int) -> int:
    return places[shard].position if shard in places else 0
