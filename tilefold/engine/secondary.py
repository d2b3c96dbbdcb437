"""Aggregates by a secondary key: in each window a value for each key that its events have, instead of one for all.

The rule: a tile holds, beside how many events it has, one list: its secondary keys, ascending, each with the partial states of
its events. So a tile is what it always was, and only this module and `nesting` know that it holds more than one state.

    tiles     tf_events | tf_by_merchant: [{"tf_key": "a", "amount__sum": 3.0, ..}, {"tf_key": "b", ..}]
    parts     tf_events | bytes: rows as in a part (`codec.decode_rows`), one per key; numbered, where those have cells
    state     {"a": (3.0, ..), "b": ..}

Events without a secondary key are counted in `tf_events` and are in no list.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import add, itemgetter
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from tilefold.engine.codec import Codec
from tilefold.engine.encode import Stored, encode_parts
from tilefold.engine.encode_one import RowEncoder
from tilefold.engine.mark import Mark
from tilefold.engine.slots import Slot
from tilefold.functions import AggregateFunction, Component, Partial
from tilefold.functions.base import Columns, CurrentValue, Expressions
from tilefold.functions.packed import spread
from tilefold.functions.plain import physical_to_python
from tilefold.types import Field

KEY = "tf_key"
INPUT = "__secondary"
"""What the slot's input is called: for each event a record of the secondary key and all inputs."""
_MOMENT = "__moment_us"
_NOBODY = Mark(0, 0)

Values: TypeAlias = Callable[[pl.DataFrame], pl.Series]


@dataclass(frozen=True)
class _Rows:
    """What the codec asks of a layout: here that of the rows of one tile."""

    view_name: str
    components: list[tuple[str, Component]]
    slots: tuple[Slot, ...] = ()
    grain_us: int = 1
    running: list[str | None] = field(default_factory=list)


