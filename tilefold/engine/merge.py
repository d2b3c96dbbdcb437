"""The merged read of one key: tiles folded into one value per feature.

The rule: this is the one place that decides which tiles count (`merge_stream` asks it of each group of a stream part). The
watermark and epoch that hold for a key are the larger of its own stamp and the view's committed mark; a tile is in a window if
it lies wholly inside; a tile that overlaps otherwise makes the window inexact, which the reader says (STALE) instead of passing
a wrong number off as right.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise, repeat
from operator import itemgetter
from typing import Any, TypeAlias

from tilefold.declaration.windows import Window
from tilefold.engine.answers import Tail
from tilefold.engine.codec import Part
from tilefold.engine.fold_plan import FoldPlan, Nest
from tilefold.engine.layout import Layout
from tilefold.engine.mark import Mark
from tilefold.engine.windows import moment_us
from tilefold.functions.base import Pick
from tilefold.functions.plain import same

BASES_MAX = 4096  # kept per view; the edges of one are a few hundred bytes


def in_force(part: Part | None, mark: Mark) -> Mark:
    """The watermark and epoch that hold for a key."""
    return mark if part is None or part.mark < mark else part.mark


def is_covered(epoch: int, mark: Mark) -> bool:
    """Whether rows of an epoch are in the batch part of `mark`, as far as they lie before its watermark.

    The one predicate of the merged read: a row of the stream part counts unless `row < watermark and epoch <= n`.
    """
    return epoch <= mark.epoch


Spans: TypeAlias = list[tuple[list[int], int]]
"""For each nest the first tile of each window and the end (exclusive) of all."""


class Folder:
    """Folds the parts of keys of one view; made once, used for every read."""

    def __init__(self, layout: Layout) -> None:
        self._grain_us = layout.grain_us
        self._no_columns: list[Any] = [()] * len(layout.components)
        self.windows: list[Window] = list(dict.fromkeys(w for out in layout.outputs for w in out.feature.windows))
        self.numbers = {window: number for number, window in enumerate(self.windows)}
        plan = FoldPlan(layout)
        self.nests, self.calls = plan.nests, plan.calls
        self._finishes, self._arrange = plan.finishes, plan.arrange
        self._letters, self._unanswered = plan.letters, plan.unanswered
        self._kept = [(number, each.kept, each.nests) for number, each in enumerate(plan.finishes) if each.kept is not None]
        self._timed = [
            (number, current, out.feature)
            for number, out in enumerate(layout.outputs)
            if (current := out.feature.function.current) is not None
        ]
        self._known: tuple[int, dict[int, list[int]]] = (-1, {})
        ends = list(accumulate((len(nest.windows) + 1 for nest in self.nests), initial=0))
        self._places = [(start, end - 1) for start, end in pairwise(ends)]  # of a nest's edges among all, its end last
        self._picking = sorted({nest for call in self.calls if call.running for nest in call.nests})

    def _edges_at(self, watermark_us: int, base: int) -> list[int]:
        """The edges of all nests, one after the other.

        They are kept, since most keys of a view are read at one watermark and begin on few days.
        """
        known, by_base = self._known
        if known != watermark_us or len(by_base) > BASES_MAX:
            by_base = {}
            self._known = (watermark_us, by_base)
        edges = by_base.get(base)
        if edges is None:
            edges = by_base[base] = [edge for nest in self.nests for edge in nest.edges(watermark_us, self._grain_us, base)]
        return edges

    def fold(self, part: Part | None, watermark_us: int, read_us: int | None = None) -> tuple[Sequence[Any], list[int]]:
        """The value of every feature, in the layout's order, and the numbers of the windows that are inexact.

        Values are plain Python values, None, or OVERFLOW; the values of a series are a list. What expires does so by `read_us`,
        the watermark where it is not given.
        """
        columns = self._no_columns if part is None else part.columns
        spans, inexact = self._spans(part, watermark_us)
        picks = {nest: _pick(*spans[nest]) for nest in self._picking}  # once for all slots of a nest
        answered = None if part is None or part.tail is None else self._answered(part.tail, spans)
        states: list[Any] = []
        for call in self.calls if answered is None else self._unanswered:
            if call is None:
                states.append(None)
                continue
            _, start, stop, running, lone, fold, nests = call
            own, found = columns[start:stop], list[Any]()
            if not running:
                for nest in nests:
                    low, high = spans[nest]
                    found += fold(own, low, high)
            else:
                for nest in nests:
                    absent, pick = picks[nest]
                    found += pick(own[0]) if lone and not absent else fold(own, absent, pick)  # the first by far the most
            states.append(found)
        return self.finish(states, watermark_us, watermark_us if read_us is None else read_us, answered), inexact

    def _answered(self, tail: Tail, spans: Spans) -> dict[int, list[Any]] | None:
        """By finish the values that the part keeps of these spans of tiles; None where it lacks one."""
        if tail.letters != self._letters:
            return None
        tables, found = tail.looked_up(), dict[int, list[Any]]()
        try:
            for finish, number, nests in self._kept:
                table = tables[number]
                found[finish] = [table[low, spans[nest][1]] for nest in nests for low in spans[nest][0]]
        except KeyError:  # the part is read at another watermark
            return None
        return found

    def finish(
        self, states: list[Any], edge_us: int, read_us: int, answered: Mapping[int, list[Any]] | None = None
    ) -> Sequence[Any]:
        """The value of every feature, from the states of each call: one per window of its nests.

        `edge_us` is where windows end that are not moved back, `read_us` when the read is. `answered` has the values of some
        finishes, which need no states.
        """
        values: list[Any] = []
        for number, (finalize, finalize_all, takes, *_) in enumerate(self._finishes):
            if answered is not None and number in answered:
                values += answered[number]
                continue
            taken = [states[call] if some is None else some(states[call]) for call, some in takes]
            if finalize_all is not None:
                values += finalize_all(taken[0])
            else:
                values += taken[0] if finalize is same else map(finalize, *taken)
        arranged = self._arrange(values)
        return self._in_time(arranged, edge_us, read_us) if self._timed else arranged

    def _in_time(self, values: Sequence[Any], edge_us: int, read_us: int) -> list[Any]:
        """Values that expire or fade, as they are at the time of the read."""
        found = list(values)
        for number, current, feature in self._timed:
            held = found[number] if feature.is_series else [found[number]]
            moments = [moment_us(window, edge_us, read_us, expires=current.expires) for window in feature.windows]
            now = [current.of(value, moment) for value, moment in zip(held, moments, strict=True)]
            found[number] = now if feature.is_series else now[0]
        return found

    def _spans(self, part: Part | None, watermark_us: int) -> tuple[Spans, list[int]]:
        """For each nest the first tile of each window and the end (exclusive) of all; which windows cut a tile."""
        if part is None or not part.tiles:
            return [([0] * len(nest.windows), 0) for nest in self.nests], []
        first, last = part.first, part.last
        edges = self._edges_at(watermark_us, part.base)
        lows = list(map(bisect_left, repeat(first), edges))  # the first tile that begins at or after each edge
        inexact: list[int] = []
        if last is not first:  # some tile spans several cells, and may be cut
            ended = list(map(bisect_left, repeat(last), edges))  # the first tile that ends there or after
            if ended != lows:
                for nest, (start, end) in zip(self.nests, self._places, strict=True):
                    lows[end] -= self._cut(nest, lows[start : end + 1], ended[start : end + 1], inexact)
        return [(lows[start:end], lows[end]) for start, end in self._places], inexact

    def _cut(self, nest: Nest, lows: list[int], ended: list[int], inexact: list[int]) -> bool:
        """Note the windows that cut a tile: it ends after an edge that it begins before. Whether the common end does."""
        high, at_end = lows[-1], ended[-1] < lows[-1]
        for window, low, end in zip(nest.windows, lows, ended, strict=False):
            if end < low or (at_end and low < high):
                inexact.append(self.numbers[window])
        return at_end


def _pick(lows: list[int], high: int) -> tuple[int, Pick]:
    """How many windows have no tiles (the shortest), and what takes the running totals of the others from a column."""
    absent = sum(low >= high for low in lows) if lows[0] >= high else 0
    if len(lows) - absent > 1:
        return absent, itemgetter(*lows[absent:])
    return absent, lambda column: tuple([column[low] for low in lows[absent:]])
