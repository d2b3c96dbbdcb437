"""The bytes of the batch parts of many keys at once, in NumPy; `codec` reads them one by one.

The rule: a key's bytes depend on its own tiles alone, so an unchanged key has unchanged bytes whatever its neighbours do.
Every column says first how many bytes it takes of each key's part (`sizes`); then all are placed and filled.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
from pyarrow import LargeBinaryArray, large_binary, py_buffer  # type: ignore[attr-defined] # untyped

from tilefold.engine.codec import PART_HEAD
from tilefold.functions.plain import physical_dtype

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
_INT_TYPES = {1: "<i1", 2: "<i2", 4: "<i4", 8: "<i8"}


class Chunk(Protocol):
    """One stretch of bytes in every key's part."""

    sizes: Ints

    def fill(self, out: Bytes, places: Ints) -> None:
        """Write each key's bytes at its place."""


def _scatter(out: Bytes, places: Ints, values: npt.NDArray[Any]) -> None:
    """Write values of one type at byte positions, aligned or not."""
    width = values.dtype.itemsize
    window: npt.NDArray[Any] = np.ndarray((len(out) - width + 1,), values.dtype, out.data, strides=(1,))
    window[places] = values


class _Numbers:
    """A column of numbers behind one code byte; `counts` values belong to each key."""

    def __init__(self, values: npt.NDArray[Any], counts: Ints, widths: Ints) -> None:
        self._values, self._counts, self._widths = values, counts, widths
        self.sizes: Ints = 1 + widths * counts

    def fill(self, out: Bytes, places: Ints) -> None:
        out[places] = self._widths
        for width in np.unique(self._widths):
            if width:
                self._fill_width(out, places + 1, int(width))

    def _fill_width(self, out: Bytes, places: Ints, width: int) -> None:
        keys = self._widths == width
        values, counts = self._values, self._counts
        if not keys.all():
            values, counts, places = values[np.repeat(keys, counts)], counts[keys], places[keys]
        dtype = values.dtype if values.dtype.kind == "f" else np.dtype(_INT_TYPES[width])
        _scatter(out, np.repeat(places, counts) + _within(counts) * width, values.astype(dtype, copy=False))


class _Raw:
    """Bytes that are copied as they are; `lengths` of them belong to each key."""

    def __init__(self, data: Bytes, lengths: Ints) -> None:
        self._data = data
        self.sizes: Ints = lengths

    def fill(self, out: Bytes, places: Ints) -> None:
        out[np.repeat(places, self.sizes) + _within(self.sizes)] = self._data


class _Head:
    """The number of tiles and the base of each part."""

    def __init__(self, counts: Ints, base: Ints) -> None:
        self._counts, self._base = counts, base
        self.sizes: Ints = np.full(len(counts), PART_HEAD.size, np.int64)

    def fill(self, out: Bytes, places: Ints) -> None:
        _scatter(out, places, self._counts.astype("<u4"))
        _scatter(out, places + 4, self._base.astype("<i8"))


def _starts(counts: Ints) -> Ints:
    return np.cumsum(counts) - counts


def _within(counts: Ints) -> Ints:
    """0, 1, 2 ... anew for each key."""
    return np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(_starts(counts), counts)


def _per_key(reduce: Any, values: npt.NDArray[Any], counts: Ints) -> npt.NDArray[Any]:
    """A reduction of each key's values; 0 for keys that have none."""
    result = np.zeros(len(counts), values.dtype)
    there = counts > 0
    if there.any():
        result[there] = reduce.reduceat(values, _starts(counts)[there])
    return result


def _integers(values: Ints, counts: Ints) -> _Numbers:
    low, high = _per_key(np.minimum, values, counts), _per_key(np.maximum, values, counts)
    widths = np.where((low == 0) & (high == 0), 0, 1)
    for width in (1, 2, 4):
        bound = 1 << (8 * width - 1)
        widths[(low < -bound) | (high >= bound)] = width * 2
    return _Numbers(values, counts, widths)


def _floats(values: npt.NDArray[Any], counts: Ints) -> _Numbers:
    bits = values.view(np.int32 if values.dtype.itemsize == 4 else np.int64)  # noqa: PLR2004 - bytes of a Float32
    some = _per_key(np.bitwise_or, bits, counts) != 0
    return _Numbers(values, counts, np.where(some, values.dtype.itemsize, 0))


def _texts(column: pl.Series, counts: Ints) -> Iterator[Chunk]:
    lengths = column.str.len_bytes().cast(pl.Int64).to_numpy()
    yield _integers(lengths, counts)
    data = np.frombuffer(b"".join(column.cast(pl.Binary).to_list()), np.uint8)
    yield _Raw(data, _per_key(np.add, lengths, counts))


def _plain(column: pl.Series, counts: Ints) -> Iterator[Chunk]:
    """The chunks of a column without nulls."""
    physical = physical_dtype(column.dtype)
    if physical == pl.String:
        yield from _texts(column, counts)
    elif physical.is_float():
        yield _floats(column.to_numpy(), counts)
    else:
        yield _integers(column.cast(physical).cast(pl.Int64).to_numpy(), counts)


def _zero(dtype: pl.DataType) -> Any:
    return "" if dtype == pl.String else pl.Series([0]).cast(dtype)[0]


def _nullable(column: pl.Series, counts: Ints) -> Iterator[Chunk]:
    yield _integers(column.is_null().cast(pl.Int64).to_numpy(), counts)
    yield from _plain(column.fill_null(_zero(column.dtype)), counts)


def _lists(column: pl.Series, counts: Ints) -> Iterator[Chunk]:
    lengths = column.list.len().cast(pl.Int64).to_numpy()
    yield _integers(lengths, counts)
    yield from _plain(column.explode(empty_as_null=False, keep_nulls=False), _per_key(np.add, lengths, counts))


def _chunks(columns: Sequence[tuple[pl.Series, bool]], counts: Ints) -> Iterator[Chunk]:
    for column, nullable in columns:
        if isinstance(column.dtype, pl.List):
            yield from _lists(column, counts)
        else:
            yield from _nullable(column, counts) if nullable else _plain(column, counts)


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
    base = first[_starts(counts)]
    since_base = first - np.repeat(base, counts)
    times = [_integers(since_base, counts), _integers(last - first, counts)]
    chunks: list[Chunk] = [_Head(counts, base), *times, *_chunks(columns, counts)]
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
    return pl.Series("part", LargeBinaryArray.from_buffers(large_binary(), len(offsets) - 1, buffers), dtype=pl.Binary)
