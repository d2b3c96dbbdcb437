"""What an explanation says: the tiles of one entity, and of each feature its value, its window and which tiles made it.

The rule: these are facts alone; `explain` finds them, the command and the server show them. Times are aware datetimes in UTC,
and every span is half open.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tilefold.serving.read import Status

Span = tuple[datetime | None, datetime]


class TileKind(StrEnum):
    """Where a tile is from: the batch part, the stream part, or of the stream part what came late for the batch part."""

    BATCH = "batch"
    STREAM = "stream"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class ExplainedTile:
    """A stored tile: the cells of its first and last event as times, and how many events it holds.

    `epoch` is that of a tile of the stream part, None in the batch part. `counts` is False where the batch part covers it.
    `end` is the end (exclusive) of the last cell: no event of the tile lies there or after.
    """

    first: datetime
    last: datetime
    events: int
    epoch: int | None = None
    counts: bool = True
    kind: TileKind = TileKind.BATCH
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """What one tile brings to one value.

    Attributes
    ----------
    tile
        Its number among the tiles of the explanation.
    part
        Its share of the events inside the window, 0 to 1.
    value
        What the function makes of this tile alone; None where it makes nothing of it, or where it is not `known`.
    known
        False where the store keeps only what this tile and all newer ones have together, and that says nothing of this one: a
        maximum that is not above the newer ones', a sum on top of one that is no number.
    """

    tile: int
    events: int
    part: float
    value: Any
    known: bool


@dataclass(frozen=True, slots=True)
class ExplainedFeature:
    """A value, its window's edges (`start` is None for a lifetime without a declared start), and the tiles inside.

    Attributes
    ----------
    why
        Why the value is not simply there: in a sentence; empty for PRESENT.
    windows
        The windows one by one; several in a series, the oldest first.
    shares
        What each of `tiles` brings.
    cut
        The numbers of the tiles that an edge of the window cuts, which makes the value inexact.
    function, column, dtype
        What computes it of what, and the type of the value.
    """

    name: str
    value: Any
    status: Status
    start: datetime | None
    end: datetime | None
    tiles: tuple[ExplainedTile, ...]
    why: str = ""
    windows: tuple[Span, ...] = ()
    shares: tuple[Share, ...] = ()
    cut: tuple[int, ...] = ()
    function: str = ""
    column: str | None = None
    dtype: str = ""


class Verdict(StrEnum):
    """What a comparison with the event log comes to."""

    AGREES = "agrees"
    NOT_SERVED_YET = "not served yet"
    LOG_CHANGED = "log changed"
    STALE = "stale"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Reference:
    """What plain Python makes of the entity's events in the event log.

    Attributes
    ----------
    at
        The time that windows end at.
    events, unserved
        How many of them the windows can reach, and how many of these are in no part that was read: they came since.
    values
        By feature; None where there is none, also where a sum does not fit.
    verdicts
        By feature: it agrees with what was served; it does so without the events that came since; it cannot be compared, as
        the log was changed behind the batch part or holds appended events since; it differs from a value that says STALE; it
        differs.
    """

    at: datetime
    events: int
    unserved: int
    values: Mapping[str, Any]
    verdicts: Mapping[str, Verdict]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What stands behind the features of one entity.

    Attributes
    ----------
    watermark, epoch
        What the batch part covers; None where the view is not ready.
    valid_until
        Until when the batch part answers exactly.
    part_bytes
        Size of the stored batch part; 0 where the store holds none.
    stream_bytes
        Of the stored stream part.
    stamp_epoch
        The epoch on the key itself; None where it has no batch part.
    leading_edge
        The end (exclusive) of windows without an offset.
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
    kind: str = "batch"
    valid_until: datetime | None = None
    stamp_epoch: int | None = None
    leading_edge: datetime | None = None
    reference: Reference | None = None

    def feature(self, name: str) -> ExplainedFeature | None:
        """The feature of that name, `view.feature` or `feature`; None where there is none."""
        return next((each for each in self.features if name in (each.name, each.name.partition(".")[2])), None)
