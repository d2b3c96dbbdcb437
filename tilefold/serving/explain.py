"""Explain a value: the tiles behind it, and where the window's edges lie among them.

The rule: it reads what a read reads and folds with the same code, so what it shows is what was served.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tilefold.engine.mark import Mark
from tilefold.engine.merge import in_force
from tilefold.engine.time import to_datetime, to_us
from tilefold.engine.windows import BEGINNING_US, bounds_us
from tilefold.errors import ReadTimeError, complaint
from tilefold.functions import OVERFLOW
from tilefold.serving.context import ViewContext
from tilefold.serving.explain_reference import reference_of
from tilefold.serving.explain_tiles import Tile, batch_tiles, share, stream_tiles
from tilefold.serving.explained import ExplainedFeature, Explanation, Span
from tilefold.serving.read import ReadTime, Status, ViewReader, ViewValues
from tilefold.stores.online_store import OnlineStore

_YEARS = range(1900, 9000)  # beyond them a picture of a window leaves what a datetime holds
_FIRST_US, _LAST_US = to_us(datetime.min.replace(tzinfo=UTC)), to_us(datetime.max.replace(tzinfo=UTC))
_MATERIALIZE = "Materialize the view."
_REASONS = {
    Status.NOT_READY: "The source holds events, and the view was never materialized in this store.",
    Status.MISSING_DATA: "No event of this entity with such a value lies in the window.",
    Status.OVERFLOW: "The sum is out of the range of its type: declare the column as a float, or a shorter window.",
}


class _Found(NamedTuple):
    """What a read finds: the view's mark, known before the key was read, both parts, and when the windows end."""

    mark: Mark | None
    batch: bytes | None
    stream: bytes | None
    time: ReadTime


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation, and what it takes to compare it with the event log."""

    context: ViewContext
    explanation: Explanation
    held: Mark | None
    stream: bytes | None
    end_us: int

    def compared(self) -> Explanation:
        """The explanation with what the naive reference makes of the event log; None as it is where it is not ready."""
        if self.held is None:
            return self.explanation
        found = reference_of(self.context, self.explanation, self.held, self.stream, self.end_us)
        return replace(self.explanation, reference=found)


def explain(
    context: ViewContext,
    reader: ViewReader,
    online: OnlineStore,
    keys: Mapping[str, Any],
    at: datetime,
    *,
    now: bool = False,
) -> Explained:
    """The tiles behind each value of one entity at a time, which is `now` or another one.

    Raises
    ------
    InputError
        If a join key is wrong, or the time is out of the years that can be shown.
    """
    key = reader.key(keys)
    if at.year not in _YEARS:
        rule = f"a time to explain must lie in the years {_YEARS.start} to {_YEARS.stop - 1}"
        raise ReadTimeError(complaint(f"view '{context.view.name}'", rule, at.isoformat(), "Give another time."))
    found = _read(reader, online, key, to_us(at), now=now)
    part = reader.part_of(found.batch)
    held = None if found.mark is None else in_force(part, found.mark)
    values = None if found.mark is None else reader.fold((found.batch, found.stream), found.mark, found.time)
    tiles = [*batch_tiles(context, part), *stream_tiles(context, found.stream, held)]
    end_us = found.time.end_us if context.is_stream or held is None else held.watermark_us
    pruned = _is_pruned(context, found.stream)
    told = Explanation(
        view=context.view.name,
        keys=dict(keys),
        read_at=at,
        watermark=None if held is None else to_datetime(held.watermark_us),
        epoch=None if held is None else held.epoch,
        online_key=key,
        part_bytes=len(found.batch or b""),
        stream_bytes=len(found.stream or b""),
        tiles=tuple(tile.shown() for tile in tiles),
        features=tuple(
            _feature(context, number, tiles, values, end_us, pruned=pruned) for number in range(len(context.view.features))
        ),
        kind=context.view.kind,
        valid_until=None if held is None or not held.epoch else to_datetime(held.watermark_us + context.view.valid_for_us),
        stamp_epoch=None if part is None else part.mark.epoch,
        leading_edge=None if held is None else to_datetime(end_us + context.is_stream),
    )
    return Explained(context, told, held, found.stream, end_us)


def _read(reader: ViewReader, online: OnlineStore, key: bytes, read_us: int, *, now: bool) -> _Found:
    """What a read finds; again over a new connection, as its server may have come back with an older mark."""
    while True:
        connections = online.connections
        mark = reader.mark()  # before the key is read
        batch, stream = online.read(key)
        time = reader.time_of(read_us, now=now)  # after it
        if connections == online.connections:
            return _Found(mark, batch, stream, time)


def _is_pruned(context: ViewContext, stream: bytes | None) -> bool:
    return stream is not None and context.stream_codec.view(stream).pruned_us > BEGINNING_US


def _feature(
    context: ViewContext, number: int, tiles: Sequence[Tile], values: ViewValues | None, end_us: int, *, pruned: bool
) -> ExplainedFeature:
    feature = context.view.features[number]
    plain = ExplainedFeature(
        name=f"{context.view.name}.{feature.name}",
        value=None,
        status=Status.NOT_READY,
        start=None,
        end=None,
        tiles=(),
        why=_REASONS[Status.NOT_READY],
        function=feature.function.label,
        column=feature.input_column,
        dtype=str(feature.dtype),
    )
    if values is None:
        return plain
    bounds = [bounds_us(window, end_us) for window in feature.windows]
    start_us, stop_us = min(start for start, _ in bounds), max(stop for _, stop in bounds)
    places = [place for place, tile in enumerate(tiles) if tile.counts and _is_inside(tile, start_us, stop_us)]
    events = sum(tiles[place].events for place in places)
    cut = tuple(place for place, tile in enumerate(tiles) if tile.counts and _is_cut(tile, bounds))
    status = values.status(number)
    return replace(
        plain,
        value=_plain(values.values[number]),
        status=status,
        start=_edge(start_us),
        end=_time(stop_us),
        tiles=tuple(tiles[place].shown() for place in places),
        why=_why(status, values, cut, pruned=pruned),
        windows=tuple(_span(each) for each in bounds),
        shares=tuple(share(context, number, tiles[place], place, events) for place in places),
        cut=cut,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if value is OVERFLOW else value


def _is_inside(tile: Tile, start_us: int, stop_us: int) -> bool:
    return start_us <= tile.first_us and tile.last_us < stop_us


def _is_cut(tile: Tile, bounds: Sequence[tuple[int, int]]) -> bool:
    """Whether an edge lies behind the tile's first cell and not behind its last one."""
    return any(tile.first_us < edge <= tile.last_us for span in bounds for edge in span)


