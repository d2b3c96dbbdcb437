"""HyperLogLog registers: which value goes where, and their bytes.

The rule: of a value's 64-bit hash the upper `precision` bits choose one of `2**precision` registers, and the place of the
lowest set bit among the others, from 1 on, is its rank; a register holds the largest rank that it saw. So registers depend on
the set of values alone, and those of two sets merge by the larger of each.

In tiles a set of registers is a list of entries `index * 64 + rank`, ascending, one per register that saw a value. In parts it
is bytes: the entries, little endian, as long as these are fewer bytes than there are registers, else a byte per register. Do
not change: they are in tables and stores.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from tilefold.functions.packed import binary_series, spread

RANKS = 64  # an entry is the register's index times this, plus its rank
_TWO_BYTES_MAX = 10  # up to this precision an entry fits into 16 bits

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def entry_width(precision: int) -> int:
    """The bytes of an entry in parts."""
    return 2 if precision <= _TWO_BYTES_MAX else 3


def entry_of(hashed: int, precision: int) -> int:
    """The entry of one hash."""
    bits = 64 - precision
    rest = hashed & ((1 << bits) - 1)
    rank = (rest & -rest).bit_length() if rest else bits + 1
    return (hashed >> bits) * RANKS + rank


def entry_expr(hashed: pl.Expr, precision: int) -> pl.Expr:
    """The entry of each hash (UInt64), an Int32."""
    bits = 64 - precision
    index = (hashed // (1 << bits)).cast(pl.Int32)
    rank = pl.min_horizontal(hashed.bitwise_trailing_zeros().cast(pl.Int32), pl.lit(bits, pl.Int32)) + 1
    return pl.when(hashed.is_not_null()).then(index * RANKS + rank)


def pack(registers: Bytes) -> bytes:
    """The bytes of registers."""
    seen = np.flatnonzero(registers)
    width = entry_width(len(registers).bit_length() - 1)
    if len(seen) * width >= len(registers):
        return registers.tobytes()
    entries = (seen * RANKS + registers[seen]).astype("<u4")
    return entries.view(np.uint8).reshape(-1, 4)[:, :width].tobytes()


def pack_column(entries: pl.Series, precision: int) -> pl.Series:
    """The bytes of each row's entries; what `pack` makes of its registers."""
    lengths = entries.list.len().cast(pl.Int64).to_numpy()
    flat = entries.explode(empty_as_null=False, keep_nulls=False).cast(pl.Int64).to_numpy()
    size, width = 1 << precision, entry_width(precision)
    dense = lengths * width >= size
    sizes = np.where(dense, size, lengths * width)
    starts = np.cumsum(sizes) - sizes
    out: Bytes = np.zeros(int(sizes.sum()), np.uint8)
    is_dense, first = np.repeat(dense, lengths), np.repeat(starts, lengths)
    places = first[is_dense] + flat[is_dense] // RANKS
    out[places] = (flat[is_dense] % RANKS).astype(np.uint8)
    places = first[~is_dense] + spread(lengths)[~is_dense] * width
    for byte in range(width):
        out[places + byte] = (flat[~is_dense] >> (8 * byte) & 0xFF).astype(np.uint8)
    return binary_series(entries.name, out, sizes)


def unpack(packed: Sequence[bytes], precision: int) -> Bytes:
    """The registers of several sets, merged."""
    size = 1 << precision
    dense = b"".join([each for each in packed if len(each) == size])
    registers: Bytes = np.frombuffer(dense, np.uint8).reshape(-1, size).max(axis=0) if dense else np.zeros(size, np.uint8)
    sparse = b"".join([each for each in packed if len(each) != size])
    if sparse:
        entries = _entries(sparse, entry_width(precision))
        np.maximum.at(registers, entries // RANKS, (entries % RANKS).astype(np.uint8))
    return registers


def _entries(data: bytes, width: int) -> Ints:
    if width == 2:  # noqa: PLR2004 - as a type of NumPy's
        return np.frombuffer(data, "<u2").astype(np.int64)
    columns = np.frombuffer(data, np.uint8).reshape(-1, width).astype(np.int64)
    entries: Ints = sum(columns[:, byte] << (8 * byte) for byte in range(width))  # type: ignore[assignment] # at least one
    return entries
