"""What the tests of stream logs share: a server that syncs each write, logs of their own names on it, entries in few words."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.stores.kafka_mock import MockCluster
from tilefold.engine.time import DAY_US
from tilefold.stores.embedded import EmbeddedServer, open_embedded
from tilefold.stores.kafka_log import KafkaLog
from tilefold.stores.stream_log import Entry, Kind, NewEntry, StreamLog
from tilefold.stores.valkey_log import ValkeyLog

SYNCED = {"appendfsync": "always"}
SHARDS = 4
HORIZON_US = 3 * DAY_US
ALL = dict.fromkeys(range(SHARDS), 0)
NOON_US = 20_000 * DAY_US + DAY_US // 2


class Clock:
    """A clock in microseconds that stands until it is moved."""

    def __init__(self, now_us: int = NOON_US) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        """The time it was set to."""
        return self.now_us


def stream_server(folder: Path, **config: str) -> EmbeddedServer:
    """An embedded server in which streams may be kept."""
    return open_embedded(folder, "stream", SYNCED | {name.replace("_", "-"): value for name, value in config.items()})


def valkey_log(
    url: str, name: str | None = None, *, clock: Clock | None = None, keep_s: float = 0, shards: int = SHARDS
) -> ValkeyLog:
    """A log of its own name, or of a given one."""
    prefix = name or f"log-{secrets.token_hex(4)}"
    return ValkeyLog.connect(url, prefix, "spend", shards=shards, horizon_us=HORIZON_US, now_us=clock or Clock(), keep_s=keep_s)


def kafka_log(
    mock: MockCluster, beside: str, name: str | None = None, *, clock: Clock | None = None, keep_s: float = 0
) -> KafkaLog:
    """A log on the mock cluster, of its own name or of a given one."""
    prefix = name or f"log-{secrets.token_hex(4)}"
    mock.topic(f"{prefix}.spend", SHARDS)
    return KafkaLog.connect(
        mock.url, beside, prefix, "spend", shards=SHARDS, horizon_us=HORIZON_US, now_us=clock or Clock(), keep_s=keep_s
    )


def event(event_id: str, shard: int = 0, payload: bytes | None = None) -> NewEntry:
    """An event; its payload is its id where none is given."""
    return NewEntry(Kind.EVENT, shard, event_id, event_id.encode() if payload is None else payload)


def refused(event_id: str, shard: int = 0) -> NewEntry:
    """A refused event."""
    return NewEntry(Kind.REFUSED, shard, event_id, b"why")


def ids(entries: Mapping[int, Sequence[Entry]]) -> list[str]:
    """The ids of the events among entries, in order of shards and positions."""
    return [entry.event_id for shard in sorted(entries) for entry in entries[shard] if entry.kind is Kind.EVENT]


def everything(log: StreamLog, after: Mapping[int, int] | None = None) -> dict[int, list[Entry]]:
    """All entries behind some places, read a few at a time."""
    places = dict(after or dict.fromkeys(range(log.shards), 0))
    found: dict[int, list[Entry]] = {}
    while entries := log.read(places, 7):
        for shard, some in entries.items():
            found.setdefault(shard, []).extend(some)
            places[shard] = some[-1].position
    return found
