"""Explain a value: the tiles behind it, and where the window's edges lie among them.

The rule: it reads what a read reads and folds with the same code, so what it shows is what was served.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from tilefold.engine.codec import Part
from tilefold.engine.layout import EVENTS
from tilefold.engine.mark import Mark
from tilefold.engine.merge import in_force, is_covered
from tilefold.engine.time import to_datetime, to_us
from tilefold.engine.windows import BEGINNING_US, bounds_us
from tilefold.serving.context import ViewContext
from tilefold.serving.read import Status, ViewReader
from tilefold.stores.online_store import OnlineStore


@dataclass(frozen=True, slots=True)
class ExplainedTile:
    """A stored tile: the cells of its first and last event as times, and how many events it holds.

    `epoch` is that of a tile of the stream part, None in the batch part. `counts` is False where the batch part covers it.
    """

    first: datetime
    last: datetime
    events: int
    epoch: int | None = None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class ExplainedFeature:
    """A value, its window's edges (`start` is None for a lifetime without a declared start), and the tiles inside."""

    name: str
    value: Any
    status: Status
    start: datetime | None
    end: datetime | None
    tiles: tuple[ExplainedTile, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What stands behind the features of one entity.

    Attributes
    ----------
    watermark, epoch
        What the batch part covers; None where the view is not ready.
    part_bytes
        Size of the stored batch part; 0 where the store holds none.
    stream_bytes
        Of the stored stream part.
    """

    view: str
    keys: Mapping[str, Any]
    read_at: datetime
    watermark: datetime | None
    epoch: int | None
    online_key: bytes
    part_bytes: int
    stream_bytes: int
    tiles: tuple[ExplainedTile, ...]
    features: tuple[ExplainedFeature, ...]


def explain(
    context: ViewContext,
    reader: ViewReader,
    online: OnlineStore,
    keys: Mapping[str, Any],
    at: datetime,
    *,
    now: bool = False,
) -> Explanation:
    """The tiles behind each value of one entity at a time."""
    mark = reader.mark()
    key = reader.key(keys)
    data = online.read(key)
    time = reader.time_of(to_us(at), now=now)
    part = reader.part_of(data[0])
    held = None if mark is None else in_force(part, mark)
    tiles = [*_tiles(context, part), *_stream_tiles(context, data[1], held)]
    values = None if mark is None else reader.fold(data, mark, time)
    edge_us = None if held is None else time.end_us if context.is_stream else held.watermark_us
    return Explanation(
        view=context.view.name,
        keys=dict(keys),
        read_at=at,
        watermark=None if held is None else to_datetime(held.watermark_us),
        epoch=None if held is None else held.epoch,
        online_key=key,
        part_bytes=len(data[0] or b""),
        stream_bytes=len(data[1] or b""),
        tiles=tuple(tiles),
        features=tuple(
            ExplainedFeature(
                name,
                None if values is None else values.values[number],
                Status.NOT_READY if values is None else values.status(number),
                *_inside(context, number, tiles, edge_us),
            )
            for number, name in enumerate(reader.names)
        ),
    )


def _tiles(context: ViewContext, part: Part | None) -> list[ExplainedTile]:
    if part is None or not part.tiles:
        return []
    spans = _spans(part, context.layout.grain_us)
    return [ExplainedTile(first, last, count) for (first, last), count in zip(spans, _events(context, part), strict=True)]


def _spans(part: Part, unit_us: int) -> list[tuple[datetime, datetime]]:
    return [
        (to_datetime((part.base + first) * unit_us), to_datetime((part.base + last) * unit_us))
        for first, last in zip(part.first, part.last, strict=True)
    ]


def _events(context: ViewContext, part: Part, *, totals: bool = True) -> list[int]:
    """How many events are in each tile; totals run from the newest tile back, unless some window is moved."""
    number = [name for name, _ in context.layout.components].index(EVENTS)
    held = [*part.columns[number], 0]
    running = totals and context.layout.running[number] is not None
    return [one - other for one, other in pairwise(held)] if running else held[:-1]


def _stream_tiles(context: ViewContext, data: bytes | None, held: Mark | None) -> list[ExplainedTile]:
    """The rows and cells of the stream part."""
    groups = [] if data is None else context.stream_codec.view(data).groups
    return [
        ExplainedTile(first, last, count, group.epoch, held is None or not _is_in_batch(group.epoch, first, held))
        for group in groups
        for (first, last), count in zip(
            _spans(group.part, group.unit_us), _events(context, group.part, totals=group.settled), strict=True
        )
    ]


def _is_in_batch(epoch: int, first: datetime, held: Mark) -> bool:
    return is_covered(epoch, held) and to_us(first) < held.watermark_us


def _inside(
    context: ViewContext, number: int, tiles: list[ExplainedTile], watermark_us: int | None
) -> tuple[datetime | None, datetime | None, tuple[ExplainedTile, ...]]:
    """The outer edges of a feature's windows, and the tiles between them."""
    if watermark_us is None:
        return None, None, ()
    bounds = [bounds_us(window, watermark_us) for window in context.view.features[number].windows]
    start_us, end_us = min(start for start, _ in bounds), max(end for _, end in bounds)
    inside = tuple(tile for tile in tiles if tile.counts and start_us <= to_us(tile.first) and to_us(tile.last) < end_us)
    return None if start_us == BEGINNING_US else to_datetime(start_us), to_datetime(end_us), inside
