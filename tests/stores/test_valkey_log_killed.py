"""What kills, restarts and lost replies do to the stream log on a server: nothing that was acknowledged is lost or doubled."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NoConnectionError

from tests.stores.logs import ALL, event, everything, ids, refused, stream_server, valkey_log
from tests.stores.servers import server_process
from tilefold.errors import StoreUnavailableError
from tilefold.stores.embedded import EmbeddedServer
from tilefold.stores.valkey_log import ValkeyLog

WRITER = """
import sys
from tests.stores.logs import event, valkey_log
log = valkey_log(sys.argv[1], "killed")
print("ready", flush=True)
for i in range(100_000):
    log.append([event(f"{i}-{each}", each % 4) for each in range(5)])
    print(i, flush=True)
"""


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
            os.kill(server_process(tmp_path, "stream"), signal.SIGKILL)
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


def test_a_restart_in_between_is_not_noticed(tmp_path: Path, log: ValkeyLog) -> None:
    """After a kill and a restart the same object goes on: connections and scripts are made again."""
    log.append([event("a")])
    os.kill(server_process(tmp_path, "stream"), signal.SIGKILL)
    with stream_server(tmp_path):
        assert log.append([event("a"), event("b")]) == [None, 2]
        assert ids(everything(log)) == ["a", "b"]


def test_while_the_server_is_down_every_call_fails_by_name(tmp_path: Path, log: ValkeyLog) -> None:
    """A log that cannot be reached is our own error, for readers, writers and barriers."""
    os.kill(server_process(tmp_path, "stream"), signal.SIGKILL)
    for call in (lambda: log.append([event("a")]), lambda: log.read(ALL, 1, 50), lambda: log.append_barrier(1), log.ends):
        with pytest.raises(StoreUnavailableError, match=r"stream log .* cannot be reached"):
            call()


def test_a_waiting_reader_outlives_a_restart(tmp_path: Path, log: ValkeyLog) -> None:
    """A reader that waits while the server is restarted gets what comes afterwards."""
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.extend(ids(log.read(ALL, 10, wait_ms=30_000))))
    reader.start()
    os.kill(server_process(tmp_path, "stream"), signal.SIGKILL)
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
