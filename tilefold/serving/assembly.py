"""What a workspace is made of: its desks, contexts and readers, each made when it is first asked for and then kept.

The rule: it puts parts together and does nothing with them; `Workspace` does.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial

from tilefold.declaration.described import is_computable
from tilefold.declaration.sources import Source
from tilefold.declaration.views import FeatureView
from tilefold.serving.context import ViewContext, require_online
from tilefold.serving.definitions import Definitions
from tilefold.serving.events import EventDesk
from tilefold.serving.following import Follower, Moves
from tilefold.serving.home import Home
from tilefold.serving.kept import KeptViews
from tilefold.serving.read import ServiceReader, ViewReader
from tilefold.serving.sampling import Sampler, Sampling
from tilefold.serving.stream_beside import VersionsBeside
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
        self.kept = KeptViews(home.root, home.name, home.storage_options, definitions)
        self._moves = Moves(home.online)
        self.marks = CachedMark(self._moves.fetch, connections=lambda: home.online.connections)
        self.sampler = Sampler(sampling, now_us) if sampling is not None and sampling.rate else None
        self._events: dict[str, EventDesk] = {}
        self._contexts: dict[tuple[str, str], ViewContext] = {}
        self._followers: dict[str, Follower] = {}
        self._streams: dict[str, StreamDesk] = {}
        self._readers: dict[str, ServiceReader] = {}
        self._history: dict[tuple[str, str], tuple[bool, float]] = {}

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
            declared = [context.view for context in own]
            for view in declared:
                self.kept.keep(view, self._now_us())
            beside = VersionsBeside(
                declared, online.versions, self.kept.computable, lambda view: views.target(self.context_of(view))
            )
            self._streams[source] = StreamDesk(
                source, desk.stream, desk.log, views, online.streams, self._now_us, beside=beside
            )
        return self._streams[source]

    def written(self, source: str) -> Mapping[int, int] | None:
        """Of each shard the position up to which stream writers have written; None where there are none."""
        return self.streams(source).written()

    def _open_stream(self, source: Source, log: EventLog) -> StreamLog:
        return self._home.streams.log(source, log, self._now_us)

    # --- views

    def context(self, view: str) -> ViewContext:
        """A view with its tables."""
        return self.context_of(self._definitions.view(view))

    def context_of(self, view: FeatureView) -> ViewContext:
        """A version of a view with its tables; of one that was only described, anew once its code is at hand."""
        known = (view.name, view.version)
        made = self._contexts.get(known)
        if made is None or (is_computable(view) and not is_computable(made.view)):
            log = self.events(view.source.name).log
            self._contexts[known] = ViewContext(view, log, self._home.root, self._home.storage_options)
        return self._contexts[known]

    def contexts_of(self, source: str) -> list[ViewContext]:
        """Every version of the views of a source that is declared or kept, other workspaces' of this root too."""
        declared = {(view.name, view.version): view for view in self._definitions.views_of(source)}
        known = {(each.view, each.version) for each in self.kept.all()} - declared.keys()
        kept = [self.kept.readable(*each) for each in sorted(known)]
        others = [view for view in kept if view is not None and view.source.name == source]
        return [self.context_of(view) for view in (*declared.values(), *map(self.with_code, others))]

    def with_code(self, view: FeatureView) -> FeatureView:
        """The same version with its code, where that is at hand."""
        return view if is_computable(view) else self.kept.computable(view.name, view.version) or view

    def answering(self, view: str) -> ViewContext:
        """The version of a view that answers reads, with its code where that is at hand."""
        declared = self._definitions.view(view)
        return self.context_of(self.with_code(self.view_reader(view).context.view)) if declared.online else self.context(view)

    def enter(self, view: FeatureView) -> None:
        """Let a version be known before anything of it is written: its definition is kept, and the store told of it."""
        self.kept.keep(view, self._now_us())
        if view.online:
            self._home.online.versions.enter(view.name, view.version)

    def refresh_mark(self, view: FeatureView) -> None:
        """Know what a sync has committed."""
        mark = self._home.online.mark(view.name, view.version)
        if mark is not None:
            self.marks.set(view.name, view.version, mark)
            self._home.online.versions.serve_first(view.name, view.version)
        if view.kind == "stream":
            self.streams(view.source.name).catch_up()

    def served_versions(self) -> dict[str, str]:
        """Of every kept view the version that is served; of those that are not kept online the last one that was kept."""
        found: dict[str, str] = {}
        for each in self.kept.all():
            if each.workspace == self._home.name:
                found[each.view] = self._home.online.versions.of(each.view).served or each.version
        return found

    def follow(self, view: str) -> None:
        """Know which version of a view is served, after it changed here."""
        if view in self._followers:
            self._followers[view].follow()

    # --- reads

    def reader(self, name: str) -> ServiceReader:
        """Who reads a view or service."""
        if name not in self._readers:
            chosen = self._definitions.selection(name)
            selections = [(self.view_reader(view.name), numbers) for view, numbers in chosen]
            self._readers[name] = ServiceReader(self._home.online, selections)
        return self._readers[name]

    def view_reader(self, view: str) -> ViewReader:
        """Who reads the version of a view that is served, in the shape of the one that is declared."""
        if view not in self._followers:
            declared = self._definitions.view(view)
            require_online(declared)
            known = self.kept.readable
            self._followers[view] = Follower(declared, self._home.online, self.marks, self._moves, known, self._reader_of)
        return self._followers[view].reader

    def own_reader(self, view: str) -> ServiceReader:
        """Who reads the version that is declared, whichever is served."""
        reader = self.plain_reader(self._definitions.view(view))
        return ServiceReader(self._home.online, [(reader, range(len(reader.names)))])

    def plain_reader(self, view: FeatureView) -> ViewReader:
        """Who reads one version of a view and no other."""
        context = self.context_of(view)
        has_history = partial(self._has_history, context)
        return ViewReader(context, self._home.online, self.marks, has_history, note=self._moves.note)

    def _reader_of(self, version: FeatureView, shape: FeatureView, route: Follower) -> ViewReader:
        context, online, note = self.context_of(version), self._home.online, self._moves.note
        has_history = partial(self._has_history, context)
        reader = ViewReader(context, online, self.marks, has_history, shape=shape, route=route, note=note)
        reader.sampler = self.sampler
        return reader

    def history_changed(self) -> None:
        """Ask anew whether sources have events: what had none may have some."""
        self._history.clear()

    def _has_history(self, context: ViewContext) -> bool:
        """Whether there were events that a view without a mark has not taken in; asked again after a second while not."""
        view = (context.view.name, context.view.version)
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
