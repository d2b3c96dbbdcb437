"""One process's server: from a bound socket to the last answer.

The rule: signals are only ours where we run in the main thread; elsewhere who started the server stops it by an event. New
definitions (SIGHUP) come into force between two requests: no connection is closed, none is refused, and where they cannot be
loaded the old ones stay.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tilefold.errors import TilefoldError
from tilefold.server.access import Keys, check_open
from tilefold.server.api_keys import VARIABLE, ApiKeys
from tilefold.server.app import Shared, application
from tilefold.server.http import JsonHttp, bound, http_config, url_of
from tilefold.server.key_file import KeyFile
from tilefold.server.observing import Counting
from tilefold.server.options import ServerOptions
from tilefold.server.routes import endpoints
from tilefold.server.served import Served

BODY_S = 30.0
_TICKS_A_SECOND = 10

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """How a server is run.

    Attributes
    ----------
    stop
        Ends it when it is set.
    started
        Called with its address once it listens.
    settled
        Called each time that a workspace has been opened and is served from here on.
    listening
        A socket that listens already, as workers share one; None: it is made.
    reopen
        Opens the workspace once more, with its definitions as they are now; None: they stay.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    started: Callable[[str], object] = str
    settled: Callable[[], object] = dict
    listening: socket.socket | None = None
    reopen: Callable[[], Served] | None = None


def keys_of(root: str) -> Keys:
    """The API keys of a workspace: those of its folder, and those of the environment."""
    return ApiKeys(None if "://" in root else KeyFile(root), os.environ.get(VARIABLE, ""))


def check_served(host: str, keys: Keys, options: ServerOptions) -> None:
    """Raise what `serve` would raise of the address and the certificate, before anything is opened."""
    check_open(host, keys)
    http_config(None, options)


def serve(served: Served, options: ServerOptions, host: str, port: int, running: Running) -> None:
    """Answer until told to stop; requests in flight are finished.

    Raises
    ------
    InputError
        If the address cannot be used, or others can reach it and there are no keys.
    FileError
        If the TLS certificate cannot be used.
    """
    keys = keys_of(served.workspace.root)
    check_open(host, keys)
    counting = Counting(served)
    shared = Shared(served, keys, counting, options.requests_max)
    app = application(endpoints(counting.metrics), shared, partial(_lifespan, shared))
    server = _Server(http_config(app, options), running, shared, counting)
    listening = running.listening or bound(host, port)
    try:
        running.settled()
        running.started(url_of(listening, options))
        server.run(sockets=[listening])
    finally:
        listening.close()


@contextlib.asynccontextmanager
async def _lifespan(shared: Shared, app: Starlette) -> AsyncIterator[None]:
    del app
    shared.served.open()
    try:
        yield
    finally:
        shared.served.reads.close()


class _Server(uvicorn.Server):
    """Uvicorn's server, that ends by our event and takes our signals."""

    def __init__(self, config: uvicorn.Config, running: Running, shared: Shared, counting: Counting) -> None:
        super().__init__(config)
        self._running, self._shared, self._counting = running, shared, counting
        self._reloading: asyncio.Task[None] | None = None
        self._incomplete: dict[RequestResponseCycle, float] = {}

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ours in place of Uvicorn's: it raises them again when it has ended, and knows no SIGHUP."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        handlers: dict[int, Callable[[], None]] = {signal.SIGINT: self._end, signal.SIGTERM: self._end}
        if self._running.reopen is not None:
            handlers[signal.SIGHUP] = self._reload
        before = {number: signal.getsignal(number) for number in handlers}
        for number, handle in handlers.items():
            loop.add_signal_handler(number, handle)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # what came before is heard now, see `cli.serving`
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if self._running.stop.is_set():
            self.should_exit = True
        if counter % _TICKS_A_SECOND == 0:
            self._give_up_stalled()
        return await super().on_tick(counter)

    def _give_up_stalled(self) -> None:
        """Close connections whose request has not come whole in time: it must not hold a place among those in hand for ever.

        Looked at from here, since a timer for each request would take a tenth of its time.
        """
        now_s = time.monotonic()
        waiting = [each for each in self.server_state.connections if isinstance(each, JsonHttp) and _is_incomplete(each)]
        self._incomplete = {each.cycle: self._incomplete.get(each.cycle, now_s) for each in waiting}
        for each in waiting:
            if now_s - self._incomplete[each.cycle] >= BODY_S:
                each.transport.close()

    def _end(self) -> None:
        self.should_exit = True

    def _reload(self) -> None:
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.get_running_loop().create_task(self._replace())

    async def _replace(self) -> None:
        """Answer with the definitions as they are now."""
        assert self._running.reopen is not None, "else no signal is heard"
        try:
            served = await asyncio.to_thread(self._running.reopen)
        except Exception as error:  # noqa: BLE001 - whatever it is, requests go on being answered
            _log.error("the definitions stay as they were: %s", error, exc_info=not isinstance(error, TilefoldError))
            return
        served.open()
        self._counting.follow(served)
        self._shared.replace(served)
        self._running.settled()
        _log.warning("serving new definitions: %s", ", ".join(served.service_names))


def _is_incomplete(connection: JsonHttp) -> bool:
    """Whether a request has begun on a connection, and the rest of it has not come."""
    cycle: RequestResponseCycle | None = connection.cycle  # none before its first request, whatever Uvicorn's types say
    return cycle is not None and cycle.more_body and not cycle.response_complete
