"""What the engine relies on, law by law.

The rule: a law is a function of some events in three parts, `a`, `b` and `c`. It returns two things that must be the same, each
with what it is; nothing where the law does not apply. Values are compared, not states: a state may be written in two ways.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, permutations
from typing import Any

import polars as pl

from tilefold.engine.codec import Codec
from tilefold.engine.encode import Stored, encode_parts
from tilefold.engine.encode_one import RowEncoder
from tilefold.engine.mark import Mark
from tilefold.functions import AggregateFunction, Component
from tilefold.functions.base import TIME
from tilefold.functions.packed import spread
from tilefold.functions.plain import physical_dtype, to_physical
from tilefold.functions.user_partial import UserPartial
from tilefold.testing.drawn import Drawn, Parts

_NOBODY = Mark(0, 0)
_INPUT, _VALUE = "__input", "__value"

Two = Sequence[tuple[str, Any]]
Law = Callable[["Bulk", Parts], list[Two]]


@dataclass(frozen=True)
class _Rows:
    """What the codec asks of a layout."""

    view_name: str
    components: list[tuple[str, Component]]
    running: list[str | None]
    slots: tuple[Any, ...] = ()
    grain_us: int = 1


@dataclass(frozen=True)
class Bulk:
    """An aggregate's expressions, run on frames; a state is a frame of one row."""

    function: AggregateFunction
    dtype: pl.DataType
    partial: UserPartial = field(init=False)

    def __post_init__(self) -> None:
        (partial,) = self.function.partials
        assert isinstance(partial, UserPartial), "registered aggregates have no other"
        object.__setattr__(self, "partial", partial)

    def state(self, events: Sequence[Drawn]) -> pl.DataFrame:
        """The state of events in this order."""
        values = pl.Series(_INPUT, [one.value for one in events], self.dtype)
        frame = pl.DataFrame([values, pl.Series(TIME, [one.time_us for one in events], pl.Int64)])
        return frame.select(self.partial.from_events(_INPUT, ""))

    def merged(self, *states: pl.DataFrame) -> pl.DataFrame:
        """The state of states in this order."""
        return pl.concat(states).select(self.partial.merge_rows(""))

    def values(self, states: pl.DataFrame) -> list[Any]:
        """The value of each row."""
        value = self.function.finalize_rows(self.partial.named("")).alias(_VALUE)
        return states.with_columns(value)[_VALUE].to_list()

    def value(self, state: pl.DataFrame) -> Any:
        """The value of a state."""
        return self.values(state)[0]

    def plain(self, state: pl.DataFrame) -> tuple[Any, ...]:
        """A state as it is kept of one key."""
        return tuple(column.cast(physical_dtype(column.dtype)).to_list()[0] for column in state)


def associative(bulk: Bulk, parts: Parts) -> list[Two]:
    """Merging in either grouping is one."""
    a, b, c = map(bulk.state, parts)
    left, right = bulk.merged(bulk.merged(a, b), c), bulk.merged(a, bulk.merged(b, c))
    return [[("((a, b), c)", bulk.value(left)), ("(a, (b, c))", bulk.value(right))]]


def identity(bulk: Bulk, parts: Parts) -> list[Two]:
    """The state of nothing changes no other, on either side; nor does merging one state alone."""
    a, nothing = bulk.state(parts[0]), bulk.state([])
    alone = ("a", bulk.value(a))
    pairs = {"(a, nothing)": (a, nothing), "(nothing, a)": (nothing, a), "(a)": (a,)}
    return [[alone, (text, bulk.value(bulk.merged(*states)))] for text, states in pairs.items()]


def commutative(bulk: Bulk, parts: Parts) -> list[Two]:
    """Tiles are merged in any order."""
    states = list(map(bulk.state, parts))
    first = ("(a, b, c)", bulk.value(bulk.merged(*states)))
    orders = list(permutations(range(len(parts))))[1:]
    return [
        [first, (f"({', '.join('abc'[n] for n in order)})", bulk.value(bulk.merged(*(states[n] for n in order))))]
        for order in orders
    ]


def split(bulk: Bulk, parts: Parts) -> list[Two]:
    """However events fall into tiles, the value is that of all at once."""
    whole = sorted(chain.from_iterable(parts), key=lambda one: (one.time_us, one.tie))
    merged = bulk.merged(*map(bulk.state, parts))
    return [[("all events at once", bulk.value(bulk.state(whole))), ("merged from a, b and c", bulk.value(merged))]]


