"""The stream log on a server: which servers are taken, and what kills, restarts, lost replies and full memory do to it."""

import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NoConnectionError

from tests.stores.logs import ALL, SHARDS, event, everything, ids, refused, stream_server, valkey_log
from tests.stores.servers import foreign_redis
from tilefold.errors import NewerFormatError, StoreFullError, StorePolicyError, StoreUnavailableError
from tilefold.stores.embedded import EmbeddedServer, open_embedded
from tilefold.stores.stream_log import Place
from tilefold.stores.valkey_log import ValkeyLog

MB = 1024 * 1024
WRITER = """
import sys
from tests.stores.logs import event, valkey_log
log = valkey_log(sys.argv[1], "killed")
print("ready", flush=True)
for i in range(100_000):
    log.append([event(f"{i}-{each}", each % 4) for each in range(5)])
    print(i, flush=True)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that may be killed."""
    with stream_server(tmp_path) as opened:
        yield opened


@pytest.fixture
def log(server: EmbeddedServer) -> Iterator[ValkeyLog]:
    """A log on it."""
    opened = valkey_log(server.url, "own")
    yield opened
    opened.close()


def process_of(folder: Path) -> int:
    """The server's process."""
    return int((folder / "stream" / "server.pid").read_text())


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"appendfsync": "everysec"}, "its appendfsync must be always.*; got 'everysec'. Set appendfsync always"),
        ({"appendfsync": "no"}, "its appendfsync must be always.*; got 'no'"),
        ({"appendonly": "no"}, "its appendonly must be yes.*; got 'no'"),
        ({"no_appendfsync_on_rewrite": "yes"}, "its no-appendfsync-on-rewrite must be no.*; got 'yes'"),
        ({"maxmemory_policy": "allkeys-lru"}, "its maxmemory-policy must be noeviction; got 'allkeys-lru'"),
    ],
)
def test_a_server_that_could_lose_events_is_refused(tmp_path: Path, config: dict[str, str], said: str) -> None:
    """Whatever answers before its disk has the write, or evicts, is named with the setting to change."""
    with stream_server(tmp_path, **config) as server, pytest.raises(StorePolicyError, match=f"stream log .*{said}"):
        valkey_log(server.url)


def test_a_server_that_does_not_tell_is_refused(server: EmbeddedServer) -> None:
    """Where CONFIG is forbidden nobody knows what an answer is worth."""
    with Redis.from_url(server.url) as admin:
        password = admin.connection_pool.connection_kwargs["password"]
        admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-config")
    with pytest.raises(StorePolicyError, match="Let its user call CONFIG GET") as told:
        valkey_log(server.url.replace("://", "://app").replace(password, "secret"))
    assert "secret" not in str(told.value)


def test_the_rights_that_it_needs(server: EmbeddedServer) -> None:
    """A user with the rights that the documentation names, on the workspace's keys alone, can do all of it."""
    rights = ["+@read", "+@write", "+@scripting", "+info", "+ping", "+time", "+config|get"]
    with Redis.from_url(server.url) as admin:
        password = admin.connection_pool.connection_kwargs["password"]
        admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~mine:*", *rights)
    log = valkey_log(server.url.replace("://", "://app").replace(password, "secret"), "mine")
    log.append([event("a"), refused("r")])
    log.enter_ids(["b"])
    log.append_barrier(1)
    assert ids(everything(log)) == ["a"]
    assert log.trim({shard: place.position for shard, place in log.ends().items()}) == 0
    log.close()


def test_a_server_that_is_down_is_named() -> None:
    """No server is an error that names the address and the URL to mend."""
    with pytest.raises(StoreUnavailableError, match=r"stream log 127\.0\.0\.1:1/0: .*mend the stream URL"):
        valkey_log("redis://127.0.0.1:1/0")


def test_the_number_of_shards_is_fixed(log: ValkeyLog, server: EmbeddedServer) -> None:
    """A log with another number of shards than declared is refused, with both ways out."""
    said = r"made with 4 shards, which cannot change; got 8\. Declare PushConfig\(shards=4\), or drain the source and delete"
    with pytest.raises(StorePolicyError, match=said):
        valkey_log(server.url, "own", shards=8)
    assert log.shards == SHARDS


