"""The bytes of a batch part in the online store, read one key at a time.

The rule: bytes are read as they were written or refused by name, never misread. Do not change anything here without a new
FORMAT_VERSION: it is on disk and in stores. All of a part is little endian, the header big endian (scripts compare stamps).

    header   version u8 | flags u8 | reserved u16 | crc32 u32 of all that follows | stamp: watermark i64, epoch i64
    part     tiles u32 | base i64 | column first | column last | one column per stored component   (nothing where empty)

`first` and `last` are the cells of a tile's first and last event, counted in grains of the view: `first` from `base` on,
`last` from `first` on. A window's edges lie on the grain, so this says as much as the events' own times. Columns:

    integers   code u8 (bytes per value: 0 all zero, 1 unsigned; 2, 4, 8 signed) | values
    floats     code u8 (0 all zero, 4, 8) | values, IEEE 754
    texts      lengths as integers | UTF-8 bytes
    nullable   integers, 1 where null | the column, with zero or nothing where null
    lists      lengths as integers | the column of all entries
"""

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from zlib import crc32

import polars as pl

from tilefold.engine.layout import Layout
from tilefold.engine.mark import STAMP_SIZE_BYTES, Mark
from tilefold.errors import CorruptBlobError, NewerFormatError, complaint
from tilefold.functions import Component
from tilefold.functions.plain import physical_dtype

FORMAT_VERSION = 1
EMPTY_FLAG = 1
HEADER = struct.Struct(">BBHI")
PART_START = HEADER.size + STAMP_SIZE_BYTES
PART_HEAD = struct.Struct("<Iq")
_INT_FORMATS = {2: "h", 4: "i", 8: "q"}
_FLOAT_FORMATS = {4: "f", 8: "d"}

Column: TypeAlias = Sequence[Any]
Read: TypeAlias = Callable[[bytes, int, int], tuple[Column, int]]


class Part(NamedTuple):
    """A decoded batch part: its tiles, ascending in time, column by column.

    `first` and `last` are cells in grains since 1970 less `base`; `columns` has one sequence per stored component.
    """

    mark: Mark
    tiles: int
    base: int
    first: Column
    last: Column
    columns: list[Column]


def seal(part: bytes, mark: Mark) -> bytes:
    """The bytes for the online store: a part behind its header."""
    return seal_many([part], mark)[0]


def seal_many(parts: Sequence[bytes], mark: Mark) -> list[bytes]:
    """`seal` for many parts of one compaction."""
    stamp = mark.to_bytes()
    seed = crc32(stamp)
    pack = HEADER.pack
    return [pack(FORMAT_VERSION, EMPTY_FLAG if not part else 0, 0, crc32(part, seed)) + stamp + part for part in parts]


@lru_cache(maxsize=4096)
def _unpacker(code: str, count: int) -> Callable[[bytes, int], tuple[Any, ...]]:
    return struct.Struct(f"<{count}{code}").unpack_from


def read_integers(data: bytes, position: int, count: int) -> tuple[Column, int]:
    """Integers and where they end; small ones stay as bytes, which are a sequence of integers too."""
    width = data[position]
    position += 1
    if not width:
        return bytes(count), position
    end = position + width * count
    if width == 1:
        return data[position:end], end
    return _unpacker(_INT_FORMATS[width], count)(data, position), end


def read_floats(data: bytes, position: int, count: int) -> tuple[Column, int]:
    """Floats and where they end."""
    width = data[position]
    position += 1
    if not width:
        return (0.0,) * count, position
    return _unpacker(_FLOAT_FORMATS[width], count)(data, position), position + width * count


def _read_texts(data: bytes, position: int, count: int) -> tuple[Column, int]:
    lengths, position = read_integers(data, position, count)
    texts = []
    for length in lengths:
        texts.append(data[position : position + length].decode())
        position += length
    return texts, position


def _nullable(read: Read) -> Read:
    def read_nullable(data: bytes, position: int, count: int) -> tuple[Column, int]:
        if not data[position]:
            return read(data, position + 1, count)
        nulls, position = read_integers(data, position, count)
        values, position = read(data, position, count)
        return [None if null else value for null, value in zip(nulls, values, strict=True)], position

    return read_nullable


def _lists(read: Read) -> Read:
    def read_lists(data: bytes, position: int, count: int) -> tuple[Column, int]:
        lengths, position = read_integers(data, position, count)
        entries, position = read(data, position, sum(lengths))
        taken, start = [], 0
        for length in lengths:
            taken.append(entries[start : start + length])
            start += length
        return taken, position

    return read_lists


def _reader_of(component: Component) -> Read:
    dtype = component.dtype
    if isinstance(dtype, pl.List):
        return _lists(_plain_reader(dtype.inner))
    read = _plain_reader(dtype)
    return _nullable(read) if component.nullable else read


def _plain_reader(dtype: Any) -> Read:
    physical = physical_dtype(dtype)
    if physical == pl.String:
        return _read_texts
    return read_floats if physical.is_float() else read_integers


class Codec:
    """Reads the batch parts of one view."""

    def __init__(self, layout: Layout) -> None:
        self._view = layout.view_name
        self._readers = [_reader_of(component) for _, component in layout.components]

    def decode(self, data: bytes) -> Part:
        """The tiles in a key's `b` field.

        Raises
        ------
        NewerFormatError
            If a newer release wrote it.
        CorruptBlobError
            If it is not what any release wrote.
        """
        mark, empty = self._check_header(data)
        if empty:
            return Part(mark, 0, 0, (), (), [()] * len(self._readers))
        try:
            return self._decode_part(data, mark)
        except (struct.error, KeyError, IndexError, UnicodeDecodeError, ValueError) as error:
            raise self._corrupt("its columns must fill it", len(data)) from error

    def _check_header(self, data: bytes) -> tuple[Mark, bool]:
        if len(data) < PART_START:
            raise self._corrupt(f"it must have at least {PART_START} bytes", len(data))
        version, flags, reserved, checksum = HEADER.unpack_from(data)
        if version > FORMAT_VERSION:
            mend = "Upgrade this reader, or materialize the view again with this release."
            rule = f"this release reads batch parts up to format {FORMAT_VERSION}"
            raise NewerFormatError(complaint(f"view '{self._view}'", rule, version, mend))
        if version != FORMAT_VERSION or crc32(data[HEADER.size :]) != checksum:
            raise self._corrupt("its version and checksum must be right", data[: HEADER.size].hex())
        empty = len(data) == PART_START
        if reserved or flags != (EMPTY_FLAG if empty else 0):  # the checksum does not cover them
            raise self._corrupt("its flags must be right", data[: HEADER.size].hex())
        return Mark.from_bytes(data[HEADER.size : PART_START]), empty

    def _decode_part(self, data: bytes, mark: Mark) -> Part:
        tiles, base = PART_HEAD.unpack_from(data, PART_START)
        first, position = read_integers(data, PART_START + PART_HEAD.size, tiles)
        spans, position = read_integers(data, position, tiles)
        columns = []
        for read in self._readers:
            column, position = read(data, position, tiles)
            columns.append(column)
        if position != len(data):
            raise self._corrupt(f"its columns end at byte {position}", len(data))
        last = first if spans == bytes(tiles) else [one + span for one, span in zip(first, spans, strict=True)]
        return Part(mark, tiles, base, first, last, columns)

    def _corrupt(self, rule: str, value: object) -> CorruptBlobError:
        mend = "Materialize the view again with `--full`: every key is then written anew."
        return CorruptBlobError(complaint(f"view '{self._view}', batch part of a key", rule, value, mend))