def unordered(bulk: Bulk, parts: Parts) -> list[Two]:
    """Where it is not declared `ordered`, events of a tile come in any order."""
    if bulk.partial.ordered:
        return []
    whole = list(chain.from_iterable(parts))
    return [[("a, b, c", bulk.value(bulk.state(whole))), ("c, b, a", bulk.value(bulk.state(whole[::-1])))]]


def empty(bulk: Bulk, parts: Parts) -> list[Two]:
    """Of nothing, and of nulls alone, the value is `empty`."""
    nulls = [Drawn(one.time_us, one.tie, None) for one in parts[0]]
    said = {"nothing": [], "nulls": nulls}
    return [
        [("empty", bulk.function.empty), (f"finalize of {text}", bulk.value(bulk.state(each)))] for text, each in said.items()
    ]


def row_by_row(bulk: Bulk, parts: Parts) -> list[Two]:
    """`finalize` gives of many states what it gives of each alone."""
    states = list(map(bulk.state, parts))
    return [[("each state alone", list(map(bulk.value, states))), ("all together", bulk.values(pl.concat(states)))]]


def plain(bulk: Bulk, parts: Parts) -> list[Two]:
    """Of one key, an event at a time, the value is what expressions say."""
    partial, finalize = bulk.partial, bulk.function.finalize
    whole = sorted(chain.from_iterable(parts), key=lambda one: (one.time_us, one.tie))
    if not whole:
        return []
    values, times, ties = zip(*((to_physical(one.value), one.time_us, one.tie) for one in whole), strict=True)
    lifted = partial.lift_all(values, times, ties)
    found = [("folded event by event", finalize(partial.fold(lifted, 0, len(whole))))]
    if len(whole) > 1:
        half = len(whole) // 2
        combined = partial.combine(partial.fold(lifted, half, len(whole)), partial.fold(lifted, 0, half))
        found.append(("folded in two halves", finalize(combined)))
    by_expression = ("by expressions", bulk.value(bulk.state(whole)))
    return [[by_expression, each] for each in found]


def stored(bulk: Bulk, parts: Parts) -> list[Two]:
    """States come out of a part's bytes as they went in, whichever of the two encoders wrote them."""
    states = [bulk.plain(bulk.state(part)) for part in parts]
    components = list(zip(bulk.partial.named(""), bulk.partial.components, strict=True))
    rows = _Rows("kept", components, [None] * len(components))
    places = range(len(states))
    one = RowEncoder(rows).rows(places, places, list(zip(*states, strict=True)))
    frame = pl.concat(list(map(bulk.state, parts)))
    columns = [Stored(frame[name], component.nullable, None) for name, component in components]
    many = encode_parts(spread(_counts(parts)), spread(_counts(parts)), columns, _counts(parts))[0]
    said = {"after one key's encoder": one, "after the encoder of many keys": many}
    codec = Codec(rows, plain=True)
    before = [("states", [[_number(each) for each in state] for state in states])]
    return [
        [*before, (text, [list(map(_number, row)) for row in zip(*codec.decode_rows(data, _NOBODY).columns, strict=True)])]
        for text, data in said.items()
    ]


def _counts(parts: Parts) -> Any:
    return pl.Series([len(parts)], dtype=pl.Int64).to_numpy()


def _number(value: Any) -> Any:
    """Truth values are kept as 0 and 1."""
    return int(value) if isinstance(value, bool) else value


LAWS: dict[str, tuple[Law, str]] = {
    "merging must be associative": (associative, "Keep what can be merged, such as a sum and a count instead of a mean."),
    "the state of nothing must change no other": (identity, "Let merge skip it, as sums and extremes do."),
    "merging must not depend on the order of states": (commutative, "Keep the time that orders them in the state."),
    "partial must not depend on the order of events": (unordered, "Set ordered = True, or do not rely on it."),
    "merging tiles must give what all their events give": (
        split,
        "Let merge say of states what partial says of events.",
    ),
    "the value of nothing must be empty": (empty, "Set empty to what finalize gives, or let finalize give empty."),
    "finalize must work row by row": (row_by_row, "Use no aggregation in finalize."),
    "plain Python must say what expressions say": (plain, "Leave partial_of, merge_two or value_of out, or mend it."),
    "states must come out of bytes as they went in": (stored, "Choose a type of the field that holds its values."),
}
"""By rule: the law, and what to do where it is broken."""
