"""Events for the laws: drawn from a seed, few at first, and made fewer where they break a law.

The rule: the same seed draws the same events.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any

import polars as pl

from tilefold.functions.plain import to_physical

PARTS = 3
_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
_NULL_SHARE = 0.1

Parts = list[list["Drawn"]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """An event: when, what orders it among others of that time, its value."""

    time_us: int
    tie: str
    value: Any


def drawn_parts(chance: random.Random, draw: Callable[[random.Random], Any], most: int) -> Parts:
    """Up to so many events in three parts, as they may fall into tiles: in any order, empty ones too."""
    parts: Parts = [[] for _ in range(PARTS)]
    for number in range(chance.randint(1, most)):
        value = None if chance.random() < _NULL_SHARE else draw(chance)
        time = _BEGIN + timedelta(hours=chance.randint(0, 9))
        chance.choice(parts).append(Drawn(to_physical(time), f"{number:03}", value))
    return [sorted(part, key=lambda one: (one.time_us, one.tie)) for part in parts]


def fewer(parts: Parts, breaks: Callable[[Parts], bool]) -> Parts:
    """Parts without every event that is not needed to break a law."""
    for place, event in [(place, event) for place, part in enumerate(parts) for event in part]:
        less = [[one for one in part if number != place or one is not event] for number, part in enumerate(parts)]
        if breaks(less):
            parts = less
    return parts


def drawing(dtype: pl.DataType) -> Callable[[random.Random], Any]:
    """What draws values of a type: small ones, some of them equal, and now and then what is odd."""
    if dtype.is_float():
        return lambda chance: _odd(chance, [0.0, -0.0, math.nan, math.inf, -math.inf], chance.uniform(-9, 9))
    if dtype == pl.Boolean:
        return lambda chance: chance.random() < 0.5  # noqa: PLR2004 - a half
    if dtype == pl.String:
        return lambda chance: chance.choice(["", "a", "b", "B", "\u00df", "zz", "\U0001f600"])
    if dtype == pl.Date:
        return lambda chance: date(2024, 1, 1) + timedelta(days=chance.randint(-400, 400))
    if isinstance(dtype, pl.Datetime):
        return lambda chance: _BEGIN + timedelta(microseconds=chance.randint(-(10**12), 10**12))
    least = 0 if dtype.is_unsigned_integer() else -9
    return lambda chance: chance.randint(least, 9)


def _odd(chance: random.Random, odd: Sequence[Any], usual: float) -> Any:
    """One in ten odd, and many whole, so that some are drawn twice."""
    kind = chance.random()
    return chance.choice(odd) if kind < 0.1 else round(usual, 2 if kind < 0.6 else 0)  # noqa: PLR2004 - see above


def values_of(parts: Parts) -> list[Any]:
    """All values that are not null."""
    return [one.value for one in chain.from_iterable(parts) if one.value is not None]
