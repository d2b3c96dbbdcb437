"""A few made-up events of a schema, to try a view's function on.

The rule: they are the same in every process. Values are common ones, edges, nulls, and the texts and numbers that the
function's own code names, so that its filters let some through; keys repeat, and some events differ in their id alone.
"""

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar

import polars as pl

from tilefold.declaration.names import EVENT_ID
from tilefold.declaration.times import DAY_US, HOUR_US

DRAWN: Final = 16
REPEATED: Final = 8
_SEED: Final = 7
_LITERALS_MAX: Final = 12
_TEXT_LITERAL: Final = re.compile(r"'([^']*)'")
_NUMBER_LITERAL: Final = re.compile(r"(?<![\w.])\d{1,15}(?:\.\d{1,6})?(?![\w.])")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AROUND_US: Final = (-DAY_US, -1, 0, 1, HOUR_US, HOUR_US + 1, DAY_US, 40 * DAY_US)

_Value = TypeVar("_Value", str, float)


@dataclass(frozen=True, slots=True)
class _Pools:
    """What values of each type are drawn from."""

    texts: Sequence[str]
    numbers: Sequence[float]
    times: Sequence[datetime]

    def of(self, dtype: pl.DataType) -> list[Any]:
        """The values of a type, a null first."""
        if isinstance(dtype, pl.List):
            inner = self.of(_instance(dtype.inner))
            return [None, [], inner[-1:], inner[:3]]
        if isinstance(dtype, pl.Struct):
            pools = {field.name: self.of(_instance(field.dtype)) for field in dtype.fields}
            return [None, *({name: pool[at % len(pool)] for name, pool in pools.items()} for at in (1, 2, 3))]
        return [None, *self._plain(dtype)]

    def _plain(self, dtype: pl.DataType) -> Sequence[Any]:
        if isinstance(dtype, pl.Datetime):
            return self.times
        if dtype.is_numeric():
            return [int(number) for number in self.numbers] if dtype.is_integer() else self.numbers
        return {
            pl.String: self.texts,
            pl.Boolean: (True, False),
            pl.Date: (*(time.date() for time in self.times), date(2000, 2, 29)),
            pl.Binary: (b"", b"a"),
        }.get(type(dtype), ())


def _instance(dtype: Any) -> pl.DataType:
    """A type within another, which Polars may hold as a class."""
    made: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return made


def sample_events(
    schema: Mapping[str, pl.DataType], timestamp_field: str, literals: Iterable[object], start_us: int
) -> pl.DataFrame:
    """Two dozen events with times around `start_us`; texts and numbers of `literals` are among the values."""
    drawn = random.Random(_SEED)  # noqa: S311 - a sample, no secret
    named = [literal for literal in literals if literal not in schema]
    times = [_EPOCH + timedelta(microseconds=start_us + us) for us in _AROUND_US]
    pools = _Pools(_texts(named), _numbers(named), times)
    columns = {}
    for name, dtype in schema.items():
        pool = pools.of(dtype)[1:] if name == timestamp_field else pools.of(dtype)
        values = [drawn.choice(pool) for _ in range(DRAWN)]
        columns[name] = pl.Series(name, values + values[:REPEATED], dtype=dtype, strict=False)
    ids = [f"event-{number}" for number in range(DRAWN + REPEATED)]
    return pl.DataFrame({**columns, EVENT_ID: pl.Series(ids, dtype=pl.String)})


def literals_of(query: str) -> Iterator[object]:
    """The texts and numbers in a query."""
    yield from _TEXT_LITERAL.findall(query)
    yield from map(float, _NUMBER_LITERAL.findall(query))


def _texts(literals: Iterable[object]) -> list[str]:
    return _with_literals([text for text in literals if isinstance(text, str)], ["a", "b", "", "1", "ß"])


def _numbers(literals: Iterable[object]) -> list[float]:
    found = [number for number in literals if isinstance(number, int | float) and not isinstance(number, bool)]
    near = [number + step for number in found for step in (-1, 0, 1)]
    return _with_literals(near, [-1.0, 0.0, 1.0, 2.5, 1000.0])


def _with_literals(found: list[_Value], common: list[_Value]) -> list[_Value]:
    """Common values and those of the code, which stand as often as all others together."""
    literals = list(dict.fromkeys(found))[:_LITERALS_MAX]
    return common + literals * -(-len(common) // len(literals)) if literals else common
