"""Where cells of a stream part may be joined.

The rule: cells are joined once no window can cut them apart. Cuts of a window of hop h lie on multiples of h, between where its
edge is now and where it will be when the next compaction is overdue; joining keeps to one step of the schedule, so no cell
straddles a watermark. Periods of calendars begin at points of their own.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd

from tilefold.declaration.windows import Window
from tilefold.engine.stream_part import Settled
from tilefold.engine.windows import bounds_us, starts_us


@dataclass(frozen=True, slots=True)
class Zone:
    """A stretch of time `[low_us, high_us)` within which cells may be joined if they share a cell of `grid_us`."""

    low_us: int
    high_us: int
    grid_us: int


def join_zones(windows: Iterable[Window], start_us: int, end_us: int, schedule_us: int) -> list[Zone]:
    """Where cells may be joined, for reads between two times: on the schedule and on the hops whose edges pass there."""
    passing: list[tuple[int, int, int]] = []
    for window in windows:
        hop_us = window.hop_us or 1
        lows, highs = bounds_us(window, start_us), bounds_us(window, end_us)
        if window.size_us is not None:
            passing.append((lows[0], highs[0] + 1, hop_us))
        elif window.calendar is not None:
            passing += [(start, start, 1) for start in starts_us(window, start_us, end_us)]  # a point: no stretch has its grid
        if window.offset_us or window.ends_on_grid:
            passing.append((lows[1], highs[1] + 1, hop_us))
    edges = sorted({edge for low, high, _ in passing for edge in (low, high)})
    bounds = [-(2**62), *edges, 2**62]
    return [
        Zone(low, high, gcd(schedule_us, *(hop for start, end, hop in passing if start <= low and high <= end)))
        for low, high in pairwise(bounds)
    ]


def heads_of(settled: Settled, zones: Sequence[Zone], grain_us: int) -> list[int]:
    """The cells that stay; the others join the one before them."""
    heads: list[int] = []
    ends = [zone.high_us for zone in zones]
    before: tuple[int, int] | None = None
    for number, (first, last) in enumerate(zip(settled.first, settled.last, strict=True)):
        low_us, high_us = first * grain_us, (last + 1) * grain_us
        place = bisect_right(ends, low_us)
        zone = zones[place]
        step = (place, low_us // zone.grid_us)
        whole = high_us <= zone.high_us and (high_us - 1) // zone.grid_us == step[1]
        if not whole or step != before:
            heads.append(number)
        before = step if whole else None
    return heads