def test_a_log_of_a_newer_release_is_refused(log: ValkeyLog, server: EmbeddedServer) -> None:
    """A log whose format this release does not know is not touched."""
    with Redis.from_url(server.url) as admin:
        admin.hset("own:spend:log", "format", 2)
    with pytest.raises(NewerFormatError, match="reads formats up to 1; got 2"):
        valkey_log(server.url, "own")
    assert log.append([event("a")]) == [1]


def test_acknowledged_events_survive_kill_9_of_the_server(tmp_path: Path, server: EmbeddedServer) -> None:
    """At whatever moment the server is killed, each event that was acknowledged is there afterwards, once."""
    seed = random.randrange(2**32)
    drawn, reported = random.Random(seed), 0
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, server.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(drawn.uniform(0.02, 0.4))
            os.kill(process_of(tmp_path), signal.SIGKILL)
            reported = max(reported, *(int(line) + 1 for line in writer.stdout.read().splitlines()), 0)
        with stream_server(tmp_path) as again:
            log = valkey_log(again.url, "killed")
            found = ids(everything(log))
            log.close()
        assert len(found) == len(set(found)), f"seed {seed}"
        assert {f"{i}-{each}" for i in range(reported) for each in range(5)} <= set(found), f"seed {seed}"


def lose_replies(log: ValkeyLog, monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Let the connection break after the server has done what it was asked, so often; counts the requests."""
    sent: list[int] = []
    real = log._link.trips._exchange

    def exchange(request: bytes, replies: int) -> list[Any]:
        answers = real(request, replies)
        sent.append(replies)
        if len(sent) <= times:
            raise NoConnectionError("the reply is lost")
        return answers

    monkeypatch.setattr(log._link.trips, "_exchange", exchange)
    return sent


def test_a_repeat_after_a_lost_reply_adds_nothing(log: ValkeyLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets the positions of the first time, for events, refused ones and barriers alike."""
    log.append([event("before")])
    sent = lose_replies(log, monkeypatch, 2)
    positions = log.append([event("a"), event("before"), refused("r", 1), event("b", 1)])
    assert (positions, len(sent)) == ([2, None, 3, 4], 3)
    sent = lose_replies(log, monkeypatch, 2)
    log.append_barrier(1)
    monkeypatch.undo()
    assert [(entry.event_id, entry.number) for some in everything(log).values() for entry in some] == [
        ("before", 0),
        ("a", 0),
        ("", 1),
        ("r", 0),
        ("b", 0),
        ("", 1),
        ("", 1),
        ("", 1),
    ]


def test_the_same_caller_is_not_answered_from_its_last_call(log: ValkeyLog) -> None:
    """Only a repeat of a request gets its old answer: a new request with the same events is looked at anew."""
    assert log.append([event("a"), refused("r")]) == [1, 2]
    assert log.append([event("a"), refused("r")]) == [None, 3]


def test_a_forked_child_is_another_caller(log: ValkeyLog) -> None:
    """Parent and child append beside each other, and every event is accepted once."""
    log.append([event("first")])
    child = os.fork()
    if child == 0:
        accepted = [position for number in range(100) for position in log.append([event(f"child {number}")])]
        os._exit(0 if None not in accepted else 1)
    accepted = [position for number in range(100) for position in log.append([event(f"parent {number}", 1)])]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert None not in accepted
    assert len(set(ids(everything(log)))) == log.events() == 201


def test_a_restart_in_between_is_not_noticed(tmp_path: Path, log: ValkeyLog) -> None:
    """After a kill and a restart the same object goes on: connections and scripts are made again."""
    log.append([event("a")])
    os.kill(process_of(tmp_path), signal.SIGKILL)
    with stream_server(tmp_path):
        assert log.append([event("a"), event("b")]) == [None, 2]
        assert ids(everything(log)) == ["a", "b"]


def test_while_the_server_is_down_every_call_fails_by_name(tmp_path: Path, log: ValkeyLog) -> None:
    """A log that cannot be reached is our own error, for readers, writers and barriers."""
    os.kill(process_of(tmp_path), signal.SIGKILL)
    for call in (lambda: log.append([event("a")]), lambda: log.read(ALL, 1, 50), lambda: log.append_barrier(1), log.ends):
        with pytest.raises(StoreUnavailableError, match=r"stream log .* cannot be reached"):
            call()


def test_a_waiting_reader_outlives_a_restart(tmp_path: Path, log: ValkeyLog) -> None:
    """A reader that waits while the server is restarted gets what comes afterwards."""
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.extend(ids(log.read(ALL, 10, wait_ms=30_000))))
    reader.start()
    os.kill(process_of(tmp_path), signal.SIGKILL)
    with stream_server(tmp_path) as again:
        other = valkey_log(again.url, "own")
        other.append([event("a")])
        other.close()
        reader.join()
    assert found == ["a"]


