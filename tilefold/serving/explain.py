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
from tilefold.engine.merge import in_force
from tilefold.engine.time import to_datetime, to_us
from tilefold.engine.windows import BEGINNING_US, bounds_us
from tilefold.serving.context import ViewContext
from tilefold.serving.read import Status, ViewReader
from tilefold.stores.online_store import OnlineStore


@dataclass(frozen=True, slots=True)
class ExplainedTile:
    """A stored tile: the cells of its first and last event as times, and how many events it holds."""

    first: datetime
    last: datetime
    events: int


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
    """

    view: str
    keys: Mapping[str, Any]
    read_at: datetime
    watermark: datetime | None
    epoch: int | None
    online_key: bytes
    part_bytes: int
    tiles: tuple[ExplainedTile, ...]
    features: tuple[ExplainedFeature, ...]


def explain(
    context: ViewContext, reader: ViewReader, online: OnlineStore, keys: Mapping[str, Any], at: datetime
) -> Explanation:
    """The tiles behind each value of one entity at a time."""
    mark = reader.mark()
    key = reader.key(keys)
    data, _ = online.read(key)
    part = reader.part_of(data)
    tiles = _tiles(context, part)
    held = None if mark is None else in_force(part, mark)
    values = None if mark is None else reader.fold(data, mark, to_us(at))
    return Explanation(
        view=context.view.name,
        keys=dict(keys),
        read_at=at,
        watermark=None if held is None else to_datetime(held.watermark_us),
        epoch=None if held is None else held.epoch,
        online_key=key,
        part_bytes=len(data or b""),
        tiles=tuple(tiles),
        features=tuple(
            ExplainedFeature(
                name,
                None if values is None else values.values[number],
                Status.NOT_READY if values is None else values.status(number),
                *_inside(context, number, tiles, None if held is None else held.watermark_us),
            )
            for number, name in enumerate(reader.names)
        ),
    )


def _tiles(context: ViewContext, part: Part | None) -> list[ExplainedTile]:
    if part is None or not part.tiles:
        return []
    grain = context.layout.grain_us
    names = [name for name, _ in context.layout.components]
    totals = [*part.columns[names.index(EVENTS)], 0]  # running from the newest tile back, unless some window is moved
    running = context.layout.running[names.index(EVENTS)] is not None
    events = [one - other for one, other in pairwise(totals)] if running else totals[:-1]
    return [
        ExplainedTile(to_datetime((part.base + first) * grain), to_datetime((part.base + last) * grain), count)
        for first, last, count in zip(part.first, part.last, events, strict=True)
    ]


def _inside(
    context: ViewContext, number: int, tiles: list[ExplainedTile], watermark_us: int | None
) -> tuple[datetime | None, datetime | None, tuple[ExplainedTile, ...]]:
    """The outer edges of a feature's windows, and the tiles between them."""
    if watermark_us is None:
        return None, None, ()
    bounds = [bounds_us(window, watermark_us) for window in context.view.features[number].windows]
    start_us, end_us = min(start for start, _ in bounds), max(end for _, end in bounds)
    inside = tuple(tile for tile in tiles if start_us <= to_us(tile.first) and to_us(tile.last) < end_us)
    return None if start_us == BEGINNING_US else to_datetime(start_us), to_datetime(end_us), inside
