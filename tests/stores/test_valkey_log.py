"""The stream log on a server: which servers are taken, who calls it, and what it keeps."""

import os
import time
from pathlib import Path

import pytest
from redis import Redis

from tests.stores.logs import ALL, SHARDS, event, everything, ids, refused, stream_server, valkey_log
from tests.stores.servers import foreign_redis
from tilefold.errors import NewerFormatError, StorePolicyError, StoreUnavailableError
from tilefold.stores.embedded import EmbeddedServer, open_embedded
from tilefold.stores.stream_log import Place
from tilefold.stores.valkey_log import ValkeyLog

MB = 1024 * 1024


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