def test_waiting_longer_than_the_socket_allows(server: EmbeddedServer) -> None:
    """A reader may wait for longer than its connection waits for an answer."""
    log = valkey_log(f"{server.url}?socket_timeout=0.2")
    assert log.read(ALL, 10, wait_ms=700) == {}
    log.close()


def test_a_log_that_was_emptied_is_not_taken_for_the_old_one(log: ValkeyLog, server: EmbeddedServer) -> None:
    """Who opened it before is told, whatever it calls; who opens it again gets another incarnation."""
    log.append([event("a")])
    with Redis.from_url(server.url) as admin:
        admin.flushall()
    calls = (
        lambda: log.append([event("b")]),
        lambda: log.enter_ids(["b"]),
        lambda: log.read(ALL, 1),
        lambda: log.append_barrier(1),
        lambda: log.trim(ALL),
        log.ends,
        log.starts,
        log.events,
    )
    for call in calls:
        with pytest.raises(StoreUnavailableError, match="emptied or replaced"):
            call()
    again = valkey_log(server.url, "own")
    assert again.incarnation != log.incarnation
    assert again.append([event("a")]) == [1]
    again.close()


def fill(log: ValkeyLog) -> list[str]:
    """Append events until the log refuses; the accepted ones."""
    accepted: list[str] = []
    for _ in range(10_000):
        some = [event(secrets.token_hex(8), 0, secrets.token_bytes(1000)) for _ in range(50)]
        try:
            log.append(some)
        except StoreFullError:
            return accepted
        accepted += [each.event_id for each in some]
    raise AssertionError("it never filled up")


@pytest.mark.parametrize("limit", [6 * MB])
def test_a_flood_is_refused_before_anything_is_lost(tmp_path: Path, limit: int) -> None:
    """A full log refuses events by name; all that it accepted is there, barriers and reads go on, and trimming makes room."""
    with stream_server(tmp_path, maxmemory=str(limit)) as server:
        log = valkey_log(server.url, "flooded")
        accepted = fill(log)
        with pytest.raises(StoreFullError, match=r"90% of its memory is used.*TILEFOLD_STREAM_MEMORY|its memory is used up"):
            log.append([event("large", 0, b"x" * MB) for _ in range(3)])
        assert log.append([]) == []
        log.append_barrier(1)
        assert set(ids(everything(log))) == set(accepted)
        assert log.trim({shard: place.position for shard, place in log.ends().items()}) == 0
        assert log.append([event("one more")]) != [None]
        log.close()


def test_barriers_and_trims_go_on_beyond_the_limit(log: ValkeyLog, server: EmbeddedServer) -> None:
    """With no memory left at all, a drain can still pass a barrier and make room."""
    log.append([event("a", 0, b"x" * MB)])
    with Redis.from_url(server.url) as admin:
        admin.config_set("maxmemory", "1mb")
        with pytest.raises(StoreFullError):
            log.append([event("b")])
        with pytest.raises(StoreFullError, match="its memory is used up"):
            log.enter_ids(["b"])
        log.append_barrier(7)
        assert len(log.read(ALL, 10)) == SHARDS
        assert log.trim({shard: place.position for shard, place in log.ends().items()}) == 0
        admin.config_set("maxmemory", "0")
    assert log.ends()[2].epoch == 8


