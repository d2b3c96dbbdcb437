"""The bytes of log-spaced bins, as parts hold them.

The rule: for each bin two numbers of seven bits per byte, lowest first (LEB128): a short form of its code and its count, bins
ascending. Do not change: they are in stores. A value around 1 takes three bytes. The bytes of several sets of bins, one after
the other, are those of their sum, before bins are merged.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from tilefold.functions.bins import EXPONENT_MIN, Ints, parted
from tilefold.functions.packed import binary_series, row_sums

_SEVEN_BITS, MORE = 0x7F, 0x80
_ONE_VALUE_BYTES = 3  # a bin away from 1, and its count

Bytes = npt.NDArray[np.uint8]


def pack_one(code: int, bins: int) -> bytes:
    """The bytes of a single value's bin."""
    rest, packed = _short(code, bins), bytearray()
    while rest > _SEVEN_BITS:
        packed.append(rest & _SEVEN_BITS | MORE)
        rest >>= 7
    packed += bytes((rest, 1))
    return bytes(packed)


def _short(code: int, bins: int) -> int:
    """A number that is small for values around 1: zigzag from there on, the sign in its lowest bit."""
    if not code:
        return 0
    around = abs(code) - 1 + EXPONENT_MIN * bins
    zigzag = around << 1 if around >= 0 else (-around << 1) - 1
    return (zigzag << 1 | (code < 0)) + 1


def pack(codes: Ints, counts: Ints, bins: int) -> bytes:
    """The bytes of bins, ascending and each once."""
    return _seven_bits(_numbers(codes, counts, bins))[0].tobytes()


def pack_column(entries: pl.Series, bins: int) -> pl.Series:
    """The bytes of each row's entries; what `pack` makes of its bins."""
    lengths = entries.list.len().cast(pl.Int64).to_numpy()
    codes, counts = parted(entries)
    data, sizes = _seven_bits(_numbers(codes, counts, bins))
    return binary_series(entries.name, data, row_sums(sizes, lengths * 2))


def unpack_few(data: bytes, bins: int) -> dict[int, int]:
    """What `unpack` gives, merged: by code the count. For short bytes, for which arrays cost more than they save."""
    if len(data) == _ONE_VALUE_BYTES and data[0] & MORE and not (data[1] | data[2]) & MORE:  # as most tiles of few events
        return {_code(data[0] & _SEVEN_BITS | data[1] << 7, bins): data[2]}
    merged: dict[int, int] = {}
    number = shift = 0
    short = -1  # of a bin whose count comes next
    for byte in data:
        number |= (byte & _SEVEN_BITS) << shift
        shift += 7
        if byte & MORE:
            continue
        if short < 0:
            short = number
        else:
            code = _code(short, bins)
            merged[code] = merged.get(code, 0) + number
            short = -1
        number = shift = 0
    return merged


def _code(short: int, bins: int) -> int:
    """The code that `_short` made this number of."""
    if not short:
        return 0
    zigzag, negative = divmod(short - 1, 2)
    around = -(zigzag + 1 >> 1) if zigzag & 1 else zigzag >> 1
    magnitude = around + 1 - EXPONENT_MIN * bins
    return -magnitude if negative else magnitude


def unpack(data: bytes | Bytes, bins: int) -> tuple[Ints, Ints]:
    """The codes and counts in the bytes of several sets of bins, in no order and not merged."""
    numbers = _from_seven_bits(np.frombuffer(data, np.uint8))
    short, counts = numbers[::2], numbers[1::2]
    zigzag, negative = (short - 1) >> 1, ((short - 1) & 1).astype(bool)
    around = np.where(zigzag & 1, -((zigzag + 1) >> 1), zigzag >> 1)
    magnitude = around + 1 - EXPONENT_MIN * bins
    return np.where(short == 0, 0, np.where(negative, -magnitude, magnitude)), counts


def _numbers(codes: Ints, counts: Ints, bins: int) -> Ints:
    """What the bytes of bins hold, in order: `_short` of each code, then its count."""
    around = np.abs(codes) - 1 + EXPONENT_MIN * bins
    zigzag = np.where(around >= 0, around << 1, (-around << 1) - 1)
    numbers: Ints = np.empty(2 * len(codes), np.int64)
    numbers[::2] = np.where(codes == 0, 0, (zigzag << 1 | (codes < 0)) + 1)
    numbers[1::2] = counts
    return numbers


def _seven_bits(numbers: Ints) -> tuple[Bytes, Ints]:
    """The bytes of numbers, and how many each takes."""
    sizes: Ints = np.ones(len(numbers), np.int64)
    rest = numbers >> 7
    while rest.any():
        sizes += rest > 0
        rest >>= 7
    places = np.cumsum(sizes) - sizes
    out: Bytes = np.zeros(int(sizes.sum()), np.uint8)
    for byte in range(int(sizes.max(initial=0))):
        there = sizes > byte
        more = np.where(sizes[there] > byte + 1, MORE, 0)
        out[places[there] + byte] = numbers[there] >> (7 * byte) & _SEVEN_BITS | more
    return out, sizes


def _from_seven_bits(data: Bytes) -> Ints:
    ends = np.flatnonzero(data < MORE)
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
    places = np.arange(len(data)) - np.repeat(starts, ends - starts + 1)
    numbers: Ints = np.add.reduceat((data & _SEVEN_BITS).astype(np.int64) << (7 * places), starts)
    return numbers
