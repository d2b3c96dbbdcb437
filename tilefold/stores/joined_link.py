"""One connection that many requests share: requests out, replies to those who asked, in their order.

The rule: what comes that nobody asked for, or that cannot be read, ends the connection: no reply is ever taken for another's.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from hiredis import HiredisError, Reader
from redis.connection import DefaultParser
from redis.exceptions import (
    ConnectionError,  # noqa: A004 - the client library's own, which is not Python's
    RedisError,
)

_NOTHING = object()


class Waiter:
    """A request and the replies that have come so far.

    Attributes
    ----------
    count, left
        How many replies it waits for in all, and how many have not come over the present connection.
    done
        Resolved when all replies are there or it has given up; else it fails with an error of the client library.
    attempts
        How often it was sent.
    """

    __slots__ = ("asked_s", "attempts", "count", "done", "left", "replies", "request")

    def __init__(self, request: bytes, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.request, self.count, self.left = request, count, count
        self.replies: list[Any] = []
        self.done: asyncio.Future[None] = loop.create_future()
        self.asked_s, self.attempts = loop.time(), 0

    @property
    def complete(self) -> bool:
        """Whether all replies are there."""
        return len(self.replies) == self.count

    def give_up(self) -> None:
        """Wait no longer: what has come until now is all there will be."""
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, error: RedisError) -> None:
        """It will not be answered."""
        if not self.done.done():
            self.done.set_exception(error)

    def begin(self, now_s: float) -> None:
        """It is sent, perhaps again: replies that came over another connection are void."""
        self.asked_s, self.left, self.replies = now_s, self.count, []
        self.attempts += 1

    def take(self, reply: Any) -> bool:
        """One more reply; whether it was the last."""
        self.left -= 1
        if not self.done.done():
            self.replies.append(reply)
            if not self.left:
                self.done.set_result(None)
        return not self.left


Lost: TypeAlias = Callable[[list[Waiter]], None]


def fail_all(waiters: Sequence[Waiter], error: RedisError) -> None:
    """None of them will be answered."""
    for waiter in waiters:
        waiter.fail(error)


def _all_fail(waiters: list[Waiter]) -> None:
    fail_all(waiters, ConnectionError("the connection broke"))


class JoinedLink(asyncio.Protocol):
    """The connection.

    Attributes
    ----------
    lost
        Told once it is gone, with the requests that were not answered.
    """

    def __init__(self) -> None:
        self.lost: Lost = _all_fail
        self._waiting: deque[Waiter] = deque()
        self._reader = Reader(replyError=DefaultParser.parse_error, notEnoughData=_NOTHING)
        self._transport: asyncio.Transport | None = None
        self._now_s: Callable[[], float] = asyncio.get_running_loop().time

    def send(self, waiters: Sequence[Waiter]) -> None:
        """Send requests, all at once."""
        assert self._transport is not None, "it is connected"
        now_s = self._now_s()
        for waiter in waiters:
            waiter.begin(now_s)
        self._waiting.extend(waiters)
        self._transport.write(b"".join([waiter.request for waiter in waiters]))

    def oldest_s(self) -> float | None:
        """When the request was sent that has waited longest; None where none waits."""
        return self._waiting[0].asked_s if self._waiting else None

    def drop(self) -> None:
        """Close it without waiting for what is on its way; it is lost from here on, not when the transport says so."""
        if self._transport is not None:
            self._transport.abort()
        self._gone()

    def abandon(self) -> list[Waiter]:
        """Close it and tell nobody; the requests that were not answered."""
        waiting, self._waiting, self.lost = list(self._waiting), deque(), _all_fail
        self.drop()
        return waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = transport  # type: ignore[assignment] # a stream's; uvloop's is of another class

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        reader, waiting = self._reader, self._waiting
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _NOTHING:
                if waiting[0].take(reply):
                    waiting.popleft()
        except (HiredisError, IndexError):
            self.drop()

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio."""
        del error
        self._gone()

    def _gone(self) -> None:
        """Tell once who wants to know."""
        waiting, self._waiting = list(self._waiting), deque()
        lost, self.lost = self.lost, _all_fail
        lost(waiting)