def test_young_entries_are_kept(server: EmbeddedServer) -> None:
    """What is younger than the log keeps at least stays, though both readers have passed it."""
    log = valkey_log(server.url, "kept", keep_s=3600)
    log.append([event("a"), event("b", 1)])
    ends = {shard: place.position for shard, place in log.ends().items()}
    assert (log.trim(ends), log.starts()) == (2, ALL)
    log.close()
    short = valkey_log(server.url, "kept", keep_s=0.2)
    time.sleep(0.3)
    assert short.trim(ends) == 0
    short.append([event("c")])
    assert (short.trim({0: 3}), ids(everything(short))) == (1, ["c"])
    short.close()


def test_ids_expire_by_themselves(log: ValkeyLog, server: EmbeddedServer) -> None:
    """The ids of a day live a day longer than the horizon, counted from the last one, whatever the clock says."""
    log.append([event("a")])
    with Redis.from_url(server.url) as admin:
        (key,) = admin.keys("own:spend:log:ids:*")
        assert 4 * 86_400_000 - 60_000 < admin.pttl(key) <= 4 * 86_400_000
        assert admin.hvals(key) == [b"1"]
        assert all(admin.pttl(each) > 0 for each in admin.keys("own:spend:log:call:*"))


def test_it_is_large_before_it_is_wrong(log: ValkeyLog, server: EmbeddedServer) -> None:
    """Positions are whole numbers far beyond what floats of seven digits or exponents would show."""
    with Redis.from_url(server.url) as admin:
        admin.hset("own:spend:log", "last", 2**52)
    assert log.append([event("a"), event("b")]) == [2**52 + 1, 2**52 + 2]
    assert log.ends()[0] == Place(2**52 + 2, 1)
    assert [entry.position for entry in log.read({0: 2**52 + 1}, 5)[0]] == [2**52 + 2]
    assert log.trim({0: 2**52 + 2}) == 0


@pytest.mark.system
def test_a_foreign_redis_is_taken(tmp_path: Path) -> None:
    """The scripts run on Debian's Redis, if it syncs each write."""
    with foreign_redis(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as url:
        log = valkey_log(url)
        assert log.append([event("a"), event("a"), event("b", 1)]) == [1, None, 2]
        log.append_barrier(1)
        assert ids(everything(log)) == ["a", "b"]
        assert log.trim({shard: place.position for shard, place in log.ends().items()}) == 0
        log.close()


def test_the_default_server_is_not_taken(tmp_path: Path) -> None:
    """An embedded server as the online store has it syncs once a second, and is refused for streams."""
    with open_embedded(tmp_path) as online, pytest.raises(StorePolicyError, match="appendfsync"):
        valkey_log(online.url)


def test_trimming_drops_what_was_read(log: ValkeyLog) -> None:
    """What lies at or before the given positions is gone, the rest is left, and the log says from where on it is whole."""
    log.append([event(str(number), number % 2) for number in range(4)])
    first = log.ends()
    log.append([event(str(number), number % 2) for number in range(4, 10)])
    assert log.trim({0: first[0].position, 1: 0}) == 8
    assert log.starts()[0] == first[0].position
    assert (log.starts()[1], ids(log.read(ALL, 100))) == (0, ["4", "6", "8", "1", "3", "5", "7", "9"])
    assert log.trim({shard: place.position for shard, place in log.ends().items()}) == 0
    assert log.starts() == {shard: place.position for shard, place in log.ends().items()}
    assert log.append([event("a"), event("1")])[1] is None, "ids and positions outlive the entries"


def test_a_stopped_server_comes_back(tmp_path: Path) -> None:
    """A log is there again after its server was stopped properly and started."""
    with stream_server(tmp_path) as server:
        log = valkey_log(server.url, "again")
        log.append([event("a")])
        log.append_barrier(1)
        log.close()
    with stream_server(tmp_path) as server:
        log = valkey_log(server.url, "again")
        assert (ids(everything(log)), log.ends()[0].epoch) == (["a"], 2)
        log.close()
