"""Barriers: where one compaction of a source ends and the next one's events begin.

The rule: the number comes from Delta, then stands in every shard of the stream log, and the barrier is taken once the drain
has passed it everywhere. What the event log holds at its version is all that will ever have its epoch or a smaller one.

    event log     claims number n     ... drains shard 0, shard 1 up to the barrier ...    version of the barrier
    shard 0       e   e   barrier n   e          e of epoch n + 1
    shard 1       e   barrier n       e
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from tilefold.errors import StoreUnavailableError, complaint
from tilefold.stores.log_results import Barrier
from tilefold.stores.stream_log import Place, StreamLog

ATTEMPTS = 5


class DrainedVersion(Protocol):
    """One version of an event log; see `LogSnapshot`."""

    @property
    def version(self) -> int:
        """Its number."""
        ...

    def drained(self, incarnation: str, shards: Iterable[int]) -> dict[int, Place]:
        """Of each shard of a stream log the place up to which this version holds it."""
        ...


class NumberedLog(Protocol):
    """What a barrier needs of an event log; see `EventLog`."""

    @property
    def source(self) -> str:
        """The source's name."""
        ...

    def take_barrier(self) -> Barrier:
        """Number the next compaction of the source and mark its place in the log."""
        ...

    def snapshot(self) -> DrainedVersion:
        """The newest version."""
        ...


def take_barrier(event_log: NumberedLog, stream: StreamLog | None, drain: Callable[[], object]) -> Barrier:
    """Number the next compaction of a source and mark its place in the event log.

    Parameters
    ----------
    stream
        The source's stream log; None for a source without one.
    drain
        Brings the event log up to where the stream log ends.

    Raises
    ------
    StoreUnavailableError
        The stream log lost the barrier again and again.
    """
    claimed = event_log.take_barrier()
    if stream is None:
        return claimed
    for _ in range(ATTEMPTS):
        stream.append_barrier(claimed.number)
        drain()
        snapshot = event_log.snapshot()
        places = snapshot.drained(stream.incarnation, range(stream.shards))
        if all(place.epoch > claimed.number for place in places.values()):
            return Barrier(claimed.number, snapshot.version)
    rule = "the drain must pass the barrier in every shard"
    mend = "See that nobody empties the stream log, then try again."
    raise StoreUnavailableError(complaint(f"source '{event_log.source}'", rule, claimed.number, mend))
