"""The bytes of the batch parts of many keys at once, in NumPy; `codec` reads them one by one.

The rule: a key's bytes depend on its own tiles alone, so an unchanged key has unchanged bytes whatever its neighbours do.
Every column says first how many bytes it takes of each key's part (`sizes`); then all are placed and filled.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
from pyarrow import LargeBinaryArray, large_binary, py_buffer  # type: ignore[attr-defined] # untyped

from tilefold.engine.codec import PART_HEAD
from tilefold.functions.plain import physical_dtype

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
_INT_TYPES = {1: "<u1", 2: "<i2", 4: "<i4", 8: "<i8"}

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
    """A column of numbers behind one code byte."""

    def __init__(self, values: npt.NDArray[Any], runs: _Runs, widths: Ints) -> None:
        self._values, self._runs, self._widths = values, runs, widths
        self.sizes: Ints = 1 + widths * runs.counts

    def fill(self, out: Bytes, places: Ints) -> None:
        out[places] = self._widths
        for width in _INT_TYPES:
            keys = self._widths == width
            if keys.any():
                self._fill_width(out, places + 1, width, keys)

    def _fill_width(self, out: Bytes, places: Ints, width: int, keys: npt.NDArray[np.bool_]) -> None:
        values, within, counts = self._values, self._runs.within, self._runs.counts
        if not keys.all():
            chosen = np.repeat(keys, counts)
            values, within, counts, places = values[chosen], within[chosen], counts[keys], places[keys]
        dtype = values.dtype if values.dtype.kind == "f" else np.dtype(_INT_TYPES[width])
        _scatter(out, np.repeat(places, counts) + within * width, values.astype(dtype, copy=False))


class _Zeros:
    """A column of nothing but zeros: one code byte, zero."""

    def __init__(self, keys: int) -> None:
        self.sizes: Ints = np.ones(keys, np.int64)

    def fill(self, out: Bytes, places: Ints) -> None:
        """Nothing: the buffer starts with zeros."""


class _Raw:
    """Bytes that are copied as they are; `lengths` of them belong to each key."""

    def __init__(self, data: Bytes, lengths: Ints) -> None:
        self._data = data
        self.sizes: Ints = lengths

    def fill(self, out: Bytes, places: Ints) -> None:
        out[np.repeat(places, self.sizes) + _Runs(self.sizes).within] = self._data


class _Head:
    """The number of tiles and the base of each part."""

    def __init__(self, counts: Ints, base: Ints) -> None:
        self._counts, self._base = counts, base
        self.sizes: Ints = np.full(len(counts), PART_HEAD.size, np.int64)

    def fill(self, out: Bytes, places: Ints) -> None:
        _scatter(out, places, self._counts.astype("<u4"))
        _scatter(out, places + 4, self._base.astype("<i8"))


def _integers(values: Ints, runs: _Runs) -> Chunk:
    smallest, largest = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    if smallest == largest == 0:
        return _Zeros(len(runs.counts))
    high = runs.reduce(np.maximum, values)
    low = runs.reduce(np.minimum, values) if smallest < 0 else np.minimum(high, 0)
    widths = np.where((low == 0) & (high == 0), 0, 1)
    for width, least, most in _TOO_NARROW:
        if smallest < least or largest > most:
            widths[(low < least) | (high > most)] = width
    return _Numbers(values, runs, widths)


def _floats(values: npt.NDArray[Any], runs: _Runs) -> Chunk:
    width = values.dtype.itemsize
    bits = values.view(np.int32 if width == 4 else np.int64)  # noqa: PLR2004 - bytes of a Float32
    if bits.all():
        return _Numbers(values, runs, np.where(runs.counts > 0, width, 0))
    return _Numbers(values, runs, np.where(runs.reduce(np.bitwise_or, bits) != 0, width, 0))


def _texts(column: pl.Series, runs: _Runs) -> Iterator[Chunk]:
    lengths = column.str.len_bytes().cast(pl.Int64).to_numpy()
    yield _integers(lengths, runs)
    data = np.frombuffer(b"".join(column.cast(pl.Binary).to_list()), np.uint8)
    yield _Raw(data, runs.reduce(np.add, lengths))


def _plain(column: pl.Series, runs: _Runs) -> Iterator[Chunk]:
    """The chunks of a column without nulls."""
    physical = physical_dtype(column.dtype)
    if physical == pl.String:
        yield from _texts(column, runs)
    elif physical.is_float():
        yield _floats(column.to_numpy(), runs)
    else:
        yield _integers(column.cast(physical).cast(pl.Int64).to_numpy(), runs)


def _zero(dtype: pl.DataType) -> Any:
    return "" if dtype == pl.String else pl.Series([0]).cast(dtype)[0]


def _nullable(column: pl.Series, runs: _Runs) -> Iterator[Chunk]:
    if not column.null_count():
        yield _Zeros(len(runs.counts))
        yield from _plain(column, runs)
        return
    yield _integers(column.is_null().cast(pl.Int64).to_numpy(), runs)
    yield from _plain(column.fill_null(_zero(column.dtype)), runs)


def _lists(column: pl.Series, runs: _Runs) -> Iterator[Chunk]:
    lengths = column.list.len().cast(pl.Int64).to_numpy()
    yield _integers(lengths, runs)
    entries = _Runs(runs.reduce(np.add, lengths))
    yield from _plain(column.explode(empty_as_null=False, keep_nulls=False), entries)


def _chunks(columns: Sequence[tuple[pl.Series, bool]], runs: _Runs) -> Iterator[Chunk]:
    for column, nullable in columns:
        if isinstance(column.dtype, pl.List):
            yield from _lists(column, runs)
        else:
            yield from _nullable(column, runs) if nullable else _plain(column, runs)


def encode_parts(first: Ints, last: Ints, columns: Sequence[tuple[pl.Series, bool]], counts: Ints) -> pl.Series:
    """The parts of many keys.

    Parameters
    ----------
    first, last
        The cells of each tile's first and last event, in grains since 1970; tiles of a key stand together, ascending.
    columns
        Each stored component with whether it may be null, a value per tile.
    counts
        The number of tiles of each key, all above zero.

    Returns
    -------
    pl.Series
        One Binary per key.
    """
    runs = _Runs(counts)
    base = first[runs.starts]
    times: list[Chunk] = [_integers(first - np.repeat(base, counts), runs), _integers(last - first, runs)]
    chunks: list[Chunk] = [_Head(counts, base), *times, *_chunks(columns, runs)]
    sizes = np.sum([chunk.sizes for chunk in chunks], axis=0, dtype=np.int64)
    ends = np.cumsum(sizes)
    out: Bytes = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
    places = ends - sizes
    for chunk in chunks:
        chunk.fill(out, places)
        places = places + chunk.sizes
    return _binary(out, np.concatenate([np.zeros(1, np.int64), ends]))


def _binary(data: Bytes, offsets: Ints) -> pl.Series:
    buffers = [None, py_buffer(offsets), py_buffer(data)]
    return pl.Series(values=LargeBinaryArray.from_buffers(large_binary(), len(offsets) - 1, buffers), dtype=pl.Binary)
