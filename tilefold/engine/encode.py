"""The bytes of the batch parts of many keys at once, in NumPy; `codec` reads them one by one.

The rule: a key's bytes depend on its own tiles alone, so an unchanged key has unchanged bytes whatever its neighbours do. What
stands where is said in `codec` and `part_shape`. Every chunk says first how many bytes it takes of each key's part (`sizes`);
then all are placed and filled. Texts are joined to them key by key.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
from pyarrow import LargeBinaryArray, compute, large_binary, py_buffer, scalar  # type: ignore[attr-defined] # untyped

from tilefold.engine.part_shape import ANSWERS_FLAG
from tilefold.functions.plain import physical_dtype

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
_INT_TYPES = {1: "<u1", 2: "<i2", 4: "<i4", 8: "<i8"}

TILES_AT_ONCE = 65_536  # arrays of this size stay in the processor's cache
_TOO_NARROW = ((2, 0, 2**8 - 1), (4, -(2**15), 2**15 - 1), (8, -(2**31), 2**31 - 1))
"""A width, and the values beyond which the width before it is too narrow."""


class Chunk(Protocol):
    """One stretch of bytes in every key's part."""

    sizes: Ints

    def fill(self, out: Bytes, places: Ints) -> None:
        """Write each key's bytes at its place."""


