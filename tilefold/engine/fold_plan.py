"""What a fold of one view does, worked out once: which slots over which windows, and which values of their states.

The rule: windows that end at one time and slide together are a nest. A slot is folded over all its nests in one call, and a
function is finished for all its windows in one, so that a read loops over what there is and decides nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from tilefold.declaration.windows import Window
from tilefold.engine.keep_answers import kept_of, made_of
from tilefold.engine.layout import Layout, Output
from tilefold.engine.windows import bounds_us


@dataclass(frozen=True, slots=True)
class Nest:
    """Windows that end at one time and slide together, shortest first."""

    windows: tuple[Window, ...]

    def edges(self, watermark_us: int, grain_us: int, base: int) -> list[int]:
        """Their starts, then their common end, in grains from `base` on."""
        bounds = [bounds_us(window, watermark_us) for window in self.windows]
        return [edge // grain_us - base for edge in (*(start for start, _ in bounds), bounds[0][1])]


class Call(NamedTuple):
    """Fold one slot over some nests, or look its running totals up; `lone` says that there is one column of them."""

    slot: int
    start: int
    stop: int
    running: bool
    lone: bool
    fold: Any
    nests: tuple[int, ...]


class Take(NamedTuple):
    """The states that a call gave, all or some of them."""

    call: int
    some: Callable[[list[Any]], Sequence[Any]] | None


class Finish(NamedTuple):
    """Make values of the states that some calls gave, one for each window of the nests; `finalize_all` of all at once.

    `kept` is the function's number among those of which parts keep answers.
    """

    finalize: Any
    finalize_all: Any
    takes: tuple[Take, ...]
    nests: tuple[int, ...]
    kept: int | None


class FoldPlan:
    """What a fold does.

    Attributes
    ----------
    unanswered
        The calls that are needed where a part keeps answers; None in the places of the others.
    letters
        What the answers of a part must be of.
    arrange
        Puts values, as the finishes make them, into the order of the features.
    """

    def __init__(self, layout: Layout) -> None:
        self.nests: list[Nest] = []
        functions = _functions(layout, self.nests)
        over = _nests_of_slots(functions)
        slots = {slot: number for number, slot in enumerate(over)}
        self.calls = [_call_of(layout, slot, nests) for slot, nests in over.items()]
        kept = kept_of(layout)
        numbers = {made_of(output): number for number, output in enumerate(kept.outputs)}
        self.letters = kept.letters
        self.finishes = [
            Finish(
                output.feature.function.finalize,
                output.feature.function.finalize_all,
                tuple(Take(slots[slot], self._some(over[slot], nests)) for slot in output.slots),
                nests,
                numbers.get(made_of(output)),
            )
            for output, nests in functions
        ]
        needed = {take.call for finish in self.finishes if finish.kept is None for take in finish.takes}
        self.unanswered = [call if number in needed else None for number, call in enumerate(self.calls)]
        self.arrange = self._arranger(layout, functions)

    def _some(self, folded: Sequence[int], wanted: Sequence[int]) -> Callable[[list[Any]], Sequence[Any]] | None:
        """What takes the states of some nests from those of all that a slot is folded over."""
        if folded == wanted:
            return None
        places: dict[int, list[int]] = {}
        taken = 0
        for nest in folded:
            places[nest] = list(range(taken, taken + len(self.nests[nest].windows)))
            taken += len(places[nest])
        chosen = [place for nest in wanted for place in places[nest]]
        return itemgetter(*chosen) if len(chosen) > 1 else lambda states: (states[chosen[0]],)

    def _arranger(
        self, layout: Layout, functions: Sequence[tuple[Output, tuple[int, ...]]]
    ) -> Callable[[list[Any]], Sequence[Any]]:
        places: dict[tuple[tuple[str, str | None], Window], int] = {}
        for output, nests in functions:
            for window in (window for nest in nests for window in self.nests[nest].windows):
                places[made_of(output), window] = len(places)
        own = [[places[made_of(output), window] for window in output.feature.windows] for output in layout.outputs]
        series = [output.feature.is_series for output in layout.outputs]
        if any(series) or len(own) == 1:
            return lambda values: [
                [values[place] for place in each] if many else values[each[0]] for each, many in zip(own, series, strict=True)
            ]
        return itemgetter(*(each[0] for each in own))


def _functions(layout: Layout, nests: list[Nest]) -> list[tuple[Output, tuple[int, ...]]]:
    """An output for each function of an input, with the nests of all its windows, which are filled in."""
    windows: dict[tuple[str, str | None], dict[Any, dict[Window, None]]] = {}
    outputs: dict[tuple[str, str | None], Output] = {}
    for output in layout.outputs:
        made = made_of(output)
        outputs.setdefault(made, output)
        for window in output.feature.windows:
            grid = window.hop_us if window.ends_on_grid else None
            together = (window.offset_us, window.lifetime_start_us, window.calendar, grid)  # others nest now and then only
            windows.setdefault(made, {}).setdefault(together, {})[window] = None
    found = []
    for made, groups in windows.items():
        own = [Nest(tuple(sorted(group, key=_start_at_zero, reverse=True))) for group in groups.values()]
        nests += [nest for nest in own if nest not in nests]
        found.append((outputs[made], tuple(sorted(nests.index(nest) for nest in own))))
    return found


def _nests_of_slots(functions: Sequence[tuple[Output, tuple[int, ...]]]) -> dict[int, tuple[int, ...]]:
    """By slot the nests that some function asks of it."""
    over: dict[int, set[int]] = {}
    for output, nests in functions:
        for slot in output.slots:
            over.setdefault(slot, set()).update(nests)
    return {slot: tuple(sorted(nests)) for slot, nests in over.items()}


def _call_of(layout: Layout, slot: int, nests: tuple[int, ...]) -> Call:
    stored = layout.slots[slot]
    fold = stored.partial.look_up if stored.running else stored.partial.fold_chain
    lone = stored.running and stored.stop == stored.start + 1
    return Call(slot, stored.start, stored.stop, stored.running, lone, fold, nests)


def _start_at_zero(window: Window) -> int:
    return bounds_us(window, 0)[0]
