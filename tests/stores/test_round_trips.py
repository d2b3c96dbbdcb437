"""Connections of our own: replies never get mixed up, and a broken connection is replaced."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from tests.stores.syncs import EARLY, VERSION, VIEW, Syncs
from tilefold.errors import StoreUnavailableError
from tilefold.stores.embedded import EmbeddedServer, open_embedded
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.round_trips import RoundTrips, packed


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that may be killed."""
    with open_embedded(tmp_path) as opened:
        yield opened


@pytest.fixture
def own(server: EmbeddedServer) -> Iterator[OnlineStore]:
    """A store on it."""
    opened = OnlineStore.connect(server.url, "test")
    yield opened
    opened.close()


def _kill(folder: Path) -> None:
    os.kill(int((folder / "online" / "server.pid").read_text()), signal.SIGKILL)


def test_a_killed_server_is_an_error_and_a_restarted_one_is_found(tmp_path: Path, own: OnlineStore) -> None:
    """While the server is down reads fail by name; once it is back, the same store goes on with what it held."""
    syncs = Syncs(own)
    assert syncs.whole(EARLY, "a")
    _kill(tmp_path)
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        own.read(syncs.key("a"))
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        own.read_many(syncs.keys("a", "b"))
    with open_embedded(tmp_path):
        assert own.read(syncs.key("a")) == [syncs.part(EARLY), None]
        assert own.mark(VIEW, VERSION) == EARLY


def test_a_restart_in_between_is_not_noticed(tmp_path: Path, own: OnlineStore) -> None:
    """Connections and scripts that the server has forgotten are made again."""
    syncs = Syncs(own)
    assert syncs.whole(EARLY, "a")
    _kill(tmp_path)
    with open_embedded(tmp_path):
        assert syncs.write(EARLY, "b")
        assert own.read(syncs.key("b")) == [syncs.part(EARLY), None]


def test_a_restart_during_a_read_is_waited_for(tmp_path: Path, own: OnlineStore) -> None:
    """A read that meets a short restart answers late, not wrong."""
    syncs = Syncs(own)
    assert syncs.whole(EARLY, "a")
    _kill(tmp_path)
    opened: list[EmbeddedServer] = []
    thread = threading.Thread(target=lambda: opened.append(open_embedded(tmp_path)))
    thread.start()
    assert own.read(syncs.key("a")) == [syncs.part(EARLY), None]
    thread.join()
    assert len(opened) == 1


def test_a_hanging_server_is_an_error(tmp_path: Path, server: EmbeddedServer) -> None:
    """A server that accepts and never answers costs the timeout, once."""
    store = OnlineStore.connect(f"{server.url}?socket_timeout=0.1", "test")
    process = int((tmp_path / "online" / "server.pid").read_text())
    os.kill(process, signal.SIGSTOP)
    with pytest.raises(StoreUnavailableError, match="answer in time"):
        store.read(b"key")
    os.kill(process, signal.SIGCONT)
    assert store.read(b"key") == [None, None]
    store.close()


def test_a_late_reply_is_never_taken_for_another(tmp_path: Path, server: EmbeddedServer) -> None:
    """After a timeout the connection is given up, with the reply that is still to come on it."""
    store = OnlineStore.connect(f"{server.url}?socket_timeout=0.1", "test")
    store.client.hset("first", "b", "of the first")
    store.client.hset("second", "b", "of the second")
    process = int((tmp_path / "online" / "server.pid").read_text())
    os.kill(process, signal.SIGSTOP)
    with pytest.raises(StoreUnavailableError):
        store.read(b"first")
    os.kill(process, signal.SIGCONT)
    assert store.read(b"second") == [b"of the second", None]
    store.close()


@pytest.mark.parametrize("count", [0, 1, 7, 8, 20])
def test_slices_keep_order_and_lose_nothing(own: OnlineStore, count: int) -> None:
    """Commands sent few at a time are answered like all at once, on one connection, with no more than two slices on the way."""
    trips = RoundTrips(own.client)
    asked = 0

    def commands() -> Iterator[bytes]:
        nonlocal asked
        for number in range(count):
            asked += 1
            yield packed(b"ECHO", b"%d" % number)

    seen = []
    for reply in trips.in_slices(commands(), 4):
        assert asked <= len(seen) + 8
        seen.append(reply)
    assert seen == [b"%d" % number for number in range(count)]
    assert trips.connections == 1
    trips.close()


def test_slices_go_on_after_a_broken_connection(own: OnlineStore) -> None:
    """A connection that the server closes between two slices costs a new one, and no reply."""
    trips = RoundTrips(own.client)
    commands = (packed(b"ECHO", b"%d" % number) for number in range(40))
    seen = []
    for reply in trips.in_slices(commands, 4):
        if len(seen) == 10:
            own.client.client_kill_filter(skipme=True, _type="normal")
        seen.append(reply)
    assert seen == [b"%d" % number for number in range(40)]
    assert trips.connections == 2
    trips.close()


def test_an_error_among_many_replies_spoils_nothing(own: OnlineStore) -> None:
    """An error in the midst of a pipeline is raised, and the next request gets its own reply."""
    trips = RoundTrips(own.client)
    own.client.set("text", "a text")
    requests = packed(b"GET", b"text") + packed(b"HKEYS", b"text") + packed(b"GET", b"text")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        trips.many(requests, 3)
    assert trips.one(packed(b"PING")) == b"PONG"
    trips.close()


def test_an_interrupted_request_spoils_nothing(own: OnlineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between request and reply closes the connection."""
    trips = RoundTrips(own.client)
    assert trips.one(packed(b"PING")) == b"PONG"
    own.client.set("text", "a text")

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trips._idle[0], "read_response", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trips.one(packed(b"GET", b"text"))
    assert trips.one(packed(b"PING")) == b"PONG"
    trips.close()


def test_threads_share_a_store(own: OnlineStore) -> None:
    """Each thread gets its own replies, and connections are used again."""
    syncs = Syncs(own)
    names = [f"entity {number}" for number in range(64)]
    for name in names:
        own.client.hset(syncs.key(name), "b", name)

    def read(name: str) -> bool:
        one = [own.read(syncs.key(name))[0] == name.encode() for _ in range(50)]
        return all(one) and own.read_many(syncs.keys(name, names[0])) == [[name.encode(), None], [names[0].encode(), None]]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, names))
    assert len(own._link.trips._idle) <= 8


def test_a_forked_child_has_connections_of_its_own(own: OnlineStore) -> None:
    """A child reads beside its parent, and each gets its own replies."""
    own.client.hset("parent", "b", "of the parent")
    own.client.hset("child", "b", "of the child")
    assert own.read(b"parent") == [b"of the parent", None]
    child = os.fork()
    if child == 0:
        os._exit(0 if all(own.read(b"child") == [b"of the child", None] for _ in range(500)) else 1)
    assert all(own.read(b"parent") == [b"of the parent", None] for _ in range(500))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_large_replies_arrive_whole(own: OnlineStore) -> None:
    """Requests and replies above all buffers pass."""
    syncs = Syncs(own)
    for number in range(200):
        own.client.hset(syncs.key(str(number)), "b", bytes([number]) * 65_536)
    found = own.read_many(syncs.keys(*map(str, range(200))))
    assert found == [[bytes([number]) * 65_536, None] for number in range(200)]
