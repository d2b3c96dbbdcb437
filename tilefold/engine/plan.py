"""The plan: at which times a batch part must keep its tiles apart.

The rule: no tile straddles a point at which some window begins or ends for a read that the batch part must answer; between
two neighbouring points one tile is enough. A batch view's windows end at the watermark E whenever they are read, so its points
are their starts and ends there. Example, windows of 1, 7 and 30 days and a lifetime:

    beginning            E-30d              E-7d        E-1d     E
    |------ tile 0 -------|------ tile 1 ------|- tile 2 -|tile 3 |

A stream view's edges move with the read time t in [E, E+L], so each is a zone of points, a hop apart (a microsecond, where
the window is exact: single events are kept there). Example, 30 days by the hour and a lifetime, L of two days:

    beginning            E-30d .. E-28d                          E
    |------ tile 0 -------|1|2|3| .. |------- tile 49 ------------|

With the newest event as leading edge, t may lie before E; no event lies behind it then, so no tile is cut at a window's end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tilefold.declaration.windows import Window
from tilefold.engine.time import DAY_US, floor
from tilefold.engine.windows import BEGINNING_US, bounds_us, oldest_us, starts_us

Ints = npt.NDArray[np.int64]


class ViewTimes(Protocol):
    """What the reads of a view depend on; `FeatureView` has it."""

    @property
    def kind(self) -> str:
        """`"batch"` or `"stream"`."""
        ...

    @property
    def leading_edge(self) -> str:
        """`"wall_clock"` or `"latest_event"`."""
        ...

    @property
    def valid_for_us(self) -> int:
        """How long past its watermark a batch part answers."""
        ...


@dataclass(frozen=True, slots=True)
class ReadSpan:
    """Which reads a batch part at a watermark must answer: those at `[from_us, until_us]`, both ends in.

    Of a batch view both are the watermark, where its windows end whenever they are read.
    """

    watermark_us: int
    from_us: int
    until_us: int


def at_watermark(watermark_us: int) -> ReadSpan:
    """The reads of a batch view."""
    return ReadSpan(watermark_us, watermark_us, watermark_us)


def read_span(view: ViewTimes, watermark_us: int, newest_us: int | None = None) -> ReadSpan:
    """The reads that a batch part of this view must answer.

    Parameters
    ----------
    newest_us
        The newest event of the source when the part is built, where `reads_newest`; None where there is no event.
    """
    if view.kind == "batch":
        return at_watermark(watermark_us)
    from_us = watermark_us
    if reads_newest(view) and newest_us is not None:
        from_us = min(from_us, newest_us)
    return ReadSpan(watermark_us, from_us, watermark_us + view.valid_for_us)


def reads_newest(view: ViewTimes) -> bool:
    """Whether a view's windows end at the newest event of its source, which may lie before the watermark."""
    return view.kind == "stream" and view.leading_edge == "latest_event"


class Zone(NamedTuple):
    """Points in even steps: `low`, `low + step` and so on up to `high`."""

    low: int
    high: int
    step: int

    @property
    def size(self) -> int:
        """How many points there are."""
        return (self.high - self.low) // self.step + 1


@dataclass(frozen=True, slots=True)
class Plan:
    """The points that no tile may straddle, all below the watermark.

    Attributes
    ----------
    start_us
        The earliest time that some window of some read reaches; tiles wholly before it are dropped.
    points
        Those that stand alone, ascending.
    zones
        Those that stand in even steps.
    """

    watermark_us: int
    start_us: int
    points: tuple[int, ...]
    zones: tuple[Zone, ...]

    def segments(self, times_us: Ints) -> Ints:
        """A number for each time that grows with it, and is equal for two times if no point lies between them."""
        found = np.searchsorted(np.asarray(self.points, np.int64), times_us, side="right")
        for zone in self.zones:
            found = found + np.clip((times_us - zone.low) // zone.step + 1, 0, zone.size)
        return found


def plan_of(windows: Iterable[Window], reads: ReadSpan) -> Plan:
    """The plan of a batch part."""
    windows = list(windows)
    found = {zone for window in windows for edge in _edges(window, reads) for zone in _below(edge, reads.watermark_us)}
    points = sorted({zone.low for zone in found if zone.size == 1})
    zones = sorted(zone for zone in found if zone.size > 1)
    return Plan(reads.watermark_us, first_start_us(windows, reads.from_us), tuple(points), tuple(zones))


def _edges(window: Window, reads: ReadSpan) -> Iterator[Zone]:
    """Where the window begins and ends as the read time goes over the span."""
    (first_start, first_end), (last_start, last_end) = (bounds_us(window, at) for at in (reads.from_us, reads.until_us))
    hop = window.hop_us or 1
    if window.calendar is None:
        yield Zone(first_start, last_start, hop)
    else:
        yield from (Zone(start, start, 1) for start in starts_us(window, reads.from_us, reads.until_us))
    yield Zone(first_end, last_end, hop if window.ends_on_grid else 1)


def _below(edge: Zone, watermark_us: int) -> Iterator[Zone]:
    """The part of a zone that lies below the watermark, if any; the beginning of time cuts nothing."""
    if BEGINNING_US < edge.low < watermark_us:
        room = (watermark_us - 1 - edge.low) // edge.step * edge.step
        yield Zone(edge.low, min(edge.high, edge.low + room), edge.step)


def cuts_us(windows: Iterable[Window], watermark_us: int) -> list[int]:
    """The times, ascending and below the watermark, that no tile of a batch view may straddle."""
    return list(plan_of(windows, at_watermark(watermark_us)).points)


def first_start_us(windows: Iterable[Window], at_us: int) -> int:
    """The earliest start of a window.

    Parameters
    ----------
    at_us
        Of a batch view its watermark; of a stream view the earliest read, since no window's start ever moves back.
    """
    return min(_first_us(window, at_us) for window in windows)


def _first_us(window: Window, at_us: int) -> int:
    """Where a window begins; of one that expires at the start of a day, so that no cell is half within reach."""
    first_us = oldest_us(window, at_us)
    return first_us if window.ttl_us is None else floor(first_us, DAY_US)
