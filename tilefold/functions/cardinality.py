"""`approx_count_distinct`.

The rule: the state is the HyperLogLog registers of the values' stable hashes (`registers`, `value_hashes`), which merge without
loss, so every path gives the same number. Nulls are skipped; NaN is one value, and so are both zeros.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from tilefold.functions.base import AggregateFunction, Columns, Component, Expressions, Partial
from tilefold.functions.estimates import add_few, estimate, estimate_column, estimate_of_ranks
from tilefold.functions.registers import RANKS, entry_expr, entry_of, entry_width, pack, pack_column, unpack
from tilefold.functions.value_hashes import hash_expr, hash_of

DEFAULT_PRECISION = 8
FEW_BYTES = 100  # up to so many, plain Python is faster than arrays; less than registers of a byte each take


class Registers(Partial):
    """The registers: in tiles a list of entries, in parts bytes. A state is the bytes of some tiles."""

    def __init__(self, precision: int, dtype: pl.DataType) -> None:
        self.name = f"registers_{precision}"
        self.components = (Component(self.name, pl.List(pl.Int32()), pack=partial(pack_column, precision=precision)),)
        self._precision, self._dtype = precision, dtype
        self._hash, self._width = hash_of(dtype), entry_width(precision)

    def from_events(self, column: str, prefix: str) -> Expressions:
        """See `Partial`."""
        entries = entry_expr(hash_expr(column, self._dtype), self._precision)
        return [_largest(entries.drop_nulls()).alias(prefix + self.name)]

    def merge_rows(self, prefix: str) -> Expressions:
        """See `Partial`."""
        entries = pl.col(prefix + self.name).explode(empty_as_null=False, keep_nulls=False)
        return [_largest(entries).alias(prefix + self.name)]

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        del time_us, tie
        if value is None:
            return (b"",)
        return (entry_of(self._hash(value), self._precision).to_bytes(self._width, "little"),)

    def fold(self, columns: Columns, low: int, high: int) -> Any:
        """See `Partial`."""
        return tuple(columns[0][low:high])

    def fold_chain(self, columns: Columns, lows: Sequence[int], high: int) -> list[Any]:
        """See `Partial`; the tiles are taken once."""
        oldest = min(lows[-1], high)
        tiles = tuple(columns[0][oldest:high])
        return [tiles[low - oldest :] for low in lows]

    def combine(self, one: Any, other: Any) -> Any:
        """See `Partial`."""
        return one + other

    def stored(self, state: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        return (pack(unpack(state, self._precision)),)


def _largest(entries: pl.Expr) -> pl.Expr:
    """Of each register the entry of the largest rank, ascending."""
    ordered = entries.sort()
    index = ordered // RANKS
    return ordered.filter(index.ne_missing(index.shift(-1)))


def cardinality_function(precision: int, dtype: pl.DataType) -> AggregateFunction:
    """`approx_count_distinct`: Int64, 0 on an empty window."""
    name = "approx_count_distinct"
    label = name if precision == DEFAULT_PRECISION else f"{name}_{precision}"

    def finish(state: Any) -> int:
        return finish_all([state])[0]

    def finish_all(states: Sequence[Any]) -> list[int]:
        return _estimates(states, precision)

    def finish_rows(names: list[str]) -> pl.Expr:
        return pl.col(names[0]).map_batches(partial(estimate_column, precision=precision), return_dtype=pl.Int64())

    partials = (Registers(precision, dtype),)
    return AggregateFunction(label, partials, pl.Int64(), 0, finish, finish_rows, finalize_all=finish_all, is_kept=True)


def _estimates(states: Sequence[Any], precision: int) -> list[int]:
    """The estimate of each state. Windows that nest have the tiles of the one before, and often say the same."""
    found: list[int] = []
    before: Any = ()
    registers, ranks, value = None, dict[int, int](), 0
    few = min(FEW_BYTES, (1 << precision) - 1)  # so that none is a byte per register
    for state in states:
        tiles = state or ()
        if len(tiles) < len(before) or tiles[len(tiles) - len(before) :] != before:
            before, registers, ranks, value = (), None, {}, 0
        fresh = tiles[: len(tiles) - len(before)]
        if registers is None and sum(map(len, tiles)) <= few:
            if add_few(ranks, fresh, precision):
                value = estimate_of_ranks(ranks, precision)
        elif fresh:
            added = unpack(fresh if registers is not None else tiles, precision)
            merged = added if registers is None else np.maximum(registers, added)
            if registers is None or not np.array_equal(merged, registers):
                value = estimate(merged)
            registers = merged
        before = tiles
        found.append(value)
    return found