class BySecondary(Partial):
    """The states of some partials for each secondary key; in tiles a list of records, in parts bytes.

    Attributes
    ----------
    key
        The secondary key's column.
    slots
        The partials that it keeps for each key; components count from 0.
    """

    def __init__(self, view_name: str, key: Field, slots: tuple[Slot, ...]) -> None:
        self.key, self.slots = key, slots
        self.name = f"by_{key.name}"
        self.ordered = any(slot.partial.ordered for slot in slots)
        self._inner = [pair for slot in slots for pair in zip(slot.names, slot.partial.components, strict=True)]
        record = pl.Struct({KEY: key.dtype, **{name: each.dtype for name, each in self._inner}})
        self.components = (Component(self.name, pl.List(record), pack=self._pack),)
        rows = [(KEY, Component(KEY, key.dtype)), *self._inner]
        held = _Rows(view_name, rows, running=[None] * len(rows))
        self._encoder, self._codec = RowEncoder(held), Codec(held, plain=True)
        self._joins = [(slot.start, slot.stop, slot.join) for slot in slots]
        self._only_sums = all(slot.partial.running == "add" for slot in slots)

    @property
    def inputs(self) -> list[str]:
        """The columns that it needs of an event."""
        return list(dict.fromkeys([self.key.name, *(slot.column for slot in self.slots if slot.column)]))

    def from_events(self, column: str, prefix: str) -> Expressions:
        """Not by expressions: see `nesting`."""
        raise NotImplementedError(column, prefix)

    def merge_rows(self, prefix: str) -> Expressions:
        """Not by expressions: see `nesting`."""
        raise NotImplementedError(prefix)

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`; the value is a mapping of `inputs`."""
        key = None if value is None else value[self.key.name]
        if key is None:
            return (b"",)
        lifted = (slot.partial.lift(value[slot.column] if slot.column else None, time_us, tie) for slot in self.slots)
        return self.stored({key: tuple(chain.from_iterable(lifted))})

    def fold(self, columns: Columns, low: int, high: int) -> Any:
        """See `Partial`."""
        state: dict[Any, tuple[Any, ...]] = {}
        for data in columns[0][low:high]:
            self._add(state, self._unpack(data))
        return state

    def combine(self, one: Any, other: Any) -> Any:
        """See `Partial`."""
        state = dict(one)
        self._add(state, other)
        return state

    def stored(self, state: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        if not state:
            return (b"",)
        columns = list(zip(*((key, *components) for key, components in sorted(state.items())), strict=True))
        places = range(len(state))
        return (self._encoder.rows(places, places, columns),)

    def _unpack(self, data: bytes) -> dict[Any, tuple[Any, ...]]:
        if not data:
            return {}
        keys, *columns = self._codec.decode_rows(data, _NOBODY).columns
        components = zip(*columns, strict=True) if columns else ((),) * len(keys)
        return dict(zip(keys, components, strict=True))

    def _add(self, state: dict[Any, tuple[Any, ...]], more: Mapping[Any, tuple[Any, ...]]) -> None:
        if not state:
            state.update(more)
            return
        joined = _summed if self._only_sums else self._joined
        for key, components in more.items():
            held = state.get(key)
            state[key] = components if held is None else joined(held, components)

    def _joined(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
        joined: list[Any] = []
        for start, stop, join in self._joins:
            joined += join(one[start:stop], other[start:stop])
        return tuple(joined)

    def _pack(self, tiles: pl.Series) -> pl.Series:
        """The bytes of each tile's list."""
        lengths, records = flattened(tiles)
        filled = lengths.filter(lengths > 0).to_numpy()
        if not len(filled):
            return pl.Series(tiles.name, [b""] * len(tiles), pl.Binary)
        inner = [Stored(each.as_in_parts(records[name]), each.nullable, None) for name, each in self._inner]
        places = spread(filled)
        parts = encode_parts(places, places, [Stored(records[KEY], nullable=False, running=None), *inner], filled)
        return _at_rows(lengths, parts, b"").alias(tiles.name)

    # --- functions

    def keys(self, declared: AggregateFunction) -> AggregateFunction:
        """The function that lists the keys."""
        convert = physical_to_python(self.key.dtype)

        def finish(state: Any) -> list[Any]:
            return [convert(key) for key in sorted(state or ())]

        return self._function(declared, self.key.dtype, finish, lambda records: records[KEY])

    def each(self, function: AggregateFunction, numbers: Sequence[int]) -> AggregateFunction:
        """A function of the states of some slots, for each key: a list, in the order of the keys."""
        slots = [self.slots[number] for number in numbers]

        folds = [(slot.partial.fold, slot.start, slot.stop) for slot in slots]
        finalize = function.finalize

        def value_of(components: tuple[Any, ...]) -> Any:
            return finalize(*[fold([(each,) for each in components[start:stop]], 0, 1) for fold, start, stop in folds])

        def finish(state: Any) -> list[Any]:
            return [value_of(components) for _, components in sorted((state or {}).items())]

        def finish_plain(state: Any) -> list[Any]:
            return [finalize(*taken(components)) for _, components in sorted((state or {}).items())]

        taken = _taker([slot.start for slot in slots])
        is_plain = all(slot.partial.running and len(slot.partial.components) == 1 for slot in slots)  # their states are kept

        def values(records: pl.DataFrame) -> pl.Series:
            value = function.finalize_rows(*(slot.names for slot in slots)).cast(function.result_dtype)
            if function.empty is not None:
                value = pl.coalesce(value, pl.lit(function.empty, dtype=function.result_dtype))
            return records.select(value.alias("value"))["value"]

        current = None if function.current is None else _each_now(function.current, slots[0].names, function.result_dtype)
        return self._function(function, function.result_dtype, finish_plain if is_plain else finish, values, current)

    def _function(
        self,
        declared: AggregateFunction,
        dtype: pl.DataType,
        finish: Callable[[Any], list[Any]],
        values: Values,
        current: CurrentValue | None = None,
    ) -> AggregateFunction:
        result = pl.List(dtype)

        def finish_rows(names: list[str]) -> pl.Expr:
            tiles = pl.col(names[0])
            if current is not None:  # makes the values of the tiles, once it is told a time
                return tiles
            return tiles.map_batches(lambda column: _lists(column, values, result), return_dtype=result)

        return AggregateFunction(declared.label, (self,), result, [], finish, finish_rows, current)


def _summed(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(map(add, one, other))


def _taker(places: Sequence[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """What takes the components at some places."""
    if len(places) == 1:
        place = places[0]
        return lambda components: (components[place],)
    return itemgetter(*places)


def _each_now(current: CurrentValue, names: list[str], dtype: pl.DataType) -> CurrentValue:
    """The last step of a function for each key, of values as `finalize` gives them, or of the columns of its slot."""
    result = pl.List(dtype)

    def of(values: list[Any], moment_us: int) -> list[Any]:
        return [current.of(value, moment_us) for value in values]

    def values_at(records: pl.DataFrame) -> pl.Series:
        return records.select(current.rows(names, pl.col(_MOMENT)).cast(dtype).alias("value"))["value"]

    def column(both: pl.Series) -> pl.Series:
        tiles, moments = both.struct.unnest().get_columns()
        return _lists(tiles, values_at, result, moments)

    def rows(outer: list[str], moment: pl.Expr) -> pl.Expr:
        return pl.struct(pl.col(outer[0]), moment.alias(_MOMENT)).map_batches(column, return_dtype=result)

    return CurrentValue(of, rows, current.expires)


def _lists(tiles: pl.Series, values: Values, result: pl.DataType, moments: pl.Series | None = None) -> pl.Series:
    """The values of each row's records, as a list; `moments` tells each row's records a time."""
    lengths, records = flattened(tiles)
    if not records.height:
        return pl.Series(tiles.name, [[]] * len(tiles), result)
    rows = pl.Series("row", np.repeat(np.arange(len(tiles)), lengths.to_numpy()))
    if moments is not None:
        records = records.with_columns(moments.gather(rows).alias(_MOMENT))
    found = values(records).alias("value").to_frame()
    grouped = found.with_columns(rows).group_by("row", maintain_order=True).agg("value")
    return _at_rows(lengths, grouped["value"], []).alias(tiles.name).cast(result)


def flattened(tiles: pl.Series) -> tuple[pl.Series, pl.DataFrame]:
    """How many records there are in each row's list, and all of them, column by column."""
    lengths = tiles.list.len().fill_null(0).cast(pl.Int64)
    return lengths, tiles.explode(empty_as_null=False, keep_nulls=False).struct.unnest()


def _at_rows(lengths: pl.Series, values: pl.Series, empty: Any) -> pl.Series:
    """Values of the rows that are longer than nothing, at their rows; `empty` at the others."""
    places = (lengths > 0).cast(pl.Int64).cum_sum() - 1
    there = pl.select(pl.when(lengths > 0).then(places)).to_series()
    filled = values.gather(there).alias("value").to_frame()
    return filled.select(pl.coalesce("value", pl.lit(empty, dtype=values.dtype)).alias("value"))["value"]
