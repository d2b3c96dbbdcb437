"""Cells of a stream part, put together column by column.

The rule: components that run hold totals from the newest cell back. So joining two cells is leaving out the later one's total,
dropping covered cells is cutting off the front, and only cells that do not run are joined one by one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

from tilefold.engine.stream_part import Settled

State = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """A partial's place among the components."""

    start: int
    stop: int
    join: Any
    fold: Any
    stored: Any
    running: bool


def merged(slots: Iterable[Slot], old: Settled, new: Settled) -> Settled:
    """The cells of two; those that overlap become one."""
    plan = _interleaved(old, new)
    columns: list[list[Any]] = []
    for slot in slots:
        ours, theirs = _states(old, slot), _states(new, slot)
        pick = _total_at if slot.running else _cell_at
        rows = [pick(slot.join, ours, theirs, step) for step in plan]
        columns += map(list, zip(*rows, strict=True))
    firsts, lasts = [step.first for step in plan], [step.last for step in plan]
    return Settled(firsts, lasts, columns, max(old.newest_us, new.newest_us))


def join_at(slots: Iterable[Slot], settled: Settled, heads: Sequence[int]) -> None:
    """Join cells in place: these stay, the others join the one before them."""
    if len(heads) == len(settled.first):
        return
    ends = [*heads[1:], len(settled.first)]
    columns: list[list[Any]] = []
    for slot in slots:
        if slot.running:
            columns += [[column[head] for head in heads] for column in settled.columns[slot.start : slot.stop]]
        else:
            own = _states(settled, slot)
            joined = [reduce(slot.join, own[head:end]) for head, end in zip(heads, ends, strict=True)]
            columns += map(list, zip(*joined, strict=True))
    settled.last = [settled.last[end - 1] for end in ends]
    settled.first = [settled.first[head] for head in heads]
    settled.columns, settled.encoded = columns, None


def without_front(settled: Settled, count: int) -> Settled | None:
    """Totals run from the newest cell back, so those of the others stay as they are."""
    if not count:
        return settled
    if count == len(settled.first):
        return None
    columns = [column[count:] for column in settled.columns]
    return Settled(settled.first[count:], settled.last[count:], columns, settled.newest_us)


class _Step(NamedTuple):
    """A cell of a merge: its span, from where on either side's totals count, and which cells of either are in it."""

    first: int
    last: int
    old: int
    new: int
    old_end: int
    new_end: int


def _interleaved(old: Settled, new: Settled) -> list[_Step]:
    steps: list[_Step] = []
    one = other = 0
    while one < len(old.first) or other < len(new.first):
        old_first = one < len(old.first) and (other == len(new.first) or old.first[one] <= new.first[other])
        first, last = (old.first[one], old.last[one]) if old_first else (new.first[other], new.last[other])
        start_one, start_other = one, other
        grew = True
        while grew:
            grew = False
            while one < len(old.first) and old.first[one] <= last:
                last, one, grew = max(last, old.last[one]), one + 1, True
            while other < len(new.first) and new.first[other] <= last:
                last, other, grew = max(last, new.last[other]), other + 1, True
        steps.append(_Step(first, last, start_one, start_other, one, other))
    return steps


def _states(settled: Settled, slot: Slot) -> list[State]:
    """What stands in a slot, cell by cell."""
    return list(zip(*settled.columns[slot.start : slot.stop], strict=True))


def _total_at(join: Any, old: Sequence[State], new: Sequence[State], step: _Step) -> State:
    """What runs from a cell to the newest one, over both sides."""
    if step.old == len(old):
        return new[step.new]
    if step.new == len(new):
        return old[step.old]
    joined: State = join(old[step.old], new[step.new])
    return joined


def _cell_at(join: Any, old: Sequence[State], new: Sequence[State], step: _Step) -> State:
    """What lies in a cell, on both sides."""
    return reduce(join, [*old[step.old : step.old_end], *new[step.new : step.new_end]])
