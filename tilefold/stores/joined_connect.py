"""Opens the connection that joined requests share, as the store's URL says: TCP, TLS or a Unix socket, user and database.

The rule: a connection is handed on when its server has answered, so one that still loads its data counts as not there yet.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from redis.asyncio import SSLConnection
from redis.exceptions import RedisError

from tilefold.stores.joined_link import JoinedLink, Waiter
from tilefold.stores.round_trips import packed

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a server is, and how one is let in.

    Attributes
    ----------
    path
        Of a Unix socket; None for host and port.
    greeting
        Packed commands, and how many.
    connect_s, timeout_s
        How long connecting, and one answer, may take.
    """

    path: str | None
    host: str
    port: int
    tls: ssl.SSLContext | None
    greeting: tuple[bytes, int]
    connect_s: float
    timeout_s: float

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, tls: bool) -> Self:
        """From what the client library has read from the URL."""
        timeout_s = settings.get("socket_timeout") or _TIMEOUT_S
        commands = [_auth(settings), _select(settings), packed(b"PING")]
        sent = [command for command in commands if command is not None]
        return cls(
            path=settings.get("path"),
            host=settings.get("host") or "localhost",
            port=settings.get("port") or 6379,
            tls=_tls(settings) if tls else None,
            greeting=(b"".join(sent), len(sent)),
            connect_s=settings.get("socket_connect_timeout") or timeout_s,
            timeout_s=timeout_s,
        )


def _tls(settings: Mapping[str, Any]) -> ssl.SSLContext:
    given = {name: value for name, value in settings.items() if name.startswith("ssl_")}
    return SSLConnection(**given).ssl_context.get()


def _auth(settings: Mapping[str, Any]) -> bytes | None:
    user, password = settings.get("username"), settings.get("password")
    if not user and not password:
        return None
    named = [user.encode()] if user else []
    return packed(b"AUTH", *named, (password or "").encode())


def _select(settings: Mapping[str, Any]) -> bytes | None:
    number = settings.get("db") or 0
    return packed(b"SELECT", b"%d" % int(number)) if number else None


async def connected(settings: Settings) -> JoinedLink:
    """An open connection whose server has answered; raises the client library's errors and OSError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(settings.connect_s):
        if settings.path:
            _, link = await loop.create_unix_connection(JoinedLink, settings.path)
        else:
            _, link = await loop.create_connection(JoinedLink, settings.host, settings.port, ssl=settings.tls)
        try:
            request, count = settings.greeting
            greeting = Waiter(request, count, loop)
            link.send([greeting])
            await greeting.done
            _check(greeting.replies)
        except BaseException:
            link.drop()
            raise
    return link


def _check(replies: Sequence[Any]) -> None:
    for reply in replies:
        if isinstance(reply, RedisError):
            raise reply
