"""The stream side of one source in one process: who takes the stream, and how events become visible.

The rule: a view takes the stream from where the log ends as long as its source never had an event; later it is seeded by its
first sync. Shards that no writer process owns are folded here, before `ingest` returns.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from tilefold.declaration.views import FeatureView
from tilefold.errors import StoreUnavailableError, complaint
from tilefold.serving.stream_beside import Known, VersionsBeside
from tilefold.serving.stream_ports import Entries, StreamTarget
from tilefold.serving.stream_standing import Standing, standing_of
from tilefold.serving.stream_writer import StreamWriter
from tilefold.stores.stream_log import Place, StreamLog
from tilefold.stores.stream_parts import StreamParts, Taken, log_number

VISIBLE_TIMEOUT_S = 30.0
_POLL_S = 0.002
_OWNERS_S = 0.5  # how often it is asked who owns a shard that somebody waits for: an owner may have been killed


class DeskViews(Protocol):
    """The views of a desk, and what is known of entries of the log; see `ViewTargets`."""

    @property
    def targets(self) -> Sequence[StreamTarget]:
        """The source's stream views that are kept online."""
        ...

    def newest_us(self, entries: Entries) -> int | None:
        """The time of the newest event among some entries; None where there is none."""
        ...


class LogVersion(Protocol):
    """One version of an event log; see `LogSnapshot`."""

    def has_history(self) -> bool:
        """Whether it holds any event."""
        ...


class HistoryLog(Protocol):
    """What a desk needs of the event log; see `EventLog`."""

    def snapshot(self) -> LogVersion:
        """The newest version."""
        ...