def _span(bounds: tuple[int, int]) -> Span:
    return _edge(bounds[0]), _time(bounds[1])


def _edge(time_us: int) -> datetime | None:
    return None if time_us < _FIRST_US else _time(time_us)


def _time(time_us: int) -> datetime:
    """A time; one that no datetime holds is the first or the last one."""
    return to_datetime(min(max(time_us, _FIRST_US), _LAST_US))


def _why(status: Status, values: ViewValues, cut: Sequence[int], *, pruned: bool) -> str:
    """Why a value is not simply there."""
    return _why_stale(values, cut, pruned=pruned) if status is Status.STALE else _REASONS.get(status, "")


def _why_stale(values: ViewValues, cut: Sequence[int], *, pruned: bool) -> str:
    held = values.held
    assert held is not None, "only what is ready can be stale"
    if values.reader.is_late(held, values.time.read_us):
        return f"The batch part is as of {to_datetime(held.watermark_us)}, and older than it is valid for. {_MATERIALIZE}"
    if not values.time.certain:
        return "Which event was the newest at that time is not kept; windows end at the newest that was known."
    if cut:
        return f"An edge of the window cuts a tile, whose events cannot be told apart any more. {_MATERIALIZE}"
    if pruned:
        return f"The window reaches events that were left out of the stream part. {_MATERIALIZE}"
    return f"A stored total reaches beyond the window. {_MATERIALIZE}"
