"""`check_aggregate`: whether an aggregate of one's own keeps the laws.

The rule: events are drawn from a seed, few at first; those that break a law are made as few as still do, and told.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tilefold.engine.reference import agree
from tilefold.errors import AggregateLawError, UnknownNameError, complaint
from tilefold.functions import OVERFLOW, resolve
from tilefold.functions.user import registered, registered_names
from tilefold.testing.drawn import Parts, drawing, drawn_parts, fewer, values_of
from tilefold.testing.laws import LAWS, Bulk, Law, Two
from tilefold.types import DType, Field

EVENTS_MAX = 9


def check_aggregate(
    name: str, *, values: Mapping[DType, Callable[[random.Random], Any]] | None = None, rounds: int = 100, seed: int = 0
) -> None:
    """Look for events by which a registered aggregate breaks a law that the engine relies on.

    Merging is associative and takes states in any order; the state of nothing changes nothing; tiles give what all their
    events give; nothing and nulls give `empty`; `finalize` works row by row; plain Python says what expressions say;
    states come out of bytes as they went in.

    Parameters
    ----------
    name
        By which it was registered.
    values
        By type of input, what draws a value; else small numbers and texts, NaN and infinities among them.
    rounds
        How often events are drawn for each type of input.
    seed
        What they are drawn from.

    Raises
    ------
    AggregateLawError
        If a law is broken: the message holds the law and a counterexample.
    UnknownNameError
        If no aggregate has that name.
    """
    user = registered(name)
    if user is None:
        mend = f"Registered are: {', '.join(registered_names()) or 'none'}."
        raise UnknownNameError(complaint("check_aggregate", "it must be a registered aggregate", name, mend))
    given = {Field("input", dtype).dtype: draw for dtype, draw in (values or {}).items()}
    for dtype in [Field("input", each).dtype for each in user.inputs]:
        bulk, draw = Bulk(resolve(name, dtype), dtype), given.get(dtype) or drawing(dtype)
        chance = random.Random(f"{seed} {name} {dtype}")  # noqa: S311 - no secret
        drawn = [drawn_parts(chance, draw, most=1 + number * EVENTS_MAX // rounds) for number in range(rounds)]
        for rule in LAWS:  # the later ones say less where an earlier one is broken
            for parts in drawn:
                _check(rule, bulk, parts, seed)


def _check(rule: str, bulk: Bulk, parts: Parts, seed: int) -> None:
    law, mend = LAWS[rule]
    if _broken(law, bulk, parts) is None:
        return
    few = fewer(parts, lambda less: _broken(law, bulk, less) is not None)
    broken = _broken(law, bulk, few)
    assert broken is not None, "events were left out only as long as it is broken"
    said = " and ".join(f"{what} is {value!r}" for what, value in broken)
    shown = ", ".join(f"{letter} = {[one.value for one in part]}" for letter, part in zip("abc", few, strict=True))
    thing = f"aggregate '{bulk.function.label}' of {bulk.dtype}"
    raise AggregateLawError(complaint(thing, rule, _Text(f"{said}, where {shown} (seed {seed})"), mend))


class _Text(str):
    """A text that an error shows without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _broken(law: Law, bulk: Bulk, parts: Parts) -> Two | None:
    """What differs; None where nothing does."""
    scale = _scale(values_of(parts))
    return next((two for two in law(bulk, parts) if not _same(two[0][1], two[1][1], scale)), None)


def _same(one: Any, other: Any, scale: float) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_same(*pair, scale) for pair in zip(one, other, strict=True))
    if one is None or other is None or one is OVERFLOW:
        return one is other
    return agree(one, other, scale)


def _scale(values: Sequence[Any]) -> float:
    """What 1e-9 is relative to: the sum of absolute inputs."""
    return sum(abs(float(each)) for each in values if isinstance(each, int | float) and math.isfinite(each))
