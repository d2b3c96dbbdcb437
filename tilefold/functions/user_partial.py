"""A registered aggregate as the engine uses it: one partial state, and the last step.

The rule: its expressions are the truth. In bulk they run as they are; for one key its plain Python stands in for them where the
class has it, else they run on frames of a few rows. Values reach the class as people know them (a `datetime`, a `date`);
states are kept as numbers, as everywhere.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from tilefold.errors import DeclarationError, complaint
from tilefold.functions.base import TIME, AggregateFunction, Columns, Component, Expressions, Partial
from tilefold.functions.plain import physical_dtype, physical_to_python, to_physical
from tilefold.functions.user import UserAggregate
from tilefold.types import Field

_VALUE, _ROW = "__value", "__row"


def user_function(name: str, user: UserAggregate, dtype: pl.DataType) -> AggregateFunction:
    """A registered aggregate, bound to a column's type.

    Raises
    ------
    DeclarationError
        If it does not take that type, or its expressions do not give what it declares.
    """
    thing = f"function '{name}'"
    inputs = [Field("input", each).dtype for each in user.inputs]
    if dtype not in inputs:
        mend = "Cast the column in the view's transformation, or use another function."
        raise DeclarationError(complaint(thing, f"it takes {', '.join(map(str, inputs))}", str(dtype), mend))
    result = Field("result", user.result).dtype
    partial = _tried(thing, name, user, dtype, result)

    def finish_all(states: Sequence[Any]) -> Sequence[Any]:
        there = [state for state in states if state is not None]
        found = iter(partial.values_of(there, result) if there else ())
        return [user.empty if state is None else next(found) for state in states]

    def finish(state: Any) -> Any:
        return finish_all([state])[0]

    def finish_plain(state: Any) -> Any:
        return user.empty if state is None else user.value_of(*partial.shown(state))  # type: ignore[misc] # it has one

    def finish_rows(names: list[str]) -> pl.Expr:
        return user.finalize(*map(pl.col, names)).cast(result)

    plain = user.value_of is not None
    return AggregateFunction(
        name,
        (partial,),
        result,
        user.empty,
        finish_plain if plain else finish,
        finish_rows,
        finalize_all=None if plain else finish_all,
        user=user,
    )


class UserPartial(Partial):
    """The state that a class keeps: a column per field. A state is a tuple of their physical values."""

    def __init__(self, name: str, user: UserAggregate, dtype: pl.DataType) -> None:
        self.name, self.ordered, self._user, self._dtype = name, user.ordered, user, dtype
        self.components = tuple(Component(f"{name}_{field.name}", field.dtype, nullable=True) for field in user.state)
        self._fields = [field.name for field in user.state]
        self._from = [physical_to_python(field.dtype) for field in user.state]
        self._value = physical_to_python(dtype)
        self._time = physical_to_python(pl.Datetime("us", "UTC"))
        self.nothing_kept: tuple[Any, ...] = self._states(pl.DataFrame(schema={_VALUE: dtype, TIME: pl.Int64()}))

    # --- in bulk

    def from_events(self, column: str, prefix: str) -> Expressions:
        """See `Partial`."""
        there = pl.col(column).is_not_null()
        made = self._user.partial(pl.col(column).filter(there), pl.col(TIME).filter(there))
        return self._named(made, prefix)

    def merge_rows(self, prefix: str) -> Expressions:
        """See `Partial`."""
        return self._named(self._user.merge(*map(pl.col, self.named(prefix))), prefix)

    def _named(self, made: Sequence[pl.Expr], prefix: str) -> Expressions:
        triples = zip(made, self.components, self.named(prefix), strict=True)
        return [each.cast(component.dtype).alias(name) for each, component, name in triples]

    # --- of one key

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        return tuple(column[0] for column in self.lift_all([value], [time_us], [tie]))

    def lift_all(self, values: Sequence[Any], times_us: Sequence[int], ties: Sequence[Any]) -> Columns:
        """See `Partial`."""
        del ties
        if self._user.partial_of is not None:
            pairs = zip(values, times_us, strict=True)
            return list(zip(*(self._lifted(value, time_us) for value, time_us in pairs), strict=True))
        given = _series(_VALUE, values, self._dtype)
        frame = pl.DataFrame([given, pl.Series(TIME, times_us, pl.Int64)]).with_row_index(_ROW)
        rows = frame.group_by(_ROW, maintain_order=True).agg(self.from_events(_VALUE, ""))
        return self._columns(rows.drop(_ROW))

    def _lifted(self, value: Any, time_us: int) -> tuple[Any, ...]:
        if value is None:
            return self.nothing_kept
        assert self._user.partial_of is not None
        return tuple(map(to_physical, self._user.partial_of(self._value(value), self._time(time_us))))

    def fold(self, columns: Columns, low: int, high: int) -> Any:
        """See `Partial`."""
        if high - low == 1:
            return tuple(column[low] for column in columns)
        if self._user.merge_two is None:
            return self._merged([column[low:high] for column in columns])
        rows = zip(*(column[low:high] for column in columns), strict=True)
        state = next(rows)
        for row in rows:
            state = self.combine(state, row)
        return state

    def combine(self, one: Any, other: Any) -> Any:
        """See `Partial`."""
        if self._user.merge_two is None:
            return self._merged(list(zip(one, other, strict=True)))
        return tuple(map(to_physical, self._user.merge_two(self.shown(one), self.shown(other))))

    def stored(self, state: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        return tuple(state)

    def shown(self, state: Sequence[Any]) -> tuple[Any, ...]:
        """A state as the class knows it: with dates and times."""
        return tuple(None if each is None else show(each) for show, each in zip(self._from, state, strict=True))

    def values_of(self, states: Sequence[Sequence[Any]], result: pl.DataType) -> list[Any]:
        """The value of each state, at least one, by the expression."""
        frame = self._frame(list(zip(*states, strict=True)))
        value = self._user.finalize(*map(pl.col, frame.columns)).cast(result)
        return frame.select(value.alias(_VALUE))[_VALUE].to_list()

    def of_all(self, values: Sequence[Any], times_us: Sequence[int], result: pl.DataType) -> Any:
        """The value of some events, none of them null, in their order, by the expressions and without any merging."""
        frame = pl.DataFrame([pl.Series(_VALUE, values, self._dtype), pl.Series(TIME, times_us, pl.Int64)])
        return self.values_of([self._states(frame)], result)[0]

    def _states(self, frame: pl.DataFrame) -> tuple[Any, ...]:
        return tuple(column[0] for column in self._columns(frame.select(self.from_events(_VALUE, ""))))

    def _merged(self, columns: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
        frame = self._frame(columns)
        merged = frame.select(self._named(self._user.merge(*map(pl.col, frame.columns)), ""))
        return tuple(column[0] for column in self._columns(merged))

    def _frame(self, columns: Sequence[Sequence[Any]]) -> pl.DataFrame:
        """States as a frame: a column per field."""
        triples = zip(self.named(""), columns, self.components, strict=True)
        return pl.DataFrame([_series(name, column, each.dtype) for name, column, each in triples])

    def _columns(self, frame: pl.DataFrame) -> list[list[Any]]:
        """What stands in a frame of states, as parts hold it."""
        return [column.cast(physical_dtype(column.dtype)).to_list() for column in frame]


def _series(name: str, values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    """A column of physical values, truth values as 0 and 1 among them."""
    if dtype == pl.Boolean:
        values = [None if each is None else bool(each) for each in values]
    return pl.Series(name, values, physical_dtype(dtype)).cast(dtype)


def _tried(thing: str, name: str, user: UserAggregate, dtype: pl.DataType, result: pl.DataType) -> UserPartial:
    """Its partial, once the expressions have run on nothing: what does not fit is said where a view is declared."""
    mend = "Return an aggregating expression for each field from partial and merge, and one row by row from finalize."
    try:
        partial = UserPartial(name, user, dtype)
        events = pl.DataFrame(schema={_VALUE: dtype, TIME: pl.Int64()}).with_columns(pl.lit(1).alias(_ROW))
        tiles = events.group_by(_ROW).agg(partial.from_events(_VALUE, ""))
        merged = tiles.group_by(_ROW).agg(partial.merge_rows(""))
        value = user.finalize(*map(pl.col, partial.named("")))
        found = merged.select(value.cast(result))
        two = partial.values_of([partial.nothing_kept, partial.nothing_kept], result)
    except (pl.exceptions.PolarsError, TypeError, ValueError, AttributeError) as error:
        rule = "its expressions must give what its class declares"
        raise DeclarationError(complaint(thing, rule, f"{type(error).__name__}: {error}", mend)) from error
    if len(two) != 2 or found.width != 1:  # noqa: PLR2004 - as many as were given
        raise DeclarationError(complaint(thing, "finalize must give a value for each state", two, mend))
    return partial
