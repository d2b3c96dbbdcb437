"""The merged read of a stream view's key: its batch part and its stream part, folded into one value per feature.

The rule: both parts are cut into pieces, and a piece is folded like a batch part: the batch part itself, and of the stream part
the settled and the loose rows of each epoch. Of an epoch that the batch part covers only rows at or after the watermark count
(`merge.is_covered`); as no row straddles it, those are a tail of the piece. With E the watermark and n the epoch in force:

                            E
    batch part   [--][-][--]|
    epoch <= n      .  .  . |[--][-] . .        what stands before E is in the batch part already
    epoch >  n      [--] .  |[--][-] . .        late events too
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tilefold.declaration.windows import Window
from tilefold.engine.codec import Part
from tilefold.engine.layout import Layout, is_moved
from tilefold.engine.mark import Mark
from tilefold.engine.merge import Folder, is_covered
from tilefold.engine.stream_codec import StreamView
from tilefold.engine.stream_part import NOTHING_PRUNED_US
from tilefold.engine.windows import bounds_us, oldest_us
from tilefold.functions import Partial


class Piece(NamedTuple):
    """Rows that are folded in one way.

    `low` is the first row that counts, `totals` says whether running components hold totals, and `newest_us` is the time of
    the newest event, where rows say less than that (cells).
    """

    part: Part
    unit_us: int
    low: int
    totals: bool
    newest_us: int | None


class _Spans(NamedTuple):
    """For each nest the first row of each window and the end (exclusive) of all."""

    spans: list[tuple[list[int], int]]
    inexact: set[int]


class _Slot(NamedTuple):
    nests: tuple[int, ...]
    start: int
    stop: int
    partial: Partial
    running: bool


class StreamMerger:
    """Folds the two parts of keys of one stream view; made once, used for every read."""

    def __init__(self, layout: Layout, folder: Folder) -> None:
        self._folder, self._grain_us = folder, layout.grain_us
        self._slots = [
            _Slot(call.nests, call.start, call.stop, layout.slots[call.slot].partial, call.running) for call in folder.calls
        ]
        self._nests = [nest.windows for nest in folder.nests]
        self._known: tuple[int | None, list[tuple[list[int], int]]] = (None, [])

    def fold(
        self, batch: Part | None, stream: StreamView | None, mark: Mark, at_us: int
    ) -> tuple[Sequence[Any], Sequence[int]]:
        """The value of every feature at a read time, and the numbers of the windows that are inexact.

        Parameters
        ----------
        mark
            The watermark and epoch in force for the key.
        at_us
            The time that windows end at.
        """
        pieces = list(self._pieces(batch, stream, mark))
        edges = self._edges_at(at_us)
        spans = [self._spans(piece, edges) for piece in pieces]
        inexact = set().union(*(each.inexact for each in spans))
        if stream is not None and stream.pruned_us > NOTHING_PRUNED_US:
            inexact |= self._pruned(stream.pruned_us, at_us)
        states = [[state for nest in slot.nests for state in self._states(slot, nest, pieces, spans)] for slot in self._slots]
        return self._folder.finish(states, at_us, at_us), sorted(inexact)

    def _pieces(self, batch: Part | None, stream: StreamView | None, mark: Mark) -> Iterator[Piece]:
        if batch is not None and batch.tiles:
            yield Piece(batch, self._grain_us, 0, totals=True, newest_us=None)
        for group in stream.groups if stream else ():
            low = 0
            if is_covered(group.epoch, mark):
                low = bisect_left(group.part.first, mark.watermark_us // group.unit_us - group.part.base)
            if low < group.part.tiles:
                yield Piece(group.part, group.unit_us, low, group.settled, group.newest_us if group.settled else None)

    def _edges_at(self, at_us: int) -> list[tuple[list[int], int]]:
        """The starts and the end of each nest; kept, since many keys are read at one time."""
        known, edges = self._known
        if known != at_us:
            edges = [_nest_edges(windows, at_us) for windows in self._nests]
            self._known = (at_us, edges)
        return edges

    def _spans(self, piece: Piece, edges: list[tuple[list[int], int]]) -> _Spans:
        spans: list[tuple[list[int], int]] = []
        inexact: set[int] = set()
        for windows, (starts, end_us) in zip(self._nests, edges, strict=True):
            high, cut_from = self._end(piece, windows[0], end_us)
            lows = [self._start(piece, start_us) for start_us in starts]
            for window, (low, cut) in zip(windows, lows, strict=True):
                if cut or low < cut_from:
                    inexact.add(self._folder.numbers[window])
            spans.append(([low for low, _ in lows], high))
        return _Spans(spans, inexact)

    def _start(self, piece: Piece, start_us: int) -> tuple[int, bool]:
        """The first row inside, and whether the start cuts the one before it."""
        part, unit = piece.part, piece.unit_us
        start = start_us // unit - part.base
        low = max(bisect_left(part.first, start), piece.low)
        return low, low > piece.low and part.last[low - 1] >= start

    def _end(self, piece: Piece, window: Window, end_us: int) -> tuple[int, int]:
        """The end (exclusive) of the rows inside, and that of the rows whose windows the end cuts; 0 where it cuts none.

        A batch part holds nothing of the cell that the end lies in after the end; cells of a stream part may.
        """
        part, unit = piece.part, piece.unit_us
        if piece.newest_us is not None and piece.newest_us < end_us:
            return part.tiles, 0
        end = -(-end_us // unit) - part.base
        begun = bisect_left(part.first, end)
        whole = end if piece.newest_us is None else end_us // unit - part.base
        cut = begun > 0 and part.last[begun - 1] >= whole
        beyond = piece.totals and not is_moved(window) and begun < part.tiles  # totals hold what comes after the end too
        return max(begun - cut, piece.low), begun if cut or beyond else 0

    def _pruned(self, pruned_us: int, at_us: int) -> set[int]:
        """The windows that reach what was left out."""
        return {self._folder.numbers[window] for window in self._folder.windows if oldest_us(window, at_us) <= pruned_us}

    def _states(self, slot: _Slot, nest: int, pieces: Sequence[Piece], spans: Sequence[_Spans]) -> list[Any]:
        """The state of each window of a nest, over all pieces."""
        nothing = slot.partial.nothing
        merged: list[Any] | None = None
        for piece, each in zip(pieces, spans, strict=True):
            lows, high = each.spans[nest]
            if min(lows) >= high:
                continue
            states = _piece_states(slot, piece, lows, high)
            merged = states if merged is None else _combined(slot.partial, merged, states)
        if merged is None:
            return [nothing] * len(self._nests[nest])
        return [nothing if state is None else state for state in merged]


def _nest_edges(windows: Sequence[Window], at_us: int) -> tuple[list[int], int]:
    bounds = [bounds_us(window, at_us) for window in windows]
    return [start for start, _ in bounds], bounds[0][1]


def _piece_states(slot: _Slot, piece: Piece, lows: Sequence[int], high: int) -> list[Any]:
    """The state of each window within a piece; None where it has no row."""
    columns = piece.part.columns[slot.start : slot.stop]
    fold = slot.partial.fold
    if slot.running and piece.totals:  # a row's totals are the state of all from it on
        return [fold(columns, low, low + 1) if low < high else None for low in lows]
    return [fold(columns, low, high) if low < high else None for low in lows]


def _combined(partial: Partial, one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    return [b if a is None else a if b is None else partial.combine(a, b) for a, b in zip(one, other, strict=True)]
