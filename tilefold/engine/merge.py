"""The merged read of one key: tiles folded into one value per feature.

The rule: this is the one place that decides which tiles count. The watermark and epoch that hold for a key are the larger of
its own stamp and the view's committed mark; a tile is in a window if it lies wholly inside; a tile that overlaps otherwise
makes the window inexact, which the reader says (STALE) instead of passing a wrong number off as right.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tilefold.declaration.windows import Window
from tilefold.engine.codec import Part
from tilefold.engine.layout import Layout, Output
from tilefold.engine.mark import Mark
from tilefold.engine.windows import bounds_us


def in_force(part: Part | None, mark: Mark) -> Mark:
    """The watermark and epoch that hold for a key."""
    return mark if part is None or part.mark < mark else part.mark


@dataclass(frozen=True, slots=True)
class _Chain:
    """Windows that end at one time, shortest first, in which one slot's state is wanted."""

    slot: int
    start: int
    stop: int
    windows: tuple[int, ...]
    fold: Any
    combine: Any


class Folder:
    """Folds the parts of keys of one view; made once, used for every read."""

    def __init__(self, layout: Layout) -> None:
        self._grain_us = layout.grain_us
        self.windows: list[Window] = list(dict.fromkeys(w for out in layout.outputs for w in out.feature.windows))
        self._numbers = {window: number for number, window in enumerate(self.windows)}
        self._chains = _chains(layout, self.windows, self._numbers)
        self._slots = len(layout.slots)
        self._outputs = [self._compile(output) for output in layout.outputs]
        self._edges: tuple[int, list[tuple[int, int]]] = (-1, [])

    def _compile(self, output: Output) -> tuple[Any, Any, tuple[int, ...], tuple[int, ...] | int]:
        function, feature = output.feature.function, output.feature
        numbers = tuple(self._numbers[window] for window in feature.windows)
        return function.finalize, function.empty, output.slots, numbers if feature.is_series else numbers[0]

    def _edges_at(self, watermark_us: int) -> list[tuple[int, int]]:
        """Start and end of each window in grains; kept, since most keys of a view are read at one watermark."""
        known, edges = self._edges
        if known != watermark_us:
            grain = self._grain_us
            bounds = (bounds_us(window, watermark_us) for window in self.windows)
            edges = [(start // grain, end // grain) for start, end in bounds]
            self._edges = (watermark_us, edges)
        return edges

    def fold(self, part: Part | None, watermark_us: int) -> tuple[list[Any], list[int]]:
        """The value of every feature, in the layout's order, and the numbers of the windows that are inexact.

        Values are plain Python values, None, or OVERFLOW; the values of a series are a list.
        """
        if part is None or not part.tiles:
            return [_empty(empty, numbers) for _, empty, _, numbers in self._outputs], []
        spans, inexact = self._spans(part, watermark_us)
        states = self._states(part.columns, spans)
        return [_value(states, output) for output in self._outputs], inexact

    def _spans(self, part: Part, watermark_us: int) -> tuple[list[tuple[int, int]], list[int]]:
        """For each window its tiles from (inclusive) and to (exclusive), and which windows cut a tile."""
        first, last, base = part.first, part.last, part.base
        spans, inexact = [], []
        for number, (start, end) in enumerate(self._edges_at(watermark_us)):
            low, high = bisect_left(first, start - base), bisect_left(first, end - base)
            cut_low = low > 0 and last[low - 1] >= start - base and first[low - 1] < end - base
            cut_high = high > low and last[high - 1] >= end - base
            if cut_low or cut_high:
                inexact.append(number)
                high -= cut_high
            spans.append((low, high))
        return spans, inexact

    def _states(self, columns: Sequence[Any], spans: list[tuple[int, int]]) -> list[list[Any]]:
        """The state of every slot in every window; None where no tile is."""
        states: list[list[Any]] = [[None] * len(spans) for _ in range(self._slots)]
        for chain in self._chains:
            taken, row = columns[chain.start : chain.stop], states[chain.slot]
            state, fold = None, chain.fold
            done = spans[chain.windows[0]][1]
            for number in chain.windows:
                low, high = spans[number]
                high = min(high, done)
                if low < high:
                    more = fold(taken, low, high)
                    state = more if state is None else chain.combine(more, state)
                    done = low
                row[number] = state
        return states


def _empty(empty: Any, numbers: tuple[int, ...] | int) -> Any:
    if isinstance(numbers, tuple):
        return [_empty(empty, number) for number in numbers]
    return list(empty) if isinstance(empty, list) else empty


def _value(states: list[list[Any]], output: tuple[Any, Any, tuple[int, ...], tuple[int, ...] | int]) -> Any:
    finalize, empty, slots, numbers = output
    if isinstance(numbers, tuple):
        return [_value(states, (finalize, empty, slots, number)) for number in numbers]
    taken = [states[slot][numbers] for slot in slots]
    if taken[0] is None:
        return list(empty) if isinstance(empty, list) else empty
    return finalize(*taken)


def _chains(layout: Layout, windows: list[Window], numbers: dict[Window, int]) -> list[_Chain]:
    """Group the windows of each slot into nested chains: those that end at one time and slide together."""
    wanted: dict[tuple[int, int, int | None], set[int]] = {}
    for output in layout.outputs:
        for slot in output.slots:
            for window in output.feature.windows:
                wanted.setdefault((slot, window.offset_us, window.lifetime_start_us), set()).add(numbers[window])
    return [_chain(layout, slot, windows, members) for (slot, _, _), members in wanted.items()]


def _chain(layout: Layout, slot: int, windows: list[Window], members: set[int]) -> _Chain:
    ordered = sorted(members, key=lambda number: -bounds_us(windows[number], 0)[0])
    stored = layout.slots[slot]
    return _Chain(slot, stored.start, stored.stop, tuple(ordered), stored.partial.fold, stored.partial.combine)
