"""Requests of many tasks on one connection: order, breaks, slowness, users and databases."""

import asyncio
import secrets
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
import uvloop
from redis import Redis

from tests.server.servers import Proxy
from tilefold.errors import StoreUnavailableError
from tilefold.stores.joined_reads import JoinedReads
from tilefold.stores.joined_trips import JoinedTrips
from tilefold.stores.online_connect import client_of
from tilefold.stores.online_link import OnlineLink
from tilefold.stores.round_trips import packed


def joined(url: str, work: Callable[[JoinedReads, OnlineLink], Awaitable[Any]], run: Callable[[Any], Any] = asyncio.run) -> Any:
    """What some work with joined reads of a server comes to."""

    async def with_reads() -> Any:
        link = OnlineLink(client_of(url))
        reads = JoinedReads(JoinedTrips(link.trips), link.faults)
        try:
            return await work(reads, link)
        finally:
            reads.close()
            link.close()

    return run(with_reads())


async def echoed(reads: JoinedReads, *texts: bytes) -> list[Any]:
    """What the server sends back of some texts, asked in one request."""
    waiter = reads.ask(b"".join(packed(b"ECHO", text) for text in texts), len(texts))
    await reads.arrived(waiter)
    return waiter.replies


def test_each_gets_its_own(online_url: str) -> None:
    """Hundreds of tasks at once, of one or several commands each, over one connection: each gets its replies in its order."""

    async def work(reads: JoinedReads, link: OnlineLink) -> Any:
        wanted = [[b"%d-%d" % (task, each) for each in range(task % 4 + 1)] for task in range(500)]
        found = await asyncio.gather(*(echoed(reads, *texts) for texts in wanted))
        return found == wanted, link.trips.connections

    assert joined(online_url, work) == (True, 1)


def test_large_replies(online_url: str) -> None:
    """A reply of megabytes between small ones comes whole."""

    async def work(reads: JoinedReads, link: OnlineLink) -> Any:
        del link
        large = secrets.token_bytes(3_000_000)
        found = await asyncio.gather(echoed(reads, b"a"), echoed(reads, large), echoed(reads, b"b"))
        return found == [[b"a"], [large], [b"b"]]

    assert joined(online_url, work)


def test_replies_that_nobody_asked_for(online_url: str) -> None:
    """What does not fit what was asked ends the connection, and the next one is used at once: by uvloop's transports too."""

    async def work(reads: JoinedReads, link: OnlineLink) -> Any:
        await echoed(reads, b"warm")
        first = reads._trips._link
        assert first is not None
        waiting = asyncio.gather(echoed(reads, b"a"), echoed(reads, b"b"))
        await asyncio.sleep(0)
        first.data_received(b"!!no reply\r\n")
        return await waiting, link.trips.connections

    for run in (asyncio.run, uvloop.run):
        assert joined(online_url, work, run) == ([[b"a"], [b"b"]], 2)


def test_an_error_is_one_requests(online_url: str) -> None:
    """A command that is refused fails its request alone, with our own error."""

    async def work(reads: JoinedReads, link: OnlineLink) -> Any:
        del link
        wrong = reads.ask(packed(b"NO-SUCH-COMMAND"), 1)
        right = asyncio.gather(echoed(reads, b"a"))
        with pytest.raises(StoreUnavailableError, match="it refused a command"):
            await reads.arrived(wrong)
        return await right

    assert joined(online_url, work) == [[b"a"]]


def test_one_that_gave_up_keeps_its_place(online_url: str) -> None:
    """After a request has given up, its replies are not taken for another's."""

    async def work(reads: JoinedReads, link: OnlineLink) -> Any:
        del link
        await echoed(reads, b"warm")
        proxy.open.clear()
        late = reads.ask(packed(b"ECHO", b"late"), 1)
        asyncio.get_running_loop().call_later(0.05, late.give_up)
        await reads.arrived(late)
        assert (late.replies, late.complete) == ([], False)
        next_one = asyncio.create_task(echoed(reads, b"next"))
        await asyncio.sleep(0.05)
        proxy.open.set()
        return await next_one, late.replies

    with Proxy(online_url) as proxy:
        assert joined(proxy.url, work) == ([b"next"], [])


