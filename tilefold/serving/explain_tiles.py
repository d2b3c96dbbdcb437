"""The tiles of a key's two parts, one by one: their spans, their events, and the state that each holds alone.

The rule: nothing is made up. A part keeps running totals from its newest tile back, so a tile's own state is the difference of
two totals, where the operation has one. Of a running minimum or maximum it is known only where it is the new extreme:

    maximum, newest tile last     own        3    9    2    5
                                  totals     9    9    5    5        known: 9 (the second) and 5; the others are hidden
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from tilefold.engine.codec import Part
from tilefold.engine.layout import EVENTS
from tilefold.engine.mark import Mark
from tilefold.engine.merge import is_covered
from tilefold.engine.time import to_datetime
from tilefold.functions import OVERFLOW
from tilefold.serving.context import ViewContext
from tilefold.serving.explained import ExplainedTile, Share, TileKind


class _Hidden:
    """The mark of a component that running totals do not tell."""


HIDDEN: Final = _Hidden()


class Tile(NamedTuple):
    """A tile in the engine's terms: its cells in microseconds (`end_us` exclusive), and its own components."""

    first_us: int
    last_us: int
    end_us: int
    epoch: int | None
    counts: bool
    kind: TileKind
    events: int
    components: Sequence[Any]

    def shown(self) -> ExplainedTile:
        """As an explanation says it."""
        first, last, end = (to_datetime(each) for each in (self.first_us, self.last_us, self.end_us))
        return ExplainedTile(first, last, self.events, self.epoch, self.counts, self.kind, end)


def batch_tiles(context: ViewContext, part: Part | None) -> list[Tile]:
    """The tiles of a batch part, ascending."""
    if part is None or not part.tiles:
        return []
    return _tiles(context, part, context.layout.grain_us, totals=True, epoch=None, held=None)


def stream_tiles(context: ViewContext, data: bytes | None, held: Mark | None) -> list[Tile]:
    """The rows and cells of a stream part, by epoch."""
    groups = [] if data is None else context.stream_codec.view(data).groups
    return [
        tile
        for group in groups
        for tile in _tiles(context, group.part, group.unit_us, totals=group.settled, epoch=group.epoch, held=held)
    ]


def share(context: ViewContext, number: int, tile: Tile, place: int, events: int) -> Share:
    """What a tile brings to a feature.

    Parameters
    ----------
    place
        The tile's number.
    events
        How many events the window holds in all.
    """
    value, known = _alone(context, number, tile)
    return Share(place, tile.events, tile.events / events if events else 0.0, value, known)


def _alone(context: ViewContext, number: int, tile: Tile) -> tuple[Any, bool]:
    """What a feature's function makes of one tile, and whether that is known."""
    output = context.layout.outputs[number]
    slots = [context.layout.slots[slot] for slot in output.slots]
    held = [[tile.components[place] for place in range(slot.start, slot.stop)] for slot in slots]
    if any(each is HIDDEN for components in held for each in components):
        return None, False
    states = [slot.partial.fold([[each] for each in own], 0, 1) for slot, own in zip(slots, held, strict=True)]
    value = output.feature.function.finalize(*states)
    return (None if value is OVERFLOW else value), True


def _tiles(context: ViewContext, part: Part, unit_us: int, *, totals: bool, epoch: int | None, held: Mark | None) -> list[Tile]:
    columns = [
        _own(column, running if totals else None) for column, running in zip(part.columns, context.layout.running, strict=True)
    ]
    events = columns[[name for name, _ in context.layout.components].index(EVENTS)]
    tiles = []
    for number, (first, last) in enumerate(zip(part.first, part.last, strict=True)):
        first_us, last_us = (part.base + first) * unit_us, (part.base + last) * unit_us
        counts, kind = _standing(epoch, first_us, held)
        own = [column[number] for column in columns]
        tiles.append(Tile(first_us, last_us, last_us + unit_us, epoch, counts, kind, events[number], own))
    return tiles


def _standing(epoch: int | None, first_us: int, held: Mark | None) -> tuple[bool, TileKind]:
    """Whether a tile counts, and of what kind it is."""
    if epoch is None:
        return True, TileKind.BATCH
    if held is None or first_us >= held.watermark_us:
        return True, TileKind.STREAM
    covered = is_covered(epoch, held)
    return not covered, TileKind.STREAM if covered else TileKind.LATE


def _own(column: Sequence[Any], running: str | None) -> list[Any]:
    """A component tile by tile; `running` is the operation of the totals that the column holds, if it does."""
    if running is None:
        return list(column)
    if running == "add":
        return [_difference(total, newer) for total, newer in pairwise([*column, 0])]
    return [HIDDEN if total is not None and total == newer else total for total, newer in pairwise([*column, None])]


def _difference(total: Any, newer: Any) -> Any:
    """What a tile adds to the newer ones; hidden behind a NaN or an infinity."""
    return total - newer if math.isfinite(newer) else HIDDEN
