"""What a workspace is made of: its desks, contexts and readers, each made when it is first asked for and then kept.

The rule: it puts parts together and does nothing with them; `Workspace` does.
"""

import time
from collections.abc import Callable, Mapping

from tilefold.declaration.sources import Source
from tilefold.declaration.views import FeatureView
from tilefold.serving.context import ViewContext
from tilefold.serving.definitions import Definitions
from tilefold.serving.events import EventDesk
from tilefold.serving.home import Home
from tilefold.serving.read import ServiceReader, ViewReader
from tilefold.serving.sampling import Sampler, Sampling
from tilefold.serving.stream_desk import StreamDesk
from tilefold.serving.stream_targets import ViewTargets
from tilefold.stores.cached_mark import CachedMark
from tilefold.stores.event_log import EventLog
from tilefold.stores.stream_log import StreamLog

HISTORY_REFRESH_S = 1.0


class Assembly:
    """The parts of one workspace.

    Parameters
    ----------
    now_us
        The workspace's clock.
    sampling
        How much of what is read is sampled; None for nothing.
    """

    def __init__(
        self, definitions: Definitions, home: Home, now_us: Callable[[], int], sampling: Sampling | None = None
    ) -> None:
        self._definitions, self._home, self._now_us = definitions, home, now_us
        self.sampler = Sampler(sampling, now_us) if sampling is not None and sampling.rate else None
        self.marks = CachedMark(home.online.mark, connections=lambda: home.online.connections)
        self._events: dict[str, EventDesk] = {}
        self._contexts: dict[str, ViewContext] = {}
        self._streams: dict[str, StreamDesk] = {}
        self._readers: dict[str, ServiceReader] = {}
        self._history: dict[str, tuple[bool, float]] = {}

    def flush_samples(self) -> None:
        """Write what has been sampled until now."""
        if self.sampler is not None:
            self.sampler.flush()

    def close(self) -> None:
        """Write what has been sampled."""
        if self.sampler is not None:
            self.sampler.close()

    # --- sources

    def events(self, source: str) -> EventDesk:
        """The event log of a source, and what comes into it."""
        if source not in self._events:
            declared = self._definitions.source(source)
            log = EventLog(f"{self._home.root}/{source}/event_log", declared, self._home.storage_options)
            self._events[source] = EventDesk(declared, log, self._definitions, self._home.root, self._open_stream)
        return self._events[source]

    def streams(self, source: str) -> StreamDesk:
        """The stream side of a source."""
        if source not in self._streams:
            desk, online = self.events(source), self._home.online
            contexts = [self.context(view.name) for view in self._definitions.views_of(source) if view.online]
            own = [context for context in contexts if context.is_stream]
            views = ViewTargets(self._definitions.source(source), desk.log, own, online, self.marks)
            self._streams[source] = StreamDesk(source, desk.stream, desk.log, views, online.streams, self._now_us)
        return self._streams[source]

    def written(self, source: str) -> Mapping[int, int] | None:
        """Of each shard the position up to which stream writers have written; None where there are none."""
        return self.streams(source).written()

    def _open_stream(self, source: Source, log: EventLog) -> StreamLog:
        return self._home.streams.log(source, log, self._now_us)

    # --- views

    def context(self, view: str) -> ViewContext:
        """A view with its tables."""
        if view not in self._contexts:
            declared = self._definitions.view(view)
            log = self.events(declared.source.name).log
            self._contexts[view] = ViewContext(declared, log, self._home.root, self._home.storage_options)
        return self._contexts[view]

    def refresh_mark(self, view: FeatureView) -> None:
        """Know what a sync has committed."""
        mark = self._home.online.mark(view.name, view.version)
        if mark is not None:
            self.marks.set(view.name, view.version, mark)
        if view.kind == "stream":
            self.streams(view.source.name).catch_up()

    # --- reads

    def reader(self, name: str) -> ServiceReader:
        """Who reads a view or service."""
        if name not in self._readers:
            chosen = self._definitions.selection(name)
            selections = [(self.view_reader(view.name), numbers) for view, numbers in chosen]
            self._readers[name] = ServiceReader(self._home.online, selections)
        return self._readers[name]

    def view_reader(self, view: str) -> ViewReader:
        """Who reads the keys of one view."""
        context = self.context(view)
        reader = ViewReader(context, self._home.online, self.marks, lambda: self._has_history(context))
        reader.sampler = self.sampler
        return reader

    def history_changed(self) -> None:
        """Ask anew whether sources have events: what had none may have some."""
        self._history.clear()

    def _has_history(self, context: ViewContext) -> bool:
        """Whether there were events that a view without a mark has not taken in; asked again after a second while not."""
        view = context.view.name
        known, asked_s = self._history.get(view, (False, float("-inf")))
        if not known and time.monotonic() - asked_s >= HISTORY_REFRESH_S:
            known = self._asked_history(context)
            self._history[view] = (known, time.monotonic())
        return known

    def _asked_history(self, context: ViewContext) -> bool:
        if not context.is_stream:
            return context.log.snapshot().has_history()
        desk = self.streams(context.view.source.name)
        desk.register()
        return not desk.takes(context.view) or context.log.snapshot().has_unstreamed()
