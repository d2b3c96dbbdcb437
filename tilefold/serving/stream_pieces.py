"""What was read of a log, cut into pieces that a stream part holds wholly or not at all.

The rule: a piece has one epoch, that of its place in the log, and is cut where some part ends. So a part lacks a piece if, in
every shard of it, the part ends at or before the piece's low edge.

    shard 0        e1   e2  [barrier 7]  e3   e4
    pieces         |--------|            |--|----|      of epoch 7 and, cut by a part that ends behind e3, of epoch 8
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from tilefold.engine.stream_part import StreamPart
from tilefold.serving.stream_ports import Entries
from tilefold.stores.stream_log import Entry, Kind, Place, events_of


class Piece(NamedTuple):
    """Events of one epoch that are in a part or not, all together; `low` is where they begin in each shard."""

    epoch: int
    low: Mapping[int, int]
    entries: Entries


def is_behind(places: Mapping[int, Place], starts: Mapping[int, int]) -> bool:
    """Whether a view at these places lacks entries that a log with these starts holds no more."""
    return any(shard not in places or places[shard].position < start for shard, start in starts.items())


def entries_behind(entries: Sequence[Entry], place: Place) -> Sequence[Entry]:
    """The entries behind a place; they are in order."""
    if entries[0].position > place.position:
        return entries
    return [entry for entry in entries if entry.position > place.position]


def by_epoch(entries: Entries, places: Mapping[int, Place]) -> Iterator[Piece]:
    """The events parted by the epoch that is in force where they stand."""
    low = {shard: places[shard].position for shard in entries}
    epochs: dict[int, dict[int, Sequence[Entry]]] = {}
    for shard, some in entries.items():
        for epoch, own in _parted(some, places[shard]).items():
            epochs.setdefault(epoch, {})[shard] = own
    for epoch, events in sorted(epochs.items()):
        yield Piece(epoch, {shard: low[shard] for shard in events}, events)


def _parted(entries: Sequence[Entry], place: Place) -> Mapping[int, Sequence[Entry]]:
    """The events of one shard by epoch."""
    if events_of(entries) is entries:
        return {place.epoch: entries}
    parted: dict[int, list[Entry]] = {}
    for entry in entries:
        if entry.kind is Kind.EVENT:
            parted.setdefault(place.epoch, []).append(entry)
        elif entry.kind is Kind.BARRIER:
            place = place.after(entry)
    return parted


def cuts_of(parts: Iterable[StreamPart], places: Mapping[int, Place]) -> dict[int, set[int]]:
    """By shard, where parts end that hold some of these events already."""
    cuts: dict[int, set[int]] = {}
    known: Mapping[int, int] | None = None
    for part in parts:
        if part.positions is known:
            continue
        known = part.positions
        for shard, position in known.items():
            if shard in places and position > places[shard].position:
                cuts.setdefault(shard, set()).add(position)
    return cuts


def cut(piece: Piece, cuts: Mapping[int, set[int]]) -> Iterator[Piece]:
    """A piece shard by shard, each cut at these positions."""
    for shard, events in piece.entries.items():
        edges = [piece.low[shard], *sorted(cuts.get(shard, ())), 2**63]
        for low, high in pairwise(edges):
            inside = [entry for entry in events if low < entry.position <= high]
            if inside:
                yield Piece(piece.epoch, {shard: low}, {shard: inside})
