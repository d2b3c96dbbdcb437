"""Requests and replies over connections of our own: the shortest way to the server that redis-py's parts allow.

The rule: a connection goes back among the idle ones only after all its replies were read; in any other case it is closed, so
that no reply is ever taken for another's. What is sent here may be sent twice (reads, and scripts that compare first): after
a broken connection the request is repeated on a new one.

`Redis.execute_command` and its pipelines spend more time than the server does: they poll the connection before each use, and
measure and route each command. Going straight to `Connection`, one read takes half of `hgetall`, a hundred a third.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from hiredis import pack_command
from redis import Redis
from redis.backoff import EqualJitterBackoff, NoBackoff
from redis.connection import AbstractConnection, SSLConnection
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004 - the client library's own, which is not Python's
)
from redis.retry import Retry

RETRIES = 5  # about a second in all: a restart takes a third of one
RETRY_BASE_S = 0.05
RETRY_CAP_S = 0.5

T = TypeVar("T")


def retry() -> Retry:
    """The pauses before trying again. A request that timed out is not repeated: the store is slow, more load does not help."""
    return Retry(EqualJitterBackoff(cap=RETRY_CAP_S, base=RETRY_BASE_S), RETRIES, (ConnectionError,))


def packed(*command: bytes) -> bytes:
    """A command as it goes over the wire."""
    request: bytes = pack_command(command)  # type: ignore[arg-type]  # its stub takes tuples of one item alone
    return request


class RoundTrips:
    """Sends packed commands and reads their replies; safe to share among threads and after a fork.

    Parameters
    ----------
    wait_s
        How much longer than usual an answer may take: for commands that wait inside the server.

    Attributes
    ----------
    connections
        How many were opened. Answers of a server that was started again come over connections that were opened since.
    """

    def __init__(self, client: Redis, wait_s: float = 0) -> None:
        self._pool = client.connection_pool
        self._wait_s = wait_s
        self.connections = 0
        self._idle: list[AbstractConnection] = []  # append and pop are atomic

    @property
    def settings(self) -> dict[str, Any]:
        """What the URL says of the server, for those who connect in another way."""
        return dict(self._pool.connection_kwargs)

    @property
    def tls(self) -> bool:
        """Whether it is reached over TLS."""
        return issubclass(self._pool.connection_class, SSLConnection)

    def one(self, request: bytes) -> Any:
        """The reply to one command; raises the client library's errors."""
        try:
            return self._exchange_one(request)
        except ConnectionError:
            return self._again(lambda: self._exchange_one(request))

    def many(self, request: bytes, replies: int) -> list[Any]:
        """The replies to several commands sent at once; the first error among them is raised."""
        try:
            return self._exchange(request, replies)
        except ConnectionError:
            return self._again(lambda: self._exchange(request, replies))

    def overlapped(self, requests: Iterable[tuple[bytes, int]]) -> Iterator[list[Any]]:
        """The replies to requests of several commands each, one after the other: the next is made while the server works.

        Raises the client library's errors; after a broken connection what was not answered is sent again, as by `many`.
        """
        connection, waiting = self._take(), deque[tuple[bytes, int]]()
        whole = False
        try:
            for request, replies in requests:
                waiting.append((request, replies))
                connection.send_packed_command((request,), check_health=False)
                if len(waiting) > 1:
                    yield _replies(connection, waiting[0][1])
                    waiting.popleft()
            while waiting:
                yield _replies(connection, waiting[0][1])
                waiting.popleft()
            whole = True
        except ConnectionError:
            connection.disconnect()
            yield from (self.many(request, replies) for request, replies in waiting)
            yield from (self.many(request, replies) for request, replies in requests)
        finally:
            self._idle.append(connection) if whole else connection.disconnect()

    def in_slices(self, commands: Iterable[bytes], length: int) -> Iterator[Any]:
        """The replies to many packed commands, so few at a time that the server gets to others in between."""
        rest = iter(commands)
        slices = iter(lambda: list(islice(rest, length)), [])
        for replies in self.overlapped((b"".join(some), len(some)) for some in slices):
            yield from replies

    def close(self) -> None:
        """Close the idle connections; those in use are closed or kept by who uses them."""
        while self._idle:
            self._idle.pop().disconnect()

    def _again(self, exchange: Callable[[], T]) -> T:
        self.close()  # a server that was restarted has forgotten all of them
        return retry().call_with_retry(exchange, lambda _: None, lambda error: not isinstance(error, AuthenticationError))

    def _exchange_one(self, request: bytes) -> Any:
        connection = self._take()
        try:
            connection.send_packed_command((request,), check_health=False)
            reply = connection.read_response()
        except BaseException:
            connection.disconnect()
            raise
        self._idle.append(connection)
        return reply

    def _exchange(self, request: bytes, replies: int) -> list[Any]:
        connection = self._take()
        try:
            connection.send_packed_command((request,), check_health=False)
            read = connection.read_response
            answers = [read() for _ in range(replies)]
        except BaseException:
            connection.disconnect()
            raise
        self._idle.append(connection)
        return answers

    def _take(self) -> AbstractConnection:
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._connect()
        if connection.pid == os.getpid():
            return connection
        self._idle.clear()  # forked: these belong to the parent, and are left alone
        return self._connect()

    def _connect(self) -> AbstractConnection:
        settings = {**self._pool.connection_kwargs, "retry": Retry(NoBackoff(), 0)}  # trying again is done here
        if timeout_s := settings.get("socket_timeout"):
            settings["socket_timeout"] = timeout_s + self._wait_s
        self.connections += 1  # before its first answer; that threads may count one too few together does no harm
        connection: AbstractConnection = self._pool.connection_class(**settings)
        return connection


def _replies(connection: AbstractConnection, count: int) -> list[Any]:
    return [connection.read_response() for _ in range(count)]
