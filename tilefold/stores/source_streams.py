"""What the online store knows of a source's stream beside the parts: who writes each shard, and the newest event.

The rule: a shard belongs to a writer process as long as its lease runs, by the server's clock, which all writers share. Leases
only keep writers out of each other's way; that nothing is counted twice is the parts' own compare-and-set.
"""

import struct
from collections.abc import Sequence
from typing import Any

from tilefold.stores.online_keys import OnlineKeys
from tilefold.stores.online_link import OnlineLink
from tilefold.stores.round_trips import packed
from tilefold.stores.script_runner import Call
from tilefold.stores.source_scripts import CLAIM, LATEST, RELEASE

_NUMBER = struct.Struct(">q")


class SourceStreams:
    """The writers and the newest events of the sources of one workspace; raises the errors of the online store."""

    def __init__(self, link: OnlineLink, keys: OnlineKeys) -> None:
        self._link, self._keys, self._scripts = link, keys, link.scripts

    def owners(self, source: str, shards: Sequence[int]) -> dict[int, bytes]:
        """The writer processes that own these shards; those that nobody owns are left out."""
        found = self._link.command(b"MGET", *(self._keys.owner(source, shard) for shard in shards))
        return {shard: owner for shard, owner in zip(shards, found, strict=True) if owner is not None}

    def claim(self, source: str, writer: bytes, shards: int, lease_ms: int, report: bytes = b"") -> list[int]:
        """Say that a writer process lives and how it does, and take or keep its share of the shards; which it owns now.

        Every living writer's share is the shards whose number, modulo how many live, is its place among their sorted names. A
        share that still belongs to another is taken when that one lets go or its lease ends.
        """
        answer: Any = self._scripts.run(CLAIM, Call(self._writing(source, shards), [writer, b"%d" % lease_ms, report]))
        return [shard for shard in range(shards) if answer[shard : shard + 1] == b"1"]

    def release(self, source: str, writer: bytes, shards: int) -> None:
        """Let go of all that a writer process owns."""
        self._scripts.run(RELEASE, Call(self._writing(source, shards), [writer]))

    def reports(self, source: str) -> dict[bytes, bytes]:
        """What the writer processes of a source reported last, by their names; one that was killed stays for a while."""
        found = self._link.command(b"HGETALL", self._keys.reports(source))
        return dict(zip(found[::2], found[1::2], strict=True))

    def _writing(self, source: str, shards: int) -> list[bytes]:
        """The keys of who writes a source's stream."""
        owners = [self._keys.owner(source, shard) for shard in range(shards)]
        return [self._keys.writers(source), self._keys.reports(source), *owners]

    def note_latest(self, source: str, latest_us: int) -> None:
        """Note the time of an event of a source; the newest one stays."""
        self._scripts.run(LATEST, Call([self._keys.latest(source)], [_NUMBER.pack(latest_us)]))

    def latest(self, source: str) -> int | None:
        """The time of the newest event of a source; None where none was noted."""
        return self.latest_of(self._link.command(b"GET", self._keys.latest(source)))

    def latest_request(self, source: str) -> bytes:
        """What `latest` sends; the reply is for `latest_of`."""
        return packed(b"GET", self._keys.latest(source))

    @staticmethod
    def latest_of(reply: bytes | None) -> int | None:
        """The time that a store has told."""
        return None if reply is None else _NUMBER.unpack(reply)[0]
