"""The picture of one value: which tiles stand where, drawn by the template from these numbers.

The rule: what a colour says is said by a place, a shape or a word too. Lanes part the tiles, the batch part's by their size:

    batch, over a week   [=================]
    batch, up to a week                     [=====][====]
    batch, up to a day                                   [=][=]
    stream                                                     ||  [] []
    late                                            <>
                         |<------------- window ------------------->|    E: watermark, t: read time

A tile is filled as high as its share of the window's events, and hollow outside the window.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tilefold.server.time_axis import Tick, TimeAxis, duration, fitting_axis
from tilefold.serving.explained import ExplainedFeature, ExplainedTile, Explanation, TileKind

_DAY = timedelta(days=1)
SIZES = [
    (timedelta(hours=1), "up to an hour"),
    (_DAY, "up to a day"),
    (7 * _DAY, "up to a week"),
    (35 * _DAY, "up to five weeks"),
    (timedelta.max, "over five weeks"),
]
MARGIN = 12.0
TOP = 78.0
LANE = 52.0
BOX = 26.0
LABEL = 16.0
LETTER = 7.5  # of a bold label, about
FOOT = 34.0
NARROWEST = 3.0
ROWS_MAX = 300
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Box:
    """A tile in the picture; `row` is its number among those of the window, None where that does not hold it.

    `listed` says whether the table has it.
    """

    x: float
    y: float
    width: float
    height: float
    fill: float
    kind: str
    row: int | None
    text: str
    is_event: bool
    count: str
    listed: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of tiles."""

    label: str
    y: float
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A time that is drawn through all lanes, with its name."""

    kind: str
    x: float
    text: str
    anchor: str
    y: float


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of so many units; one unit is a pixel where it is shown in its own size."""

    width: float
    height: float
    axis: TimeAxis
    axis_note: str
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]
    lines: tuple[Line, ...]
    bands: tuple[tuple[float, float], ...]
    open_start: bool


def picture(
    told: Explanation, feature: ExplainedFeature, width: float, scale: str = "", listed: int = ROWS_MAX
) -> Picture | None:
    """The picture of a feature, so many units wide; None where there is nothing to draw.

    Parameters
    ----------
    scale
        Of time: `even`, `recent` for more room for recent times, or empty for what shows more.
    listed
        How many of the window's newest tiles the table has.
    """
    if feature.end is None or told.leading_edge is None:
        return None
    start, end, is_open = _extent(told, feature)
    inside = [(tile.first, _end(tile)) for tile in feature.tiles]
    axis = fitting_axis(start, end, MARGIN, width - MARGIN, inside, scale)
    lanes = tuple(_lanes(told, feature, axis, listed))
    height = TOP + len(lanes) * LANE + FOOT
    bands = tuple((axis.x(first or start), axis.x(last)) for first, last in feature.windows)
    note = "Time in UTC, even." if not axis.logarithmic else "Time before the newest, logarithmic."
    ticks = tuple(axis.ticks(84.0))
    return Picture(width, height, axis, note, ticks, lanes, tuple(_lines(told, axis)), bands, is_open)


def size_of(tile: ExplainedTile) -> str:
    """How long a tile is, in words: of single events, the moment."""
    return "one moment" if is_moment(tile) else duration(_end(tile) - tile.first)


def is_moment(tile: ExplainedTile) -> bool:
    """Whether all of its events are of one time."""
    return _end(tile) - tile.first <= _INSTANT


def _end(tile: ExplainedTile) -> datetime:
    return tile.end or tile.last


def _extent(told: Explanation, feature: ExplainedFeature) -> tuple[datetime, datetime, bool]:
    """From when to when the picture goes, and whether the window begins before it: where nothing is, little is drawn."""
    assert feature.end is not None, "there is a window"
    marks = [feature.end, told.read_at, *([told.watermark] if told.watermark and told.epoch else [])]
    newest = max([*marks, *(_end(tile) for tile in told.tiles)])
    first = min([tile.first for tile in feature.tiles] or [min(marks) - _DAY])
    start = feature.start
    if start is not None and (first - start < (newest - start) / 4 or any(tile.first < start for tile in told.tiles)):
        first = start
    return first, max(newest, first + timedelta(milliseconds=1)), start is None or start < first


def _lanes(told: Explanation, feature: ExplainedFeature, axis: TimeAxis, listed: int) -> Iterator[Lane]:
    """The lanes that hold something, the longest batch tiles first."""
    named: dict[str, list[int]] = {}
    for _, label in reversed(SIZES):
        named[f"batch part, {label}"] = []
    named |= {"stream part": [], "late: stream part, before E": [], "not counted: the batch part has it": []}
    for number, tile in enumerate(told.tiles):
        if _end(tile) > axis.start and tile.first < axis.end:
            named[_lane_of(tile)].append(number)
    rows = {share.tile: row for row, share in enumerate(feature.shares)}
    parts = {share.tile: share.part for share in feature.shares}
    most = max(parts.values(), default=1.0) or 1.0
    y = TOP
    for label, numbers in named.items():
        if numbers:
            boxes = [_box(told.tiles[n], rows.get(n), parts.get(n, 0.0) / most, axis, y + LABEL) for n in numbers]
            marked = [
                replace(box, cut=n in feature.cut, listed=box.row is not None and box.row >= len(rows) - listed)
                for n, box in zip(numbers, boxes, strict=True)
            ]
            yield Lane(label, y, tuple(marked))
            y += LANE


def _lane_of(tile: ExplainedTile) -> str:
    if not tile.counts:
        return "not counted: the batch part has it"
    if tile.kind is TileKind.LATE:
        return "late: stream part, before E"
    if tile.kind is TileKind.STREAM:
        return "stream part"
    size = _end(tile) - tile.first
    return f"batch part, {next(label for limit, label in SIZES if size <= limit)}"


def _box(tile: ExplainedTile, row: int | None, fill: float, axis: TimeAxis, y: float) -> Box:
    left, right = axis.x(tile.first), axis.x(_end(tile))
    width = max(round(right - left, 1) - 1.0, NARROWEST)
    kind = "covered" if not tile.counts else str(tile.kind)
    is_event = is_moment(tile)
    text = f"{_named(tile)}, {tile.first:%Y-%m-%d %H:%M:%S} to {_end(tile):%Y-%m-%d %H:%M:%S}, {tile.events:,} events"
    count = f"{tile.events:,}"
    fits = not is_event and width >= 8.0 * len(count) + 6.0
    return Box(left, y, width, BOX, round(fill * BOX, 1), kind, row, text, is_event, count if fits else "")


def _named(tile: ExplainedTile) -> str:
    if not tile.counts:
        return "not counted"
    return "late tile" if tile.kind is TileKind.LATE else f"{tile.kind} tile"


def _lines(told: Explanation, axis: TimeAxis) -> Iterator[Line]:
    """Where the batch part ends, and when the read is."""
    named = [("read", told.read_at, "t", ", read", f"{told.read_at:%m-%d %H:%M:%S}")]
    if told.watermark is not None and told.epoch:
        named.append(("watermark", told.watermark, "E", ", watermark", f"{told.watermark:%m-%d %H:%M}"))
    for place, (kind, time, letter, name, shown) in enumerate(named):
        x = axis.x(time)
        whole, short = f"{letter}{name}: {shown}", f"{letter}: {shown}"
        text = whole if LETTER * len(whole) < max(x - axis.left, axis.right - x) else short
        yield Line(
            kind, x, text, "end" if x - axis.left > min(LETTER * len(text), axis.right - x) else "start", 32.0 + 18.0 * place
        )
