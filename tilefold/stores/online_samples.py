"""Looks over a whole online store, for checks and for people.

The rule: nothing here is on the way of a read or a sync, and all of it goes in steps that let reads pass in between.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tilefold.engine.codec import HEADER
from tilefold.engine.mark import STAMP_SIZE_BYTES, Mark
from tilefold.errors import CorruptBlobError, complaint
from tilefold.stores.online_link import OnlineLink

_SCAN_STEP = b"1000"


@dataclass(frozen=True, slots=True)
class StoreUsage:
    """How full the store is.

    Attributes
    ----------
    server
        Its kind and version.
    limit_bytes
        Its maxmemory; 0 where it has none.
    keys
        All there are, other workspaces' too.
    """

    server: str
    memory_bytes: int
    limit_bytes: int
    keys: int


def usage(link: OnlineLink) -> StoreUsage:
    """How full the store is now."""
    facts = link.facts("server", "memory")
    server = f"Valkey {facts['valkey_version']}" if "valkey_version" in facts else f"Redis {facts['redis_version']}"
    return StoreUsage(server, facts["used_memory"], facts["maxmemory"], link.command(b"DBSIZE"))


def scan(link: OnlineLink, pattern: bytes) -> Iterator[bytes]:
    """The keys that match; those that are there from first to last come at least once."""
    cursor = b"0"
    while True:
        cursor, keys = link.command(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", _SCAN_STEP)
        yield from keys
        if cursor == b"0":
            return


def stamp_of(key: bytes, part: bytes) -> Mark:
    """The stamp of a batch part; `CorruptBlobError` names the key where there is none."""
    stamp = part[HEADER.size : HEADER.size + STAMP_SIZE_BYTES]
    if len(stamp) < STAMP_SIZE_BYTES:
        mend = "Sync the view again: broken parts are written over."
        raise CorruptBlobError(complaint(f"online key {key!r}", "its batch part must have a stamp", part, mend))
    return Mark.from_bytes(stamp)
