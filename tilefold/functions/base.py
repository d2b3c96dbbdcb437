"""What every aggregate is made of: partial states that merge, and a last step that turns them into a value.

The rule: a function is a tuple of partials plus `finalize`; nothing else in the project knows one function from another.
Each partial exists twice with one meaning, as Polars expressions for many keys and as plain Python for one:

    events --from_events--> tile rows --merge_rows--> fewer tile rows --finalize_rows--> values     (Polars, bulk)
    event  --lift-->        tile columns --fold, combine--> state --finalize--> value               (plain, one key)
    tile, tile  --join-->   tile                                                                    (plain, one key)

Merging is associative and has an identity (an absent tile), so tiles may be folded in any grouping. The shape follows
Chronon's `BaseAggregator` (prepare, update, merge, finalize).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeAlias

import polars as pl

TIME = "__time_us"
"""Name of the event's time (Int64, microseconds) in the frames that `from_events` sees."""
TIE = "__tie"
"""Name of what orders events of the same time: a String, the event id or else a hash of the row."""

Columns: TypeAlias = Sequence[Sequence[Any]]
Expressions: TypeAlias = list[pl.Expr]
Pick: TypeAlias = Callable[[Sequence[Any]], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class FunctionRequest:
    """A function with parameters, as people ask for it: `last_distinct(3)`."""

    name: str
    params: tuple[tuple[str, int | float | timedelta], ...] = ()


@dataclass(frozen=True, slots=True)
class Component:
    """One stored column of a partial state.

    Attributes
    ----------
    dtype
        The Polars type of its column in tiles.
    nullable
        Whether a tile may hold none.
    pack
        Where parts hold it as bytes: makes a Binary column of a tile column. `lift`, `fold` and `stored` then see bytes too.
    """

    suffix: str
    dtype: pl.DataType
    nullable: bool = False
    pack: Callable[[pl.Series], pl.Series] | None = field(default=None, compare=False)

    def as_in_parts(self, tiles: pl.Series) -> pl.Series:
        """Its column as parts hold it."""
        return tiles if self.pack is None else self.pack(tiles)


class Partial(ABC):
    """One kind of partial state over one input column, shared by all functions that need it.

    Attributes
    ----------
    name
        Identifies the partial among those of the same input column.
    components
        The columns it stores, named `{prefix}{suffix}`.
    ordered
        Whether `from_events` relies on events sorted by (TIME, TIE).
    nothing
        The state of a span without tiles.
    running
        Which NumPy operation merges its components, where one does: parts then hold running totals from the newest tile
        back, so that the state of a window that ends with the part is a single look-up, however many tiles it spans.
    """

    name: str
    components: tuple[Component, ...]
    ordered: bool = False
    nothing: Any = None
    running: Literal["add", "minimum", "maximum"] | None = None

    @abstractmethod
    def from_events(self, column: str, prefix: str) -> Expressions:
        """Aggregations of a group of events into one tile: an expression per component."""

    @abstractmethod
    def merge_rows(self, prefix: str) -> Expressions:
        """Aggregations of a group of tiles into one tile: an expression per component."""

    @abstractmethod
    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """The tile of one event, as plain physical values: one per component."""

    def lift_all(self, values: Sequence[Any], times_us: Sequence[int], ties: Sequence[Any]) -> Columns:
        """`lift` of many events: a sequence per component; at least one event."""
        return list(zip(*map(self.lift, values, times_us, ties), strict=True))

    def lift_rows(self, column: str, prefix: str) -> Expressions | None:
        """The tile of each event as expressions, one per component, where `running` merges them; None: there are none.

        Instead of ones and zeros a count may give whether there is something to count.
        """
        del column, prefix
        return None

    @abstractmethod
    def fold(self, columns: Columns, low: int, high: int) -> Any:
        """The state of tiles `low` to `high` (exclusive, `low < high`); columns hold physical values, a sequence each."""

    @abstractmethod
    def combine(self, one: Any, other: Any) -> Any:
        """The state of two disjoint sets of tiles; neither is absent."""

    @abstractmethod
    def stored(self, state: Any) -> tuple[Any, ...]:
        """The components of a state, as `fold` gives it: what a tile of the same events holds."""

    def join(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
        """The components of two tiles as one tile; running totals of two sets of tiles join likewise."""
        return self.stored(self.fold(tuple(zip(one, other, strict=True)), 0, 2))

    def fold_chain(self, columns: Columns, lows: Sequence[int], high: int) -> list[Any]:
        """The states of nested spans of tiles `[low, high)`, shortest first; what a span shares is folded once.

        Tiles come one after the other in time. The state of a span without tiles is `nothing`. It is for `finalize` alone, so
        what only merging needs may be None in it.
        """
        state, states = None, []
        for low in lows:
            if low < high:
                more = self.fold(columns, low, high)
                state = more if state is None else self.combine(more, state)
                high = low
            states.append(state)
        return states

    def look_up(self, columns: Columns, absent: int, pick: Pick) -> Sequence[Any]:
        """What `fold_chain` gives, from columns of running totals.

        The first `absent` spans have no tiles; `pick` takes the totals of the others from a column.
        """
        found = pick(columns[0])
        return (self.nothing,) * absent + found if absent else found

    def named(self, prefix: str) -> list[str]:
        """The names of the stored columns, in the order of `components`."""
        return [prefix + component.suffix for component in self.components]


class _Overflow:
    """The mark of a result that its type cannot hold."""

    def __repr__(self) -> str:
        return "OVERFLOW"


OVERFLOW = _Overflow()


@dataclass(frozen=True, slots=True)
class CurrentValue:
    """The last step of a function whose value depends on when the read is.

    Attributes
    ----------
    of
        From what `finalize` gave and a time to the value or None. The time is the window's end, from which weights count back;
        of what expires the time up to which events have expired.
    rows
        The same from the column names of the partial, as an expression.
    expires
        Which of the two.
    """

    of: Callable[[Any, int], Any]
    rows: Callable[[list[str], pl.Expr], pl.Expr]
    expires: bool = False


@dataclass(frozen=True, slots=True)
class AggregateFunction:
    """A function bound to the type of its input.

    Attributes
    ----------
    label
        What stands in feature names: `sum`, `last_distinct_3`.
    partials
        The partial states it needs.
    result_dtype
        The Polars type of its value.
    empty
        Its value on an empty window.
    finalize
        From one state per partial, as `fold_chain` gives them, to a plain Python value, None, or OVERFLOW.
    finalize_rows
        From one list of column names per partial to the expression of the value, null where OVERFLOW.
    finalize_all
        Where that costs less than one by one: `finalize` of the states of several windows, for functions of one partial.
    current
        Where values expire or fade with the time of the read: what comes after `finalize`.
    is_kept
        Whether parts keep values beside tiles (see `engine.answers`), since merging states costs much; none is NaN.
    user
        Of an aggregate of people's own its `UserAggregate`, whose code is part of a view's version.
    """

    label: str
    partials: tuple[Partial, ...]
    result_dtype: pl.DataType
    empty: Any
    finalize: Callable[..., Any] = field(compare=False)
    finalize_rows: Callable[..., pl.Expr] = field(compare=False)
    current: CurrentValue | None = field(default=None, compare=False)
    finalize_all: Callable[[Sequence[Any]], Sequence[Any]] | None = field(default=None, compare=False)
    is_kept: bool = field(default=False, compare=False)
    user: Any = field(default=None, compare=False)