class _Runs:
    """How many values of a column belong to each key; values of one key stand together."""

    def __init__(self, counts: Ints) -> None:
        self.counts = counts
        self.starts: Ints = np.cumsum(counts) - counts

    @cached_property
    def within(self) -> Ints:
        """0, 1, 2 ... anew for each key."""
        return np.arange(int(self.counts.sum()), dtype=np.int64) - np.repeat(self.starts, self.counts)

    @cached_property
    def _steps_back(self) -> tuple[Ints, list[tuple[int, int, int]]]:
        """All rows, those of all keys that stand last first, then those last but one ..., busy keys first.

        And for each step back where the rows of the step before begin, where its own begin, and how many they are.
        """
        by_count = np.argsort(-self.counts, kind="stable")
        counts, last = self.counts[by_count], (self.starts + self.counts - 1)[by_count]
        most = int(counts[0]) if len(counts) else 0
        many = np.searchsorted(-counts, -np.arange(most)).tolist()
        rows = np.concatenate([last[:taken] - step for step, taken in enumerate(many)]) if many else last
        begins = np.cumsum([0, *many]).tolist()
        return rows, list(zip(begins, begins[1:], many[1:], strict=False))

    def run_back(self, ufunc: np.ufunc, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Running totals of each key's values, from its last one back."""
        if ufunc is np.add and values.dtype.kind == "i":  # exact in any order, even where it wraps in between
            sums = np.cumsum(values)
            back: Ints = np.repeat(sums[self.starts + self.counts - 1], self.counts) - sums + values
            return back
        rows, steps = self._steps_back
        moved = values[rows]  # so that each step is of neighbours, in place
        for before, begin, many in steps:
            ufunc(moved[begin : begin + many], moved[before : before + many], out=moved[begin : begin + many])
        totals = np.empty_like(values)
        totals[rows] = moved
        return totals

    def reduce(self, ufunc: np.ufunc, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A reduction of each key's values; 0 for keys that have none."""
        result = np.zeros(len(self.counts), values.dtype)
        there = self.counts > 0
        if there.any():
            result[there] = ufunc.reduceat(values, self.starts[there])
        return result


def _scatter(out: Bytes, places: Ints, values: npt.NDArray[Any]) -> None:
    """Write values of one type at byte positions, aligned or not."""
    width = values.dtype.itemsize
    window: npt.NDArray[Any] = np.ndarray((len(out) - width + 1,), values.dtype, out.data, strides=(1,))
    window[places] = values


class _Numbers:
    """A column of numbers; each key has a width of its own, 0 where all its values are zero."""

    def __init__(self, values: npt.NDArray[Any], runs: _Runs, widths: Ints) -> None:
        self._values, self._runs, self.widths = values, runs, widths
        self.sizes: Ints = widths * runs.counts

    def fill(self, out: Bytes, places: Ints) -> None:
        """Narrow ones first: where all keys have bytes, wider ones overwrite what was cut off of theirs."""
        narrowest = int(self.widths.min(initial=8))
        for width in _INT_TYPES:
            keys = self.widths == width
            if width == narrowest:
                self._fill_width(out, places, width, np.ones_like(keys))
            elif keys.any():
                self._fill_width(out, places, width, keys)

    def _fill_width(self, out: Bytes, places: Ints, width: int, keys: npt.NDArray[np.bool_]) -> None:
        values, within, counts = self._values, self._runs.within, self._runs.counts
        if not keys.all():
            chosen = np.repeat(keys, counts)
            values, within, counts, places = values[chosen], within[chosen], counts[keys], places[keys]
        dtype = values.dtype if values.dtype.kind == "f" else np.dtype(_INT_TYPES[width])
        _scatter(out, np.repeat(places, counts) + within * width, values.astype(dtype, copy=False))


class _Codes:
    """The widths of some columns, a byte each."""

    def __init__(self, columns: Sequence[_Numbers]) -> None:
        self._columns = columns
        self.sizes: Ints = np.full(len(columns[0].widths), len(columns), np.int64)

    def fill(self, out: Bytes, places: Ints) -> None:
        for number, column in enumerate(self._columns):
            out[places + number] = column.widths


class _PerKey:
    """One number of a fixed type per key."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self._values = values
        self.sizes: Ints = np.full(len(values), values.dtype.itemsize, np.int64)

    def fill(self, out: Bytes, places: Ints) -> None:
        _scatter(out, places, self._values)


def _integers(values: Ints, runs: _Runs) -> _Numbers:
    smallest, largest = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    if smallest == largest == 0:
        return _Numbers(values, runs, np.zeros(len(runs.counts), np.int64))
    high = runs.reduce(np.maximum, values)
    low = runs.reduce(np.minimum, values) if smallest < 0 else np.minimum(high, 0)
    widths = np.where((low == 0) & (high == 0), 0, 1)
    for width, least, most in _TOO_NARROW:
        if smallest < least or largest > most:
            widths[(low < least) | (high > most)] = width
    return _Numbers(values, runs, widths)


def _floats(values: npt.NDArray[Any], runs: _Runs) -> _Numbers:
    width = values.dtype.itemsize
    bits = values.view(np.int32 if width == 4 else np.int64)  # noqa: PLR2004 - bytes of a Float32
    if bits.all():
        return _Numbers(values, runs, np.where(runs.counts > 0, width, 0))
    return _Numbers(values, runs, np.where(runs.reduce(np.bitwise_or, bits) != 0, width, 0))


def _text_bytes(column: pl.Series, runs: _Runs) -> LargeBinaryArray:
    """The bytes of each key's texts, one after the other."""
    array = column.rechunk().cast(pl.Binary).to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64, len(array) + 1, array.offset * 8)
    firsts = np.append(runs.starts, len(array))
    return LargeBinaryArray.from_buffers(large_binary(), len(runs.counts), [None, py_buffer(bounds[firsts]), data])


def _numbers_of(column: pl.Series, runs: _Runs) -> _Numbers:
    """The number column of values without nulls: the values, or how long texts and lists are."""
    if isinstance(column.dtype, pl.List):
        return _integers(column.list.len().cast(pl.Int64).to_numpy(), runs)
    physical = physical_dtype(column.dtype)
    if physical == pl.Binary:
        return _integers(column.bin.size("b").cast(pl.Int64).to_numpy(), runs)
    if physical == pl.String:
        return _integers(column.str.len_bytes().cast(pl.Int64).to_numpy(), runs)
    if physical.is_float():
        return _floats(column.to_numpy(), runs)
    return _integers(column.cast(physical).cast(pl.Int64).to_numpy(), runs)


def _nulls_of(column: pl.Series, runs: _Runs) -> _Numbers:
    if not column.null_count():
        return _Numbers(np.zeros(0, np.int64), runs, np.zeros(len(runs.counts), np.int64))
    return _integers(column.is_null().cast(pl.Int64).to_numpy(), runs)


def _variable_of(column: pl.Series, runs: _Runs) -> Iterator[Chunk | LargeBinaryArray]:
    """What follows the numbers: the bytes of texts and sketches, the entries of lists."""
    if column.dtype in (pl.String, pl.Binary):
        yield _text_bytes(column, runs)
    elif isinstance(column.dtype, pl.List):
        lengths = column.list.len().cast(pl.Int64).to_numpy()
        entries = column.explode(empty_as_null=False, keep_nulls=False)
        inner = _Runs(runs.reduce(np.add, lengths))
        numbers = _numbers_of(entries, inner)
        yield _Codes([numbers])
        yield numbers
        yield from _variable_of(entries, inner)


def _without_nulls(column: pl.Series) -> pl.Series:
    if not column.null_count():
        return column
    return column.fill_null("" if column.dtype == pl.String else pl.Series([0]).cast(column.dtype)[0])


class Stored(NamedTuple):
    """One component: a value per tile, whether it may be null, and the operation of its running totals if it has them."""

    values: pl.Series
    nullable: bool
    running: str | None


def _totalled(column: Stored, runs: _Runs) -> Stored:
    """Replace the values by running totals from each key's newest tile back; null where there is nothing but nulls."""
    if column.running is None:
        return column
    physical = column.values.cast(physical_dtype(column.values.dtype))
    values = physical if physical.dtype.is_float() else physical.cast(pl.Int64)
    if not values.null_count():
        return column._replace(values=pl.Series(runs.run_back(getattr(np, column.running), values.to_numpy())))
    least, most = (-np.inf, np.inf) if values.dtype.is_float() else (np.iinfo(np.int64).min, np.iinfo(np.int64).max)
    neutral = {"add": 0, "minimum": most, "maximum": least}[column.running]
    totals = runs.run_back(getattr(np, column.running), values.fill_null(neutral).to_numpy())
    nothing = runs.run_back(np.minimum, values.is_null().cast(pl.Int64).to_numpy()) == 1
    return column._replace(values=pl.select(pl.when(~pl.Series(nothing)).then(pl.Series(totals))).to_series())


def encode_parts(
    first: Ints, last: Ints, columns: Sequence[Stored], counts: Ints, answers: pl.Series | None = None
) -> pl.Series:
    """The parts of many keys.

    Parameters
    ----------
    first, last
        The cells of each tile's first and last event, in grains since 1970; tiles of a key stand together, ascending.
    columns
        Each stored component, a value per tile.
    counts
        The number of tiles of each key, all above zero; at least one key.
    answers
        What `answers.answers_of` gave; None where parts keep none.

    Returns
    -------
    pl.Series
        One Binary per key.
    """
    ends = np.cumsum(counts)
    steps = np.searchsorted(ends, np.arange(TILES_AT_ONCE, ends[-1], TILES_AT_ONCE))
    bounds = sorted({0, *steps.tolist(), len(counts)})
    parts = []
    for low, high in pairwise(bounds):
        start, end = int(ends[low] - counts[low]), int(ends[high - 1])
        some = [column._replace(values=column.values[start:end]) for column in columns]
        tails = None if answers is None else answers[low:high]
        parts.append(_encode_some(first[start:end], last[start:end], some, counts[low:high], tails))
    return pl.concat(parts)


def _encode_some(first: Ints, last: Ints, columns: Sequence[Stored], counts: Ints, tails: pl.Series | None) -> pl.Series:
    runs = _Runs(counts)
    base = first[runs.starts]
    columns = [_totalled(column, runs) for column in columns]
    full = [_without_nulls(column.values) for column in columns]
    numbers = [_integers(first - np.repeat(base, counts), runs), _integers(last - first, runs)]
    numbers += [_numbers_of(column, runs) for column in full]
    numbers += [_nulls_of(column.values, runs) for column in columns if column.nullable]
    variable = [chunk for column in full for chunk in _variable_of(column, runs)]
    tiles = counts
    if tails is not None:
        tiles = counts | ANSWERS_FLAG
        variable.append(_text_bytes(tails, _Runs(np.ones(len(counts), np.int64))))
    return _joined([_PerKey(tiles.astype("<u4")), _Codes(numbers), _PerKey(base.astype("<i8")), *numbers, *variable])


def _joined(pieces: Sequence[Chunk | LargeBinaryArray]) -> pl.Series:
    """Chunks and texts one after the other in each key's part; Arrow copies texts, by key and not by byte."""
    groups = groupby(pieces, lambda piece: isinstance(piece, LargeBinaryArray))
    arrays = [array for ready, group in groups for array in (group if ready else [_placed(list(group))])]
    nothing = scalar(b"", large_binary())
    whole: Any = arrays[0] if len(arrays) == 1 else compute.binary_join_element_wise(*arrays, nothing)  # type: ignore[attr-defined]
    return pl.Series(values=whole, dtype=pl.Binary)


def _placed(chunks: Sequence[Chunk]) -> LargeBinaryArray:
    """Chunks one after the other in each key's part."""
    sizes = np.sum([chunk.sizes for chunk in chunks], axis=0, dtype=np.int64)
    ends = np.cumsum(sizes)
    out: Bytes = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
    places = ends - sizes
    for chunk in chunks:
        chunk.fill(out, places)
        places = places + chunk.sizes
    buffers = [None, py_buffer(np.concatenate([np.zeros(1, np.int64), ends])), py_buffer(out)]
    return LargeBinaryArray.from_buffers(large_binary(), len(ends), buffers)
