"""`approx_percentile`.

The rule: the state is how many values fell into each log-spaced bin (`bins`), which merges exactly, so every path gives the
same number, and percentiles of one precision share it. Nulls and NaN are skipped; infinities count as what they are.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from tilefold.functions.base import AggregateFunction, Columns, Component, Expressions, Partial
from tilefold.functions.bin_bytes import MORE, pack, pack_column, pack_one, unpack, unpack_few
from tilefold.functions.bins import (
    COUNTS,
    Ints,
    bins_per_octave,
    code_expr,
    code_of,
    merged,
    percentile,
    percentile_column,
    percentile_of_few,
    percentiles,
)

DEFAULT_PRECISION = 100
NEAR_CODES = 4096  # so that a row for all codes between is small
FEW_BYTES = 100  # up to so many, plain Python is faster than arrays


class Bins(Partial):
    """Bins and counts: in tiles a list of entries, in parts bytes. A state is the bytes of some tiles."""

    nothing = ()

    def __init__(self, precision: int) -> None:
        self.name = f"bins_{precision}"
        self.bins = bins_per_octave(precision)
        self.components = (Component(self.name, pl.List(pl.Int64()), pack=partial(pack_column, bins=self.bins)),)

    def from_events(self, column: str, prefix: str) -> Expressions:
        """See `Partial`."""
        codes = code_expr(column, self.bins).drop_nulls().sort()
        return [_summed(codes, codes.cum_count().cast(pl.Int64)).alias(prefix + self.name)]

    def merge_rows(self, prefix: str) -> Expressions:
        """See `Partial`."""
        entries = pl.col(prefix + self.name).explode(empty_as_null=False, keep_nulls=False).sort()
        return [_summed(entries // COUNTS, (entries % COUNTS).cum_sum()).alias(prefix + self.name)]

    def lift(self, value: Any, time_us: int, tie: Any) -> tuple[Any, ...]:
        """See `Partial`."""
        del time_us, tie
        nothing = value is None or value != value  # noqa: PLR0124 - NaN differs from itself
        return (b"" if nothing else pack_one(code_of(value, self.bins), self.bins),)

    def fold(self, columns: Columns, low: int, high: int) -> Any:
        """See `Partial`."""
        return tuple(filter(None, columns[0][low:high]))

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
        return (pack(*merged(*unpack(b"".join(state), self.bins)), self.bins) if state else b"",)


def _summed(codes: pl.Expr, until: pl.Expr) -> pl.Expr:
    """The entries of ascending codes, each once, from how many values there are up to each row."""
    ends = codes.ne_missing(codes.shift(-1))
    totals = until.filter(ends)
    return codes.filter(ends) * COUNTS + (totals - totals.shift(1, fill_value=0))


def percentile_function(part: float, precision: int) -> AggregateFunction:
    """`approx_percentile`: Float64, null on an empty window."""
    bins = bins_per_octave(precision)

    def finish(state: Any) -> float | None:
        data = b"".join(state or ())
        if not data:
            return None
        if len(data) <= FEW_BYTES:
            return percentile_of_few(unpack_few(data, bins).items(), part, bins)
        return percentile(*unpack(data, bins), part, bins)

    def _of_few(entries: list[tuple[int, int]]) -> float | None:
        return percentile_of_few(entries, part, bins) if entries else None

    def finish_all(states: Sequence[Any]) -> Sequence[float | None]:
        tiles = dict.fromkeys(tile for state in states for tile in state or () if tile)
        if not tiles:
            return [None] * len(states)
        if sum(map(len, tiles)) <= FEW_BYTES:
            parsed = {tile: list(unpack_few(tile, bins).items()) for tile in tiles}
            return [_of_few([entry for tile in state or () if tile for entry in parsed[tile]]) for state in states]
        return percentiles(*_together(states, list(tiles), bins), part, bins)

    def finish_rows(names: list[str]) -> pl.Expr:
        return pl.col(names[0]).map_batches(partial(percentile_column, part=part, bins=bins), return_dtype=pl.Float64())

    label = f"approx_percentile_p{_digits(part)}{'' if precision == DEFAULT_PRECISION else f'_precision_{precision}'}"
    return AggregateFunction(
        label, (Bins(precision),), pl.Float64(), None, finish, finish_rows, finalize_all=finish_all, is_kept=True
    )


def _together(states: Sequence[Any], tiles: list[bytes], bins: int) -> tuple[Ints, Ints]:
    """All codes of some tiles, ascending, and how often each is in each state: windows share tiles, which are read once."""
    data = np.frombuffer(b"".join(tiles), np.uint8)
    codes, counts = unpack(data, bins)
    starts = np.cumsum([0, *map(len, tiles[:-1])])
    rows = np.repeat(np.arange(len(tiles)), np.add.reduceat(data < MORE, starts, dtype=np.int64) // 2)
    different, places = _placed(codes)
    held = np.zeros((len(tiles), len(different)), np.int64)
    held[rows, places] = counts
    numbers = {tile: number for number, tile in enumerate(tiles)}
    times = np.zeros((len(states), len(tiles)), np.int64)  # a tile may stand in a state twice
    for number, state in enumerate(states):
        for tile in filter(None, state or ()):
            times[number, numbers[tile]] += 1
    return different, times @ held


def _placed(codes: Ints) -> tuple[Ints, Ints]:
    """Ascending codes, and where each given one is among them: all between the outermost, where these are near each other."""
    low, high = int(codes.min()), int(codes.max())
    if high - low < NEAR_CODES:
        return np.arange(low, high + 1), codes - low
    return np.unique(codes, return_inverse=True)


def _digits(part: float) -> str:
    """A part of 1 as it may stand in a name: `0_5`."""
    return f"{Decimal(str(part)):f}".replace(".", "_")
