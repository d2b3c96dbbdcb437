"""A stream log without room: it refuses by name, and loses nothing that it accepted."""

import secrets
from pathlib import Path

import pytest
from redis import Redis

from tests.stores.logs import ALL, SHARDS, event, everything, ids, stream_server, valkey_log
from tilefold.errors import StoreFullError
from tilefold.stores.embedded import EmbeddedServer
from tilefold.stores.valkey_log import ValkeyLog

MB = 1024 * 1024


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
