"""Folds events into the stream part of a key, and keeps it small.

The rule: folding never changes what a read at or after its clock gives (or a little before, since clocks differ), as long as
the batch part is one that is still valid. A row is settled into a cell once the clock has passed it; cells are joined where
`join_zones` says so, and as `settled_cells` does it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from tilefold.declaration.windows import Window
from tilefold.engine.encode_one import totals
from tilefold.engine.join_zones import Zone, heads_of, join_zones
from tilefold.engine.layout import Layout
from tilefold.engine.mark import Mark
from tilefold.engine.merge import is_covered
from tilefold.engine.settled_cells import Slot, join_at, merged, without_front
from tilefold.engine.stream_part import Group, Row, Settled, StreamPart
from tilefold.engine.time import SECOND_US
from tilefold.engine.windows import reach_us

LOOSE_ROWS = 64
"""Up to so many rows of a key stay single events."""
NEWEST_ROWS = 16
"""So many, the newest, always do, and cells are joined as if it were this long ago:"""
BEHIND_US = 2 * SECOND_US
"""a read whose clock is a little behind the writer's, or that began before the write, is exact too."""
_BEFORE_ALL_US = -(2**64)
_first_us, _last_us = attrgetter("first_us"), attrgetter("last_us")


class StreamFolder:
    """Folds events into the parts of one view.

    Parameters
    ----------
    layout
        The view's.
    windows
        Its windows, all of a stream view.
    schedule_us, valid_for_us
        Where watermarks lie, and how long after one a batch part answers.
    """

    def __init__(self, layout: Layout, windows: Sequence[Window], schedule_us: int, valid_for_us: int) -> None:
        self._grain_us = layout.grain_us
        self._slots = [
            Slot(slot.start, slot.stop, slot.partial.join, slot.partial.fold, slot.partial.stored, slot.running)
            for slot in layout.slots
        ]
        self._windows = windows
        self._schedule_us, self._valid_for_us = schedule_us, valid_for_us
        self._reach_us = reach_us(windows)
        self._zones: tuple[tuple[int, int], list[Zone]] = ((0, -1), [])

    def add(self, part: StreamPart, epoch: int, rows: Iterable[Row]) -> None:
        """Take in events, or spans of them, of one epoch, in any order."""
        group = part.groups.get(epoch)
        if group is None:
            group = part.groups[epoch] = Group()
        loose = group.loose
        newest_us = loose[-1].last_us if loose else _BEFORE_ALL_US
        for row in rows:
            if row.first_us > newest_us:
                loose.append(row)
                newest_us = row.last_us
            else:
                self._insert(group, row)
                newest_us = loose[-1].last_us

    def tidy(self, part: StreamPart, mark: Mark | None, now_us: int, from_us: int | None = None) -> None:
        """Drop what a committed mark covers and what no window reaches; settle a busy key.

        Parameters
        ----------
        now_us
            The writer's clock.
        from_us
            The earliest time that reads may still have, where it is not the clock: the newest event, where windows end there.
        """
        if mark is not None:
            self._drop_covered(part, mark)
        start_us = (now_us if from_us is None else min(now_us, from_us)) - BEHIND_US
        if self._reach_us is not None:
            self._prune(part, start_us - self._reach_us)
        loose = empty = 0
        for group in part.groups.values():
            loose += len(group.loose)
            empty += group.is_empty
        if empty:
            part.groups = {epoch: group for epoch, group in part.groups.items() if not group.is_empty}
        if loose > LOOSE_ROWS:
            until_us = min(now_us, _newest_us(part) - 1) if NEWEST_ROWS else now_us
            zones = self._zones_at(start_us, now_us)
            for group in part.groups.values():
                self._settle(group, until_us, zones)

    # --- single rows

    def _insert(self, group: Group, row: Row) -> None:
        """Put a row where its time is; rows that overlap are joined."""
        loose, group.packed = group.loose, None
        low = bisect_left(loose, row.first_us, key=_last_us)
        high = low
        while high < len(loose) and loose[high].first_us <= row.last_us:
            row = self._joined(loose[high], row)
            high += 1
        loose[low:high] = [row]

    def _joined(self, one: Row, other: Row) -> Row:
        first, last = min(one.first_us, other.first_us), max(one.last_us, other.last_us)
        return Row(first, last, self.join(one.components, other.components))

    def join(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
        """The components of two rows as those of one."""
        joined: list[Any] = []
        for slot in self._slots:
            joined += slot.join(one[slot.start : slot.stop], other[slot.start : slot.stop])
        return tuple(joined)

    # --- what is not needed any more

    def _drop_covered(self, part: StreamPart, mark: Mark) -> None:
        for epoch, group in part.groups.items():
            if not is_covered(epoch, mark):
                continue
            if group.loose and group.loose[0].first_us < mark.watermark_us:
                group.keep_from(bisect_left(group.loose, mark.watermark_us, key=_first_us))
            if group.settled is not None:
                edge = mark.watermark_us // self._grain_us
                group.settled = without_front(group.settled, bisect_left(group.settled.first, edge))

    def _prune(self, part: StreamPart, start_us: int) -> None:
        """Drop rows that end before every window; the part remembers that it did."""
        for group in part.groups.values():
            loose = group.loose
            if loose and loose[0].last_us < start_us:
                keep = bisect_left(loose, start_us, key=_last_us)
                part.pruned_us = max(part.pruned_us, loose[keep - 1].last_us)
                group.keep_from(keep)
            settled = group.settled
            if settled is not None and (settled.last[0] + 1) * self._grain_us <= start_us:
                keep = bisect_left(settled.last, start_us // self._grain_us)
                part.pruned_us = max(part.pruned_us, (settled.last[keep - 1] + 1) * self._grain_us - 1)
                group.settled = without_front(settled, keep)

    # --- cells

    def _settle(self, group: Group, until_us: int, zones: Sequence[Zone]) -> None:
        """Move rows that have passed into cells, then join cells."""
        passed = bisect_right(group.loose, until_us, key=_last_us)
        if passed:
            fresh = self._cells(group.loose[:passed])
            group.settled = fresh if group.settled is None else merged(self._slots, group.settled, fresh)
            group.keep_from(passed)
        if group.settled is not None:
            join_at(self._slots, group.settled, heads_of(group.settled, zones, self._grain_us))

    def _cells(self, rows: Sequence[Row]) -> Settled:
        """Cells of the grain, with totals."""
        grain_us, low = self._grain_us, 0
        first: list[int] = []
        last: list[int] = []
        states: list[tuple[Any, ...]] = []
        while low < len(rows):
            cell, end, high = rows[low].first_us // grain_us, rows[low].last_us // grain_us, low + 1
            while high < len(rows) and rows[high].first_us < (end + 1) * grain_us:
                high = bisect_left(rows, (end + 1) * grain_us, high, key=_first_us)
                end = rows[high - 1].last_us // grain_us
            first.append(cell)
            last.append(end)
            states.append(self._folded([row.components for row in rows[low:high]]))
            low = high
        return Settled(first, last, totals(self._slots, states), rows[-1].last_us)

    def _folded(self, rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
        """The components of several rows as those of one."""
        if len(rows) == 1:
            return rows[0]
        columns = list(zip(*rows, strict=True))
        folded: list[Any] = []
        for slot in self._slots:
            folded += slot.stored(slot.fold(columns[slot.start : slot.stop], 0, len(rows)))
        return tuple(folded)

    def _zones_at(self, start_us: int, now_us: int) -> list[Zone]:
        known, zones = self._zones
        if known != (start_us, now_us):
            zones = join_zones(self._windows, start_us, now_us + self._valid_for_us, self._schedule_us)
            self._zones = ((start_us, now_us), zones)
        return zones


def _newest_us(part: StreamPart) -> int:
    """When the rows begin that stay single in any case."""
    newest = sorted(row.last_us for group in part.groups.values() for row in group.loose[-NEWEST_ROWS:])
    return newest[-NEWEST_ROWS:][0]
