"""The stream side of one source in one process: who takes the stream, and how events become visible.

The rule: a view takes the stream from where the log ends as long as its source never had an event; later it is seeded by its
first sync. Shards that no writer process owns are folded here, before `ingest` returns.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import polars as pl

from tilefold.declaration.sources import Source
from tilefold.declaration.views import FeatureView
from tilefold.errors import StoreUnavailableError, complaint
from tilefold.serving.context import ViewContext
from tilefold.serving.reports import Receipt
from tilefold.serving.stream_rows import Rows, ViewRows
from tilefold.serving.stream_view import Entries, StreamTarget
from tilefold.serving.stream_writer import StreamWriter
from tilefold.stores.cached_mark import CachedMark
from tilefold.stores.event_log import EventLog
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.stream_log import Kind, StreamLog
from tilefold.stores.stream_parts import Taken, log_number
from tilefold.stores.stream_payload import decode_frame

VISIBLE_TIMEOUT_S = 30.0
_POLL_S = 0.002
_KEPT_FRAMES = 8


class _Decoder:
    """Turns entries of the log into frames; views that read the same ones share them."""

    def __init__(self, source: Source, event_log: EventLog) -> None:
        self._timestamp, self._event_log = source.timestamp_field, event_log
        self._known: dict[tuple[tuple[int, int, int, int], ...], pl.DataFrame] = {}

    def frame(self, entries: Entries) -> pl.DataFrame:
        """The events among entries."""
        key = tuple((shard, some[0].position, some[-1].position, len(some)) for shard, some in sorted(entries.items()))
        if key not in self._known:
            if len(self._known) >= _KEPT_FRAMES:
                self._known.pop(next(iter(self._known)))
            columns = self._event_log.columns
            assert columns is not None, "a stream source declares its columns"
            self._known[key] = decode_frame(entries, columns)
        return self._known[key]

    def newest_us(self, entries: Entries) -> int | None:
        """The time of the newest event."""
        events = {shard: [entry for entry in some if entry.kind is Kind.EVENT] for shard, some in entries.items()}
        events = {shard: some for shard, some in events.items() if some}
        if not events:
            return None
        newest: int | None = self.frame(events).select(pl.col(self._timestamp).dt.timestamp("us").max()).item()
        return newest


class StreamDesk:
    """What a process does with the stream of one source; safe to share among threads.

    Parameters
    ----------
    contexts
        The source's stream views that are kept online.
    marks
        The marks as this process knows them.
    now_us
        The clock.
    """

    def __init__(
        self,
        source: Source,
        log: StreamLog,
        event_log: EventLog,
        contexts: Sequence[ViewContext],
        online: OnlineStore,
        marks: CachedMark,
        now_us: Callable[[], int],
    ) -> None:
        self.source, self.log = source.name, log
        self._event_log, self._contexts, self._online, self._marks = event_log, contexts, online, marks
        self._decoder = _Decoder(source, event_log)
        self.rows = {context.view.name: ViewRows(context) for context in contexts}
        self._lock = threading.RLock()
        self._registered = False
        targets = [self._target(context) for context in contexts]
        self.writer = StreamWriter(source.name, log, online.streams, targets, now_us, self._decoder.newest_us)

    def register(self) -> None:
        """Let views take the stream from here on, if the source never had an event; others wait for their first sync."""
        if self._registered:
            return
        with self._lock:
            number, streams = log_number(self.log.incarnation), self._online.streams
            views = [context.view for context in self._contexts]
            new = [view for view in views if streams.taken(view.name, view.version) is None]
            if new:
                ends = self.log.ends()  # before it is asked whether there was an event: one in between lies behind them
                if self.log.events() == 0 and not self._event_log.snapshot().has_history():
                    for view in new:
                        streams.register(view.name, view.version, Taken(number, ends))
            self.writer.look()
            self._registered = True

    def takes(self, view: FeatureView) -> bool:
        """Whether a view takes this log's stream."""
        taken = self._online.streams.taken(view.name, view.version)
        return taken is not None and taken.log == log_number(self.log.incarnation)

    def behind(self, receipt: Receipt) -> Mapping[int, int]:
        """The positions up to which the events of a receipt are visible.

        Of a duplicate the first one counts, wherever it stands: whoever sent it may have been killed before it was folded.
        """
        if not receipt.duplicate:
            return receipt.positions
        return {shard: place.position for shard, place in self.log.ends().items()}

    def make_visible(self, positions: Mapping[int, int], *, wait: bool) -> None:
        """Fold the shards that nobody owns; with `wait`, return when the owners of the others have folded theirs too."""
        if not positions or not self._contexts:
            return
        owned = self._online.streams.owners(self.source, list(positions))
        self.fold({shard: end for shard, end in positions.items() if shard not in owned})
        if wait and owned:
            self.wait({shard: end for shard, end in positions.items() if shard in owned})

    def written(self) -> dict[int, int] | None:
        """Of each shard the position up to which all views that take the stream hold it; None where none does."""
        views = [context.view for context in self._contexts]
        taken = [self._online.streams.taken(view.name, view.version) for view in views]
        number = log_number(self.log.incarnation)
        places = [each.places for each in taken if each is not None and each.log == number]
        shards = range(self.log.shards)
        return {shard: min(held[shard].position for held in places) for shard in shards} if places else None

    def fold(self, positions: Mapping[int, int]) -> None:
        """Fold these shards up to these positions, in this process."""
        with self._lock:
            while behind := self._behind(positions):
                if not self.writer.step(behind).entries:
                    break

    def look(self) -> None:
        """Ask again which views take the stream; after a sync."""
        with self._lock:
            self.writer.look()

    def wait(self, positions: Mapping[int, int], timeout_s: float = VISIBLE_TIMEOUT_S) -> None:
        """Wait until whoever owns these shards has made them visible up to these positions.

        Raises
        ------
        StoreUnavailableError
            It takes too long.
        """
        deadline_s = time.monotonic() + timeout_s
        while not self._is_visible(positions):
            if time.monotonic() > deadline_s:
                mend = "Look whether `tilefold write-stream` runs and what it says; the events are durable."
                thing, rule = f"source '{self.source}'", "its writer must fold events in time"
                raise StoreUnavailableError(complaint(thing, rule, f"{timeout_s:g} s", mend))
            time.sleep(_POLL_S)

    def _is_visible(self, positions: Mapping[int, int]) -> bool:
        """Whether every view that takes the stream has come so far."""
        number = log_number(self.log.incarnation)
        views = [context.view for context in self._contexts]
        taken = [self._online.streams.taken(view.name, view.version) for view in views]
        places = [each.places for each in taken if each is not None and each.log == number]
        return all(held[shard].position >= end for held in places for shard, end in positions.items() if shard in held)

    def _behind(self, positions: Mapping[int, int]) -> list[int]:
        places = self.writer.places(list(positions))
        return [shard for shard, place in places.items() if place < positions[shard]]

    def _target(self, context: ViewContext) -> StreamTarget:
        view, rows, online = context.view, self.rows[context.view.name], self._online
        prefix = online.entity_key(view.name, view.version, "")

        def rows_of(entries: Entries) -> Rows:
            return rows.of(self._decoder.frame(entries))

        return StreamTarget(
            name=view.name,
            version=view.version,
            folder=context.stream_folder,
            codec=context.stream_codec,
            ttl_ms=context.ttl_ms,
            key_of=lambda entity: prefix + entity.encode(),
            rows=rows_of,
            mark=lambda: self._marks.get(view.name, view.version),
            from_us=(lambda: online.streams.latest(view.source.name)) if context.ends_at_newest else (lambda: None),
        )
