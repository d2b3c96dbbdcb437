"""What a writer read, as it is folded into one part after the other.

The rule: a part takes a piece wholly or not at all, by its own places; then it says that it includes the log up to the end of
what was read, in every shard of it.
"""

from collections.abc import Collection, Mapping, Sequence

from tilefold.engine.stream_part import StreamPart
from tilefold.serving.stream_pieces import Piece, by_epoch, cut, cuts_of
from tilefold.serving.stream_ports import Entries, StreamTarget
from tilefold.stores.stream_log import Place


class StreamBatch:
    """The events of one read for one view.

    Parameters
    ----------
    places
        Behind which they were read.

    Attributes
    ----------
    entities
        Whose events they are, by online key.
    """

    def __init__(self, target: StreamTarget, entries: Entries, places: Mapping[int, Place]) -> None:
        self._target, self._entries, self._places = target, entries, places
        self._ends = {shard: some[-1].position for shard, some in entries.items()}
        self._moved: dict[int, tuple[Mapping[int, int], Mapping[int, int]]] = {}  # by the identity of what parts said before
        self._whole = True
        self._take(list(by_epoch(entries, places)))
        self.entities = {target.key_of(entity): entity for _, some in self._pieces for entity in some}

    def _take(self, pieces: Sequence[Piece]) -> None:
        rows = [self._target.rows(piece.entries) for piece in pieces]
        self._pieces = list(zip(pieces, rows, strict=True))

    def cut_for(self, parts: Collection[StreamPart]) -> None:
        """Cut it where any of these parts ends inside of it, as after a crash or beside another writer."""
        if cuts := cuts_of(parts, self._places):
            self._whole = False
            self._take([each for piece in by_epoch(self._entries, self._places) for each in cut(piece, cuts)])

    def fold(self, part: StreamPart, entity: str) -> None:
        """Fold what a part lacks, and move it on."""
        positions = part.positions
        for piece, some in self._pieces:
            own = some.get(entity)
            if own and (self._whole or all(positions.get(shard, 0) <= low for shard, low in piece.low.items())):
                self._target.folder.add(part, piece.epoch, own)
        known = self._moved.get(id(positions))
        part.positions = self._move(positions) if known is None else known[1]

    def _move(self, before: Mapping[int, int]) -> Mapping[int, int]:
        """Places moved on to the end; most parts then share them."""
        moved = {**before, **{shard: max(end, before.get(shard, 0)) for shard, end in self._ends.items()}}
        after = self._ends if moved == self._ends else moved
        self._moved[id(before)] = (before, after)
        return after
