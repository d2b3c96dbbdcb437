"""The oracle of approximate functions: what one sketch of all values says, by its definition.

The rule: it shares nothing with the engine but the definitions: what is hashed of a value, which register it goes to, which bin
it falls into. No tiles, no bytes, no NumPy; sums are written as the papers print them.
"""

import math
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count, pairwise
from typing import Any

from xxhash import xxh3_64_intdigest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def distinct_values(values: Sequence[Any], precision: int) -> int:
    """HyperLogLog's estimate of how many different values there are, after Ertl."""
    size, ranks = 2**precision, dict[int, int]()
    for text in {_text(value) for value in values}:
        bits = f"{xxh3_64_intdigest(text.encode()):064b}"
        register, rest = int(bits[:precision], 2), bits[precision:]
        ranks[register] = max(ranks.get(register, 0), len(rest) - len(rest.rstrip("0")) + 1)
    if not ranks:
        return 0
    highest = 64 - precision + 1
    seen = sum(2.0**-rank for rank in ranks.values() if rank < highest)
    full = sum(rank == highest for rank in ranks.values())
    weight = size * _sigma(1 - len(ranks) / size) + seen + size * 2.0 ** (1 - highest) * _tau(1 - full / size)
    estimate: float = size**2 / (2 * math.log(2)) / weight
    return round(estimate)


def _sigma(x: float) -> float:
    return x + _sum(lambda k: x ** (2**k) * 2 ** (k - 1))


def _tau(x: float) -> float:
    return (1 - x - _sum(lambda k: (1 - x ** (2**-k)) ** 2 * 2**-k)) / 3


def _sum(term: Callable[[int], float]) -> float:
    """The sum of `term(1)`, `term(2)` ... until terms are nothing."""
    total = 0.0
    for k in count(1):
        more = term(k)
        if total + more == total and k > 60:  # noqa: PLR2004 - terms may grow at first
            return total
        total += more
    raise AssertionError("count never ends")


def _text(value: Any) -> str:
    if isinstance(value, float):
        bits = struct.pack(">d", math.nan if math.isnan(value) else value + 0.0)
        return str(int.from_bytes(bits, signed=True))
    if isinstance(value, datetime):
        return str((value - _EPOCH) // timedelta(microseconds=1))
    if isinstance(value, date):
        return str((value - _EPOCH.date()).days)
    return value if isinstance(value, str) else str(int(value))


def percentile_value(values: Sequence[Any], part: float, precision: int) -> float | None:
    """The middle of the bin of the value at place `floor(part * (n - 1))`."""
    numbers = sorted(float(value) for value in values if not math.isnan(value))
    return _middle(numbers[math.floor(part * (len(numbers) - 1))], precision) if numbers else None


def _middle(value: float, precision: int) -> float:
    """As far from both edges of the value's bin, relative; an octave has as many bins as it takes."""
    size = abs(value)
    if size < 2.0**-1022 or math.isinf(size):
        return value if math.isinf(size) else 0.0
    mantissa, exponent = math.frexp(size)
    bins = math.ceil(0.375 * precision)
    edges = [3 - math.sqrt(4 - 3 * (place / bins)) for place in range(bins + 1)]
    lower, upper = next((low, high) for low, high in pairwise(edges) if low <= 2 * mantissa < high)
    return math.copysign(math.ldexp(2 * lower * upper / (lower + upper), exponent - 1), value)