class StreamDesk:
    """What a process does with the stream of one source; safe to share among threads.

    Parameters
    ----------
    now_us
        The clock.
    now_s
        A clock that never goes back, in seconds.
    beside
        The other versions of these views; None where there are none.
    """

    def __init__(
        self,
        source: str,
        log: StreamLog,
        event_log: HistoryLog,
        views: DeskViews,
        streams: StreamParts,
        now_us: Callable[[], int],
        now_s: Callable[[], float] = time.monotonic,
        beside: VersionsBeside | None = None,
    ) -> None:
        self.source, self.log, self._beside = source, log, beside
        self._event_log, self._views, self._streams, self._now_s = event_log, views.targets, streams, now_s
        self._lock = threading.RLock()
        self._registered = False
        self._folded_here: set[int] = set()
        self.writer = StreamWriter(source, log, streams, views.targets, now_us, views.newest_us, now_s)

    def register(self) -> None:
        """Let views take the stream from here on, if the source never had an event; others wait for their first sync."""
        if self._registered:
            return
        with self._lock:
            number, streams = log_number(self.log.incarnation), self._streams
            new = [view for view in self._views if streams.taken(view.name, view.version) is None]
            if new:
                ends = self.log.ends()  # before it is asked whether there was an event: one in between lies behind them
                if self.log.events() == 0 and not self._event_log.snapshot().has_history():
                    for view in new:
                        streams.register(view.name, view.version, Taken(number, ends))
            if self._beside is not None and all(streams.taken(*known) is not None for known in self._own):
                self._beside.serve_first()
            self._look()
            self._registered = True

    def takes(self, view: FeatureView) -> bool:
        """Whether a view takes this log's stream."""
        taken = self._streams.taken(view.name, view.version)
        return taken is not None and taken.log == log_number(self.log.incarnation)

    def make_visible(self, positions: Mapping[int, int], *, wait: bool, timeout_s: float = VISIBLE_TIMEOUT_S) -> None:
        """Fold the shards that nobody owns; with `wait`, return when the owners of the others have folded theirs too.

        Raises
        ------
        StoreUnavailableError
            With `wait`: the owners take too long.
        """
        deadline_s = self._now_s() + timeout_s
        left = dict(positions) if self._views else {}
        while left:
            owned = self._streams.owners(self.source, list(left))
            if len(owned) < len(left):
                self._meet()
            self._take_over(left.keys(), owned.keys())
            self.fold({shard: end for shard, end in left.items() if shard not in owned})
            left = {shard: end for shard, end in left.items() if shard in owned}
            if not wait or self._becomes_visible(left, min(deadline_s, self._now_s() + _OWNERS_S)):
                return
            if self._now_s() >= deadline_s:
                mend = "Look whether `tilefold write-stream` runs and what it says; the events are durable."
                thing, rule = f"source '{self.source}'", "its writer must fold events in time"
                raise StoreUnavailableError(complaint(thing, rule, f"{timeout_s:g} s", mend))

    def wait_for_all(self, timeout_s: float = VISIBLE_TIMEOUT_S) -> None:
        """Return when every version that takes the stream holds what the log holds now; before a switch.

        Raises
        ------
        StoreUnavailableError
            The writers that own the shards take too long, or know nothing of a version.
        """
        self.register()
        self.look()
        self.make_visible({shard: end.position for shard, end in self.log.ends().items()}, wait=True, timeout_s=timeout_s)

    def claim(self, writer: bytes, lease_ms: int, report: bytes) -> list[int]:
        """The shards that a writer process owns from here on; see `StreamParts.claim`."""
        return self._streams.claim(self.source, writer, self.log.shards, lease_ms, report)

    def release(self, writer: bytes) -> None:
        """Let go of all that a writer process owns."""
        self._streams.release(self.source, writer, self.log.shards)

    def standing(self) -> Standing:
        """How far the stream is written, and who writes it."""
        return standing_of(self.source, self.log, self._streams, self.written())

    def written(self) -> dict[int, int] | None:
        """Of each shard the position up to which all views that take the stream hold it; None where none does."""
        if self._beside is not None:
            self._beside.look()
        places = self._places_of_all()
        shards = range(self.log.shards)
        return {shard: min(held[shard].position for held in places) for shard in shards} if places else None

    @property
    def _own(self) -> list[Known]:
        return [(view.name, view.version) for view in self._views]

    def _places_of_all(self) -> list[Mapping[int, Place]]:
        """How far each version is that takes the log, of those that hold it back."""
        known = [*self._own, *(self._beside.held if self._beside is not None else ())]
        taken = [self._streams.taken(*each) for each in known]
        number = log_number(self.log.incarnation)
        return [each.places for each in taken if each is not None and each.log == number]

    def _meet(self) -> None:
        """Write versions that have come up since, beside the others."""
        with self._lock:
            if self._took_others():
                self.writer.look()

    def _look(self) -> None:
        """Ask which versions there are, and where they stand; the lock is held."""
        self._took_others()
        self.writer.look()

    def _took_others(self) -> bool:
        """Whether the writer has other versions to write than before, which it takes on; the lock is held."""
        if self._beside is None:
            return False
        self._beside.look()
        wanted = [*self._views, *self._beside.targets]
        if [(each.name, each.version) for each in wanted] == [(v.target.name, v.target.version) for v in self.writer.views]:
            return False
        self.writer.take(wanted)
        return True

    def fold(self, positions: Mapping[int, int]) -> None:
        """Fold these shards up to these positions, in this process."""
        with self._lock:
            if any(view.places is None for view in self.writer.views):
                self.writer.look()  # a process that has just begun, or a view that takes the stream by now
            while behind := self._behind(positions):
                if not self.writer.step(behind).entries:
                    break

    def _take_over(self, shards: Collection[int], owned: Collection[int]) -> None:
        """Ask where the views stand if others have folded some of these shards since."""
        free = set(shards) - set(owned)
        if not free <= self._folded_here:
            self.look()
        self._folded_here = (self._folded_here - set(owned)) | free

    def look(self) -> None:
        """Ask again which views take the stream; after a sync."""
        with self._lock:
            self._look()

    def catch_up(self) -> None:
        """Look where the views stand after a sync, and fold what they lack and nobody else folds."""
        self.look()
        self.make_visible({shard: place.position for shard, place in self.log.ends().items()}, wait=False)

    def _becomes_visible(self, positions: Mapping[int, int], deadline_s: float) -> bool:
        """Wait until whoever owns these shards has made them visible up to these positions; whether that was in time."""
        while not self._is_visible(positions):
            if self._now_s() >= deadline_s:
                return False
            time.sleep(_POLL_S)
        return True

    def _is_visible(self, positions: Mapping[int, int]) -> bool:
        """Whether every view that takes the stream has come so far."""
        if self._beside is not None:
            self._beside.look()
        places = self._places_of_all()
        return all(held[shard].position >= end for held in places for shard, end in positions.items() if shard in held)

    def _behind(self, positions: Mapping[int, int]) -> list[int]:
        places = self.writer.places(list(positions))
        return [shard for shard, place in places.items() if place < positions[shard]]
