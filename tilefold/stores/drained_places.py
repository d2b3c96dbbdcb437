"""How far a Delta table holds a stream log: application transactions that are part of the commits that brought the entries.

The rule: rows and the place behind them come in one commit, so a drain that is killed and repeated brings each entry once. Per
incarnation and shard there are two numbers, `tilefold/drain/<incarnation>/<shard>` for the position and the same with `/epoch`.
Do not change: they are on disk.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from tilefold.stores.stream_log import ORIGIN, Place


class Claims(Protocol):
    """The application transactions of one version of a table."""

    def claim(self, name: str) -> int | None:
        """The number of one; None where it was never set."""
        ...


def drained_places(snapshot: Claims, incarnation: str, shards: Iterable[int]) -> dict[int, Place]:
    """The place behind the last entry that the table holds; `ORIGIN` where it holds none."""
    places = {}
    for shard in shards:
        position, epoch = (snapshot.claim(name) for name in _names(incarnation, shard))
        places[shard] = ORIGIN if position is None or epoch is None else Place(position, epoch)
    return places


def place_claims(incarnation: str, places: Mapping[int, Place]) -> dict[str, int]:
    """The application transactions that set these places."""
    return {
        name: number for shard, place in places.items() for name, number in zip(_names(incarnation, shard), place, strict=True)
    }


def _names(incarnation: str, shard: int) -> tuple[str, str]:
    name = f"tilefold/drain/{incarnation}/{shard}"
    return name, f"{name}/epoch"
