"""What all topics of the workspace stand on: its definitions, clock, stores, and the parts made of them.

The rule: the topics beside this file use what is declared here and nothing of each other but what they inherit. What is open
closes here.
"""

from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self

from tilefold.declaration.sources import StreamSource
from tilefold.engine.time import to_us
from tilefold.serving.assembly import Assembly
from tilefold.serving.context import ViewContext
from tilefold.serving.definitions import Definitions
from tilefold.serving.home import Home
from tilefold.serving.sampling import Sampling
from tilefold.serving.stream_desk import StreamDesk
from tilefold.serving.stream_standing import Standing
from tilefold.serving.times import checked_time
from tilefold.stores.event_log import EventLog
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.stream_log import StreamLog


class Opened:
    """An open workspace, without anything that it does: what it is made of, for those who look inside.

    Attributes
    ----------
    definitions
        What is declared.
    """

    def __init__(self, definitions: Definitions, home: Home, clock: Callable[[], datetime], sampling: Sampling | None) -> None:
        self.definitions = definitions
        self._home, self._clock = home, clock
        self._parts = Assembly(definitions, home, self._now_us, sampling)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Write the samples that are left and close the connections; the embedded servers, where they are ours, have exited."""
        self._parts.close()
        self._home.close()

    @property
    def root(self) -> str:
        """The absolute folder, or the place on an object store."""
        return self._home.root

    @property
    def name(self) -> str:
        """The prefix of its keys."""
        return self._home.name

    @property
    def owns_server(self) -> bool:
        """Whether closing this stops the embedded server."""
        return self._home.owns_server

    @property
    def online_store(self) -> OnlineStore:
        """The open online store."""
        return self._home.online

    def now(self) -> datetime:
        """What time it is, says its clock."""
        return checked_time("clock", self._clock())

    def context(self, view: str) -> ViewContext:
        """A view with its tables, for those who look inside (assets, checks, benchmarks)."""
        return self._parts.context(view)

    def event_log(self, source: str) -> EventLog:
        """The event log of a source, for those who look inside."""
        return self._parts.events(source).log

    def stream_log(self, source: str) -> StreamLog:
        """The stream log of a source, for those who look inside; opened when it is first asked for."""
        return self._parts.events(source).stream

    def open_streams(self) -> None:
        """Open the stream log of every source that has one: who does it first owns their embedded server."""
        for name, source in self.definitions.sources.items():
            if isinstance(source, StreamSource):
                self.stream_log(name)

    def streams_used(self) -> bool:
        """Whether a stream of this workspace was ever opened."""
        return self._home.streams.used()

    def stream_desk(self, source: str) -> StreamDesk:
        """The stream side of a source, for those who run its writer or look inside."""
        return self._parts.streams(source)

    def stream_standing(self, source: str) -> Standing:
        """How far the stream of a source is written, and which processes write it."""
        return self._parts.streams(source).standing()

    def _now_us(self) -> int:
        return to_us(self.now())

    def _read_time(self, at: datetime | None) -> datetime:
        return self.now() if at is None else checked_time("at", at)
