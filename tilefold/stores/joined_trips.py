"""Requests of many tasks of one event loop, joined on one connection: what is asked in one turn of the loop is sent at once.

    task 1  --[HMGET]-----------.                                         .--> replies of task 1
    task 2  --[HGET, HMGET]------+--> one write --> server --> one read --+--> replies of task 2
    task 3  --[100 x HMGET]-----'                                         '--> replies of task 3

The rule: replies come in the order of the requests, so a connection is given up as a whole: when it breaks, or when its oldest
request has waited for too long. All replies to one request come over one connection; after a broken one it is sent again in
full, as in `round_trips`, so what is sent here must be repeatable. A request that gave up waiting keeps its place in the order.
"""

import asyncio
from ssl import SSLError

from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004 - the client library's own, which is not Python's
    RedisError,
)
from redis.exceptions import TimeoutError as StoreTimeout

from tilefold.stores.joined_connect import Settings, connected
from tilefold.stores.joined_link import JoinedLink, Waiter, fail_all
from tilefold.stores.round_trips import RETRIES, RETRY_BASE_S, RETRY_CAP_S, RoundTrips

_WATCH_SHARE = 0.25  # of the longest wait: how often the oldest request is looked at


class JoinedTrips:
    """The joined requests of the event loop that runs now; not to be shared among threads.

    Parameters
    ----------
    trips
        Whose server it is, and who counts the connections that are opened.
    """

    def __init__(self, trips: RoundTrips) -> None:
        self._trips, self._settings = trips, Settings.of(trips.settings, tls=trips.tls)
        self._loop = asyncio.get_running_loop()
        self._unsent: list[Waiter] = []
        self._link: JoinedLink | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._scheduled = self._closed = self._was_down = False
        self._watch: asyncio.TimerHandle | None = None

    def ask(self, request: bytes, count: int) -> Waiter:
        """Send packed commands together with whatever else is sent in this turn; `count` replies will come."""
        waiter = Waiter(request, count, self._loop)
        if self._closed:
            waiter.fail(ConnectionError("the connection was closed"))
            return waiter
        self._unsent.append(waiter)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)
        return waiter

    def close(self) -> None:
        """Close the connection; what waits fails."""
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        waiting = self._abandon() + self._unsent
        self._unsent = []
        fail_all(waiting, ConnectionError("the connection was closed"))

    def _abandon(self) -> list[Waiter]:
        link, self._link = self._link, None
        return link.abandon() if link else []

    def _flush(self) -> None:
        """Send what was asked since the last turn."""
        self._scheduled = False
        if not self._unsent or self._closed:
            return
        if self._link is None:
            if self._connecting is None:
                self._connecting = self._loop.create_task(self._connect())
            return
        waiters, self._unsent = self._unsent, []
        self._link.send(waiters)
        if self._watch is None:
            self._look_later()

    async def _connect(self) -> None:
        """Open the connection, trying again for about a second; only once where it was down before."""
        try:
            for pause_s in [None] if self._was_down else _pauses_s():
                error = await self._try()
                if error is None or not _may_pass(error):
                    break
                if pause_s is not None:
                    await asyncio.sleep(pause_s)
        finally:
            self._connecting = None
        self._was_down = error is not None
        if error is not None:
            waiters, self._unsent = self._unsent, []
            fail_all(waiters, _ours(error))
        self._flush()

    async def _try(self) -> Exception | None:
        self._trips.connections += 1  # before its first answer
        try:
            link = await connected(self._settings)
        except (RedisError, OSError) as error:
            return error
        link.lost = self._lost
        self._link = link
        return None

    def _lost(self, waiting: list[Waiter]) -> None:
        """The connection is gone: what still waits goes over a new one."""
        self._link = None
        again = [waiter for waiter in waiting if not waiter.done.done()]
        fail_all([each for each in again if each.attempts > RETRIES], ConnectionError("the connection broke again and again"))
        self._unsent = [each for each in again if each.attempts <= RETRIES] + self._unsent
        self._flush()

    def _look_later(self) -> None:
        self._watch = self._loop.call_later(self._settings.timeout_s * _WATCH_SHARE, self._look)

    def _look(self) -> None:
        """Give up a connection whose oldest request has waited too long: the store is slow, and more load does not help."""
        self._watch = None
        oldest_s = self._link.oldest_s() if self._link else None
        if oldest_s is None:
            return
        if self._loop.time() - oldest_s < self._settings.timeout_s:
            self._look_later()
            return
        fail_all(self._abandon(), StoreTimeout("no answer"))
        self._flush()


def _pauses_s() -> list[float | None]:
    """How long to wait after each failure; None after the last."""
    return [*(min(RETRY_CAP_S, RETRY_BASE_S * 2**number) for number in range(RETRIES)), None]


def _may_pass(error: Exception) -> bool:
    """Whether trying again may help; who took too long once would hold up what waits for as long again."""
    hopeless = isinstance(error, TimeoutError | AuthenticationError | SSLError)
    return isinstance(error, OSError | ConnectionError) and not hopeless


def _ours(error: Exception) -> RedisError:
    """An error of the operating system as the client library tells it."""
    if isinstance(error, RedisError):
        return error
    return StoreTimeout("no connection") if isinstance(error, TimeoutError) else ConnectionError(str(error))
