"""The stream views of one source as a writer takes them: rows come from frames, marks and newest times from the online store.

The rule: what several views read of the same entries is decoded once.
"""

from collections.abc import Sequence

import polars as pl

from tilefold.declaration.sources import Source
from tilefold.serving.context import ViewContext
from tilefold.serving.stream_ports import Entries, StreamTarget
from tilefold.serving.stream_rows import Rows, ViewRows
from tilefold.stores.cached_mark import CachedMark
from tilefold.stores.event_log import EventLog
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.stream_log import events_of
from tilefold.stores.stream_payload import decode_frame

_KEPT_FRAMES = 8


class ViewTargets:
    """The targets of a source's views.

    Parameters
    ----------
    contexts
        The source's stream views that are kept online.
    marks
        The marks as this process knows them.
    """

    def __init__(
        self, source: Source, event_log: EventLog, contexts: Sequence[ViewContext], online: OnlineStore, marks: CachedMark
    ) -> None:
        self._timestamp, self._event_log, self._online, self._marks = source.timestamp_field, event_log, online, marks
        self._known: dict[tuple[tuple[int, int, int, int], ...], pl.DataFrame] = {}
        self.targets = [self.target(context) for context in contexts]

    def _frame(self, entries: Entries) -> pl.DataFrame:
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
        events = {shard: events_of(some) for shard, some in entries.items()}
        events = {shard: some for shard, some in events.items() if some}
        if not events:
            return None
        newest: int | None = self._frame(events).select(pl.col(self._timestamp).dt.timestamp("us").max()).item()
        return newest

    def target(self, context: ViewContext) -> StreamTarget:
        """A version of a view as a writer takes it."""
        view, rows, online = context.view, ViewRows(context), self._online
        prefix = online.entity_key(view.name, view.version, "")
        known = (view.name, view.version)
        ends_at_newest = view.leading_edge == "latest_event"

        def rows_of(entries: Entries) -> Rows:
            return rows.of(self._frame(entries))

        return StreamTarget(
            name=view.name,
            version=view.version,
            folder=context.stream_folder,
            codec=context.stream_codec,
            ttl_ms=context.ttl_ms,
            key_of=lambda entity: prefix + entity.encode(),
            rows=rows_of,
            mark=lambda: self._marks.get(*known),
            from_us=(lambda: online.streams.latest(view.source.name)) if ends_at_newest else (lambda: None),
            forget_mark=lambda: self._marks.forget(*known),
        )
