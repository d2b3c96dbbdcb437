"""The stream log as its users see it: what every implementation keeps.

The rule: an event that `append` returned a position for is durable, stands once, and keeps its place. A shard is read in order
of positions. A barrier stands in every shard and carries its number: the epoch after it is `max(epoch, number + 1)`, never a
count, so that a barrier that is repeated, or comes late, changes nothing.

    shard 0    event 1   event 3   barrier 1 at 4              event 6
    shard 1    event 2             barrier 1 at 5   event 7
    epoch          1                                     2

Positions grow within a shard; 0 is before everything. Nobody may rely on the gaps.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol


class Kind(IntEnum):
    """What an entry is. Do not change the numbers: they are in logs."""

    EVENT = 0
    BARRIER = 1
    REFUSED = 2


class NewEntry(NamedTuple):
    """An event, or a refused one, on its way into the log."""

    kind: Kind
    shard: int
    event_id: str
    payload: bytes


class Entry(NamedTuple):
    """What stands at a position; `number` is a barrier's, else 0."""

    position: int
    kind: Kind
    event_id: str
    payload: bytes
    number: int


class Place(NamedTuple):
    """How far a reader has come in a shard, and the epoch that is in force behind it."""

    position: int
    epoch: int

    def after(self, entry: Entry) -> "Place":
        """The place behind an entry that stands behind this place."""
        epoch = max(self.epoch, entry.number + 1) if entry.kind is Kind.BARRIER else self.epoch
        return Place(entry.position, epoch)

    def behind(self, entries: "Sequence[Entry]") -> "Place":
        """The place behind some entries that stand, in this order, behind this place."""
        place = self
        for entry in entries:
            if entry.kind is Kind.BARRIER:
                place = place.after(entry)
        return Place(entries[-1].position, place.epoch) if entries else self


def events_of(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The events among entries; the very same sequence where all are events, as nearly always."""
    if [entry.kind for entry in entries].count(Kind.EVENT) == len(entries):
        return entries
    return [entry for entry in entries if entry.kind is Kind.EVENT]


ORIGIN = Place(0, 1)
"""Before the first entry of a log that has lost nothing."""


class StreamLog(Protocol):
    """An append-only log of one source, in shards.

    Every method raises `StoreUnavailableError`, `StoreFullError` or `StorePolicyError`, and no error of a client library.

    Attributes
    ----------
    incarnation
        Drawn at random when the log is made: another one than before is another log, whose positions mean nothing to the old.
    shards
        How many there are; fixed for one incarnation.
    """

    incarnation: str
    shards: int

    def append(self, entries: Sequence[NewEntry]) -> list[int | None]:
        """Add entries, durable on return; the position of each, None for an event whose id was accepted before.

        An id is remembered for the dedupe horizon of the source. Refused entries are not deduplicated.
        """
        ...

    def enter_ids(self, event_ids: Sequence[str]) -> None:
        """Remember ids that came another way, so that `append` drops them."""
        ...

    def append_barrier(self, number: int) -> None:
        """Put a barrier into every shard; one that a shard holds already, or a larger one, is not repeated there."""
        ...

    def read(self, after: Mapping[int, int], limit: int, wait_ms: int = 0) -> dict[int, list[Entry]]:
        """The entries behind these positions, shard by shard, about `limit` in all; shards without any are left out.

        Waits up to `wait_ms` for the first one. Duplicates that an implementation cannot keep out are not returned.
        """
        ...

    def ends(self) -> dict[int, Place]:
        """The place behind the last entry of each shard."""
        ...

    def starts(self) -> dict[int, int]:
        """Of each shard the last trimmed position, 0 where nothing was trimmed: who is at it or behind has missed nothing."""
        ...

    def trim(self, upto: Mapping[int, int]) -> int:
        """Drop entries at or before these positions that are older than the log keeps at least; how many are left."""
        ...

    def drop(self, upto: Mapping[int, int]) -> bool:
        """Drop entries at or before these positions, whatever their age; False where the servers' files may still hold them."""
        ...

    def events(self) -> int:
        """How many events this incarnation ever accepted."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
