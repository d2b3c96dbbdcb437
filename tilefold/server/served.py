"""What the server asks of a workspace, and how one takes the place of another.

The rule: a request keeps the workspace that it began with; one that was replaced is closed when its last request is answered.
So new definitions come into force between two requests, and none is dropped.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import polars as pl

from tilefold.errors import NotOnlineError
from tilefold.server.explain_query import Asked
from tilefold.server.options import ServerOptions
from tilefold.server.services import Service
from tilefold.serving.assembly import Assembly
from tilefold.serving.definitions import Definitions
from tilefold.serving.explained import Explanation
from tilefold.serving.read_cache import ReadCache
from tilefold.serving.read_joined import JoinedReader
from tilefold.serving.reports import Receipt
from tilefold.serving.stream_standing import Standing
from tilefold.stores.online_store import OnlineStore


class ServedWorkspace(Protocol):
    """The part of `Workspace` that the server uses, beside its readers."""

    @property
    def definitions(self) -> Definitions:
        """What is declared."""
        ...

    @property
    def root(self) -> str:
        """The absolute folder, or the place on an object store."""
        ...

    @property
    def name(self) -> str:
        """The prefix of its keys."""
        ...

    @property
    def online_store(self) -> OnlineStore:
        """The open online store."""
        ...

    def now(self) -> datetime:
        """What time it is."""
        ...

    def ingest(self, source: str, frame: Sequence[Mapping[str, Any]], wait_for: str | None = None) -> Receipt:
        """See `Workspace.ingest`."""
        ...

    def explain(
        self, view: str, keys: Mapping[str, Any], at: datetime | None = None, *, reference: bool = False
    ) -> Explanation:
        """See `Workspace.explain`."""
        ...

    def get_features_for_events(
        self, name: str, spine: pl.DataFrame | pl.LazyFrame, timestamp: str = "timestamp"
    ) -> pl.DataFrame:
        """See `Workspace.get_features_for_events`."""
        ...

    def streams_used(self) -> bool:
        """See `Workspace.streams_used`."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Served:
    """A workspace that is being served; made in any thread, opened and used in that of the event loop.

    Parameters
    ----------
    parts
        What it is made of: its readers and desks.
    close
        Called, in a thread of its own, when it was replaced and its last request is answered.

    Attributes
    ----------
    users
        Requests that are being answered with it.
    """

    def __init__(
        self, workspace: ServedWorkspace, parts: Assembly, options: ServerOptions, close: Callable[[], None] | None = None
    ) -> None:
        self.workspace, self.parts, self._options = workspace, parts, options
        self.users = 0
        self._close, self._retired = close, False
        self._services: dict[str, Service] = {}
        self._reads: JoinedReader | None = None
        self._opening, self._comparing = threading.Lock(), threading.Lock()
        for name in (*workspace.definitions.views, *workspace.definitions.services):
            with contextlib.suppress(NotOnlineError):  # told to whoever asks for it
                self._services[name] = self._made(name)

    def open(self) -> None:
        """Make it ready for the event loop that runs now."""
        options = self._options
        cache = ReadCache(options.cache_ttl_s, options.cache_rows_max) if options.cache_ttl_s else None
        store = self.workspace.online_store
        self._reads = JoinedReader(store, store.joined(), cache)

    @property
    def reads(self) -> JoinedReader:
        """Reads services for the tasks of the event loop."""
        assert self._reads is not None, "it is opened before it is used"
        return self._reads

    @property
    def service_names(self) -> list[str]:
        """What may be read."""
        return sorted(self._services)

    def service(self, name: str) -> Service:
        """The service or view of that name.

        Raises
        ------
        UnknownNameError
            Nothing of that name is declared.
        NotOnlineError
            It, or a view of it, is not kept online.
        """
        found = self._services.get(name)
        return self._made(name) if found is None else found

    def _made(self, name: str) -> Service:
        definitions = self.workspace.definitions
        definitions.selection(name)
        return Service(name, definitions, self.parts.reader(name))

    def ingest(self, source: str, records: Sequence[Mapping[str, Any]], wait_for: str | None, *, dry_run: bool) -> Receipt:
        """Accept events, or only look at them; blocks, and may be called by many threads."""
        with self._opening:
            desk = self.parts.events(source)
            if not dry_run:
                self.parts.streams(source)  # made once, whoever comes first
        if dry_run:
            return desk.looked_at(records, self.workspace.now())
        return self.workspace.ingest(source, records, wait_for)

    def standing(self, source: str) -> Standing:
        """How the stream of a source stands; blocks, and may be called by many threads."""
        with self._opening:
            desk = self.parts.streams(source)
        return desk.standing()

    def explain(self, asked: Asked) -> Explanation:
        """Explain values; blocks, and may be called by many threads."""
        if not asked.reference:
            return asked.answer(self.workspace)
        view = self.workspace.definitions.view(asked.view)
        with self._comparing:  # it drains, and goes over many events
            if view.kind == "stream":
                with self._opening:
                    self.parts.streams(view.source.name)  # made once, whoever comes first
            return asked.answer(self.workspace)

    def enter(self) -> None:
        """A request begins to use it."""
        self.users += 1

    def leave(self) -> None:
        """A request has been answered."""
        self.users -= 1
        self._close_unused()

    def retire(self) -> None:
        """Another one has taken its place."""
        self._retired = True
        self._close_unused()

    def _close_unused(self) -> None:
        if self._retired and not self.users:
            if self._reads is not None:
                self._reads.close()
            if self._close is not None:
                close, self._close = self._close, None
                threading.Thread(target=close, name="close a replaced workspace").start()
