"""The merged read of one key: tiles folded into one value per feature.

The rule: this is the one place that decides which tiles count (`merge_stream` asks it of each group of a stream part). The
watermark and epoch that hold for a key are the larger of its own stamp and the view's committed mark; a tile is in a window if
it lies wholly inside; a tile that overlaps otherwise makes the window inexact, which the reader says (STALE) instead of passing
a wrong number off as right.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, repeat
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from tilefold.declaration.windows import Window
from tilefold.engine.answers import Tail
from tilefold.engine.codec import Part
from tilefold.engine.keep_answers import kept_of, made_of
from tilefold.engine.layout import Layout
from tilefold.engine.mark import Mark
from tilefold.engine.windows import bounds_us, moment_us
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


@dataclass(frozen=True, slots=True)
class _Nest:
    """Windows that end at one time and slide together, shortest first."""

    windows: tuple[Window, ...]

    def edges(self, watermark_us: int, grain_us: int, base: int) -> list[int]:
        """Their starts, then their common end, in grains from `base` on."""
        bounds = [bounds_us(window, watermark_us) for window in self.windows]
        return [edge // grain_us - base for edge in (*(start for start, _ in bounds), bounds[0][1])]


class _Call(NamedTuple):
    """Fold one slot over a nest, or look its running totals up; `lone` says that there is one column of them."""

    nest: int
    start: int
    stop: int
    running: bool
    lone: bool
    fold: Any


class _Finish(NamedTuple):
    """Make values of the states that some calls gave: of the one call, or of several that `several` takes from all.

    `finalize_all` makes those of the one call and of all `more` at once.
    """

    finalize: Any
    finalize_all: Any
    one: int
    more: tuple[int, ...]
    several: Callable[[list[Any]], tuple[Any, ...]] | None
    made: tuple[str, str | None]
    calls: tuple[int, ...]


Spans: TypeAlias = list[tuple[list[int], int]]
"""For each nest the first tile of each window and the end (exclusive) of all."""


class Folder:
    """Folds the parts of keys of one view; made once, used for every read."""

    def __init__(self, layout: Layout) -> None:
        self._grain_us = layout.grain_us
        self._no_columns: list[Any] = [()] * len(layout.components)
        self.windows: list[Window] = list(dict.fromkeys(w for out in layout.outputs for w in out.feature.windows))
        self.numbers = {window: number for number, window in enumerate(self.windows)}
        self.nests: list[_Nest] = []
        self.calls: list[_Call] = []
        self._finishes: list[_Finish] = []
        places = _compile(layout, self.nests, self.calls, self._finishes)
        self._arrange = _arranger(
            [[places[number, w] for w in out.feature.windows] for number, out in enumerate(layout.outputs)],
            [out.feature.is_series for out in layout.outputs],
        )
        self._timed = [
            (number, current, out.feature)
            for number, out in enumerate(layout.outputs)
            if (current := out.feature.function.current) is not None
        ]
        self._known: tuple[int, dict[int, list[int]]] = (-1, {})
        ends = list(accumulate((len(nest.windows) + 1 for nest in self.nests), initial=0))
        self._places = [(start, end - 1) for start, end in pairwise(ends)]  # of a nest's edges among all, its end last
        self._picking = sorted({call.nest for call in self.calls if call.running})
        self._letters, self._kept, self._unanswered = self._compile_kept(layout)

    def _compile_kept(self, layout: Layout) -> tuple[bytes, list[tuple[int, int, list[int]]], list[_Call | None]]:
        """Of which functions parts keep values; of each its finish, its number and its nests; the calls that others need."""
        kept = kept_of(layout)
        numbers = {made_of(output): number for number, output in enumerate(kept.outputs)}
        made = [numbers.get(each.made) for each in self._finishes]
        found = [
            (finish, number, [self.calls[call].nest for call in (each.one, *each.more)])
            for finish, (each, number) in enumerate(zip(self._finishes, made, strict=True))
            if number is not None
        ]
        needed = {call for each, number in zip(self._finishes, made, strict=True) if number is None for call in each.calls}
        return kept.letters, found, [call if number in needed else None for number, call in enumerate(self.calls)]

    def _edges_at(self, watermark_us: int, base: int) -> list[int]:
        """The edges of all nests, one after the other; kept, since most keys are read at one watermark and begin on few days."""
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
            nest, start, stop, running, lone, fold = call
            if not running:
                states.append(fold(columns[start:stop], *spans[nest]))
                continue
            absent, pick = picks[nest]
            if lone and not absent:  # by far the most
                states.append(pick(columns[start]))
            else:
                states.append(fold(columns[start:stop], absent, pick))
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
        """The value of every feature, from the states of each call: one per window of its nest.

        `edge_us` is where windows end that are not moved back, `read_us` when the read is. `answered` has the values of some
        finishes, which need no states.
        """
        values: list[Any] = []
        for number, (finalize, finalize_all, one, more, several, *_) in enumerate(self._finishes):
            if answered is not None and number in answered:
                values += answered[number]
            elif finalize_all is not None:
                values += finalize_all([*states[one], *(state for call in more for state in states[call])])
            elif several is not None:
                values += map(finalize, *several(states))
            else:
                values += states[one] if finalize is same else map(finalize, states[one])
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

    def _cut(self, nest: _Nest, lows: list[int], ended: list[int], inexact: list[int]) -> bool:
        """Note the windows that cut a tile: it ends after an edge that it begins before. Whether the common end does."""
        high, at_end = lows[-1], ended[-1] < lows[-1]
        for window, low, end in zip(nest.windows, lows, ended, strict=False):
            if end < low or (at_end and low < high):
                inexact.append(self.numbers[window])
        return at_end


def _compile(layout: Layout, nests: list[_Nest], calls: list[_Call], finishes: list[_Finish]) -> dict[tuple[int, Window], int]:
    """Fill in what a fold does; returns where the value of each (output, window) then stands."""
    places: dict[tuple[int, Window], int] = {}
    known_calls: dict[tuple[int, int], int] = {}
    taken = 0
    before: tuple[str, str | None] = ("", None)
    for output_numbers, windows in _groups(layout):
        nest = _index_of(nests, _Nest(windows))
        output = layout.outputs[output_numbers[0]]
        numbers = tuple(_call_of(layout, slot, nest, calls, known_calls) for slot in output.slots)
        several = itemgetter(*numbers) if len(numbers) > 1 else None
        function = output.feature.function
        made, same_function = (function.label, output.feature.input_column), before
        before = made
        if function.finalize_all is not None and made == same_function:
            last = finishes[-1]
            finishes[-1] = last._replace(more=(*last.more, numbers[0]), calls=(*last.calls, *numbers))
        else:
            finishes.append(
                _Finish(function.finalize, function.finalize_all, numbers[0], (), several, made_of(output), numbers)
            )
        for position, window in enumerate(windows):
            places.update({(number, window): taken + position for number in output_numbers})
        taken += len(windows)
    return places


def _groups(layout: Layout) -> list[tuple[list[int], tuple[Window, ...]]]:
    """Outputs of one function of one input, with those of their windows that nest, shortest first."""
    members: dict[tuple[Any, ...], tuple[set[int], set[Window]]] = {}
    for number, output in enumerate(layout.outputs):
        feature = output.feature
        for window in feature.windows:
            grid = window.hop_us if window.ends_on_grid else None
            apart = (window.lifetime_start_us, window.calendar)  # what moves in another way nests now and then only
            key = (feature.function.label, feature.input_column, window.offset_us, *apart, grid)
            numbers, windows = members.setdefault(key, (set(), set()))
            numbers.add(number)
            windows.add(window)
    groups = sorted(members.items(), key=lambda group: (group[0][0], str(group[0][1])))  # those of one function together
    return [(sorted(numbers), tuple(sorted(windows, key=_start_at_zero, reverse=True))) for _, (numbers, windows) in groups]


def _pick(lows: list[int], high: int) -> tuple[int, Pick]:
    """How many windows have no tiles (the shortest), and what takes the running totals of the others from a column."""
    absent = sum(low >= high for low in lows) if lows[0] >= high else 0
    if len(lows) - absent > 1:
        return absent, itemgetter(*lows[absent:])
    return absent, lambda column: tuple([column[low] for low in lows[absent:]])


def _start_at_zero(window: Window) -> int:
    return bounds_us(window, 0)[0]


def _index_of(nests: list[_Nest], nest: _Nest) -> int:
    if nest not in nests:
        nests.append(nest)
    return nests.index(nest)


def _call_of(layout: Layout, slot: int, nest: int, calls: list[_Call], known: dict[tuple[int, int], int]) -> int:
    if (slot, nest) not in known:
        stored = layout.slots[slot]
        known[slot, nest] = len(calls)
        fold = stored.partial.look_up if stored.running else stored.partial.fold_chain
        lone = stored.running and stored.stop == stored.start + 1
        calls.append(_Call(nest, stored.start, stored.stop, stored.running, lone, fold))
    return known[slot, nest]


def _arranger(places: list[list[int]], series: list[bool]) -> Callable[[list[Any]], Sequence[Any]]:
    """Puts computed values into the order of the features."""
    if any(series) or len(places) == 1:
        return lambda values: [
            [values[place] for place in own] if many else values[own[0]] for own, many in zip(places, series, strict=True)
        ]
    return itemgetter(*(own[0] for own in places))