def test_sent_again_in_full(online_url: str) -> None:
    """A request whose connection breaks is sent again over a new one, and all its replies come from there."""

    async def work(reads: JoinedReads, link: OnlineLink) -> Any:
        await echoed(reads, b"warm")
        proxy.open.clear()
        tasks = [asyncio.create_task(echoed(reads, b"%d" % number, b"x")) for number in range(10)]
        await asyncio.sleep(0.05)
        proxy.cut()
        proxy.open.set()
        return await asyncio.gather(*tasks), link.trips.connections

    with Proxy(online_url) as proxy:
        found, connections = joined(proxy.url, work)
    assert found == [[b"%d" % number, b"x"] for number in range(10)]
    assert connections == 2


def test_down_then_up(online_url: str) -> None:
    """A server that is not there fails all that wait; the first request after it is back is answered."""

    async def work(reads: JoinedReads, link: OnlineLink) -> Any:
        del link
        proxy.stop()
        for _ in range(2):
            failed = await asyncio.gather(*(echoed(reads, b"x") for _ in range(3)), return_exceptions=True)
            assert [type(each) for each in failed] == [StoreUnavailableError] * 3
        proxy.start()
        return await echoed(reads, b"x")

    with Proxy(online_url) as proxy:
        assert joined(proxy.url, work) == [b"x"]


def test_too_slow(online_url: str) -> None:
    """A request that waits longer than the URL's socket_timeout fails, and the connection with it."""

    async def work(reads: JoinedReads, link: OnlineLink) -> Any:
        del link
        await echoed(reads, b"warm")
        proxy.open.clear()
        with pytest.raises(StoreUnavailableError, match="it must answer in time"):
            await echoed(reads, b"x")
        proxy.open.set()
        return await echoed(reads, b"y")

    with Proxy(online_url) as proxy:
        assert joined(f"{proxy.url}?socket_timeout=0.3", work) == [b"y"]


@pytest.mark.parametrize(("password", "let_in"), [("right", True), ("wrong", False)])
def test_users_and_databases(online_url: str, password: str, *, let_in: bool) -> None:
    """The URL's user is logged in and its database chosen; a wrong password is told, without it."""
    place, user = urlsplit(online_url), f"u{secrets.token_hex(4)}"
    admin = Redis.from_url(online_url)
    admin.execute_command("ACL", "SETUSER", user, "on", ">right", "~*", "+@all")
    other = Redis.from_url(place._replace(path="/3").geturl())
    other.set(user, "in 3")

    async def work(reads: JoinedReads, link: OnlineLink) -> Any:
        del link
        waiter = reads.ask(packed(b"GET", user.encode()), 1)
        try:
            await reads.arrived(waiter)
        except StoreUnavailableError as error:
            return str(error)
        return waiter.replies[0]

    found = joined(f"redis://{user}:{password}@{place.hostname}:{place.port}/3", work)
    other.delete(user)
    admin.execute_command("ACL", "DELUSER", user)
    assert found == b"in 3" if let_in else "it must accept the user" in found
    assert "wrong" not in str(found).lower().replace("wrongpass", "")


def test_tls(online_url: str, tmp_path: Path) -> None:
    """A store behind TLS is reached as its URL says: with the signer that it names, and not with another."""
    authority, server = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)

    async def work(reads: JoinedReads, link: OnlineLink) -> Any:
        del link
        return await echoed(reads, b"over TLS")

    for name, signer in (("right", authority), ("other", trustme.CA())):
        signer.cert_pem.write_to_path(str(tmp_path / name))
    with Proxy(online_url, server) as proxy:
        url = f"{proxy.url.replace('redis://', 'rediss://')}?ssl_ca_certs={tmp_path}"
        assert joined(f"{url}/right", work) == [b"over TLS"]
    with Proxy(online_url, server) as proxy:
        url = f"{proxy.url.replace('redis://', 'rediss://')}?ssl_ca_certs={tmp_path}"
        with pytest.raises(StoreUnavailableError, match="certificate verify failed"):
            joined(f"{url}/other", work)


def test_closed(online_url: str) -> None:
    """After it was closed nothing waits for ever."""

    async def work(reads: JoinedReads, link: OnlineLink) -> Any:
        del link
        waiting = asyncio.create_task(echoed(reads, b"x"))
        await asyncio.sleep(0)
        reads.close()
        failed = await asyncio.gather(waiting, echoed(reads, b"y"), return_exceptions=True)
        return [type(each) for each in failed]

    assert joined(online_url, work) == [StoreUnavailableError] * 2
