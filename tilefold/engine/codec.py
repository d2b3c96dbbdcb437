"""The bytes of a batch part in the online store, read one key at a time.

The rule: bytes are read as they were written or refused by name, never misread. Do not change anything here without a new
FORMAT_VERSION: it is on disk and in stores. All of a part is little endian, the header big endian (scripts compare stamps).

    header   version u8 | flags u8 | reserved u16 | crc32 u32 of all that follows | stamp: watermark i64, epoch i64
    part     tiles u32 | one code u8 per number column | base i64 | number columns | variable columns  (nothing where empty)

A code is the bytes per value: 0 all zero, 1 unsigned, 2, 4, 8 signed; floats 4 or 8 (IEEE 754). Columns follow `part_shape`.
`first` and `last` are the cells of a tile's first and last event, counted in grains of the view: `first` from `base` on,
`last` from `first` on. A window's edges lie on the grain, so this says as much as the events' own times.

What a part says of its size is held against its bytes before anything of that size is made.

Parts of equal codes and as many tiles are read by one plan. Running totals (`Partial.running`) stay bytes: a read looks up one
number per window in them, so that its cost does not grow with the number of tiles.
"""

import struct
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from operator import add
from typing import Any, NamedTuple
from zlib import crc32

import polars as pl

from tilefold.engine.answers import Tail, read_tail
from tilefold.engine.lazy_columns import Column, LazyColumn, LazyLists
from tilefold.engine.mark import STAMP_SIZE_BYTES, Mark
from tilefold.engine.part_shape import ANSWERS_FLAG, BYTES, LISTS, TIMES, ComponentShape, StoredRows, shapes
from tilefold.errors import CorruptBlobError, NewerFormatError, complaint
from tilefold.functions.registry import LIST_LIMIT_MAX

FORMAT_VERSION = 2
"""The newest; parts without answers are written as the first, so that older releases read them."""
_WITHOUT_ANSWERS = 1
_ANSWERS_BYTE = ANSWERS_FLAG >> 24  # in the last byte of the number of tiles
EMPTY_FLAG = 1
HEADER = struct.Struct(">BBHI")
PART_START = HEADER.size + STAMP_SIZE_BYTES
_HEADER_AND_STAMP = struct.Struct(">BBHIqq").unpack_from
TILES = struct.Struct("<I")
BASE = struct.Struct("<q")
PLANS_MAX = 4096  # kept per view; a plan is a few hundred bytes
ONE_BYTE = "B"
INT_FORMATS = {1: ONE_BYTE, 2: "h", 4: "i", 8: "q"}
FLOAT_FORMATS = {4: "f", 8: "d"}


class Part(NamedTuple):
    """A decoded batch part: its tiles, ascending in time, column by column.

    `first` and `last` are cells in grains since 1970 less `base`; `columns` has one sequence per stored component; `tail` are
    its answers, if it has them.
    """

    mark: Mark
    tiles: int
    base: int
    first: Column
    last: Column
    columns: list[Column]
    tail: Tail | None = None


def seal(part: bytes, mark: Mark) -> bytes:
    """The bytes for the online store: a part behind its header."""
    return seal_many([part], mark)[0]


def seal_many(parts: Sequence[bytes], mark: Mark) -> list[bytes]:
    """`seal` for many parts of one compaction."""
    stamp = mark.to_bytes()
    seed = crc32(stamp)
    pack = HEADER.pack
    return [pack(_version_of(part), EMPTY_FLAG if not part else 0, 0, crc32(part, seed)) + stamp + part for part in parts]


def _version_of(part: bytes) -> int:
    has_answers = len(part) >= TILES.size and part[TILES.size - 1] >= _ANSWERS_BYTE
    return FORMAT_VERSION if has_answers else _WITHOUT_ANSWERS


class _Plan(NamedTuple):
    """How to read the numbers of parts that have the same codes and as many tiles."""

    tiles: int
    has_answers: bool
    zeros: list[Column]
    picks: list[tuple[int, int, int, Any]]
    unpack: Any
    unpacked: list[tuple[int, slice]]
    masked: list[tuple[int, int]]
    end: int


class Codec:
    """Reads the batch parts of one view.

    Parameters
    ----------
    plain
        Read every column to Python values: for rows that hold no totals.
    what
        What errors call the bytes.
    """

    def __init__(self, layout: StoredRows, *, plain: bool = False, what: str = "batch part") -> None:
        self._view, self._what = layout.view_name, what
        self._shapes = shapes(layout)
        self._columns = TIMES + len(self._shapes)
        masks = [(shape.mask, TIMES + n) for n, shape in enumerate(self._shapes) if shape.mask is not None]
        self._numbers = self._columns + len(masks)
        self._variable = [(TIMES + n, shape.mask, _reader_of(shape)) for n, shape in enumerate(self._shapes) if shape.variable]
        self._masks = [(mask, number) for mask, number in masks if not self._shapes[number - TIMES].variable]
        self._codes_start = TILES.size
        self._base_start = self._codes_start + self._numbers
        own = {TIMES + n for n, shape in enumerate(self._shapes) if plain or shape.running is None}
        self._raw = own - {number for number, *_ in self._variable}
        self._plans: dict[bytes, _Plan] = {}

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
            return Part(mark, 0, 0, (), (), [()] * len(self._shapes))
        return self.decode_rows(data[PART_START:], mark)

    def decode_rows(self, rows: bytes, mark: Mark) -> Part:
        """The tiles in what stands behind a header; raises CorruptBlobError."""
        try:
            return self._decode_part(rows, mark)
        except (struct.error, KeyError, IndexError, UnicodeDecodeError, ValueError) as error:
            raise self._corrupt("its columns must fill it", len(rows)) from error

    def _check_header(self, data: bytes) -> tuple[Mark, bool]:
        if len(data) < PART_START:
            raise self._corrupt(f"it must have at least {PART_START} bytes", len(data))
        version, flags, reserved, checksum, watermark_us, epoch = _HEADER_AND_STAMP(data)
        if version > FORMAT_VERSION:
            mend = "Upgrade this reader, or materialize the view again with this release."
            rule = f"this release reads batch parts up to format {FORMAT_VERSION}"
            raise NewerFormatError(complaint(f"view '{self._view}'", rule, version, mend))
        if not version or crc32(data[HEADER.size :]) != checksum:
            raise self._corrupt("its version and checksum must be right", data[: HEADER.size].hex())
        empty = len(data) == PART_START
        if version != _version_of(data[PART_START : PART_START + TILES.size]):
            raise self._corrupt("its version must say whether it has answers", version)
        if reserved or flags != (EMPTY_FLAG if empty else 0):  # the checksum does not cover them
            raise self._corrupt("its flags must be right", data[: HEADER.size].hex())
        return Mark(watermark_us, epoch), empty

    def _decode_part(self, data: bytes, mark: Mark) -> Part:
        head = data[: self._base_start]
        plan = self._plans.get(head) or self._new_plan(head, len(data))
        if len(data) < plan.end:
            raise self._corrupt(f"its numbers end at byte {plan.end}", len(data))
        numbers, view = plan.zeros.copy(), memoryview(data)
        for number, start, end, code in plan.picks:
            numbers[number] = data[start:end] if code == ONE_BYTE else view[start:end].cast(code)
        whole = plan.unpack(data, self._base_start)
        for number, place in plan.unpacked:
            numbers[number] = whole[place]
        for mask, number in plan.masked:
            numbers[number] = _masked(numbers[mask], numbers[number])
        position = plan.end
        for number, null_mask, read in self._variable:
            nulls = numbers[null_mask] if null_mask is not None and head[TILES.size + null_mask] else None
            numbers[number], position = read(data, position, numbers[number], nulls)
        if not plan.has_answers and position != len(data):
            raise self._corrupt(f"its columns end at byte {position}", len(data))
        tail = read_tail(data, position) if plan.has_answers else None
        first, spans = numbers[0], numbers[1]
        last = first if spans == bytes(plan.tiles) else list(map(add, first, spans))
        (base,) = BASE.unpack_from(data, self._base_start)
        return Part(mark, plan.tiles, base, first, last, numbers[TIMES : self._columns], tail)

    def _new_plan(self, head: bytes, size: int) -> _Plan:
        (said,), codes = TILES.unpack_from(head), head[TILES.size :]
        tiles, has_answers = said & ~ANSWERS_FLAG, bool(said & ANSWERS_FLAG)
        place = self._base_start + BASE.size
        if not tiles or (tiles > 1 and not codes[0]) or place + tiles * sum(codes) > size:  # no two tiles begin in one cell
            raise self._corrupt(f"its tiles must fit into its {size} bytes", tiles)
        zeros: list[Column] = []
        picks: list[tuple[int, int, int, Any]] = []
        unpacked: list[tuple[int, slice]] = []
        read = f"<{BASE.size}x"
        for number, code in enumerate(codes):
            formats = FLOAT_FORMATS if self._is_float(number) else INT_FORMATS
            zeros.append((0.0,) * tiles if formats is FLOAT_FORMATS else bytes(tiles))
            if code and number in self._raw:
                unpacked.append((number, slice(tiles * len(unpacked), tiles * (len(unpacked) + 1))))
                read += f"{tiles}{formats[code]}"
            elif code:
                picks.append((number, place, place + tiles * code, formats[code]))
                read += f"{tiles * code}x"
            place += tiles * code
        masked = [(mask, number) for mask, number in self._masks if codes[mask]]
        plan = _Plan(tiles, has_answers, zeros, picks, struct.Struct(read).unpack_from, unpacked, masked, place)
        if len(self._plans) >= PLANS_MAX:
            self._plans.clear()
        self._plans[head] = plan
        return plan

    def _is_float(self, number: int) -> bool:
        return TIMES <= number < self._columns and self._shapes[number - TIMES].is_float

    def _corrupt(self, rule: str, value: object) -> CorruptBlobError:
        mend = "Materialize the view again with `--full`: every key is then written anew."
        return CorruptBlobError(complaint(f"view '{self._view}', {self._what} of a key", rule, value, mend))


class _ListReader:
    """Reads lists of one type; what is asked of types is asked once."""

    def __init__(self, inner: pl.DataType) -> None:
        self._formats = FLOAT_FORMATS if inner.is_float() else INT_FORMATS
        self._are_texts = inner == pl.String

    def read(self, data: bytes, position: int, lengths: Column, nulls: Column | None) -> tuple[Column, int]:
        """Their entries are a code and numbers; of texts their lengths, then their bytes."""
        del nulls
        if type(lengths) is not bytes and (max(lengths) > LIST_LIMIT_MAX or min(lengths) < 0):
            # Entries that are all zero take no bytes, so bytes do not bound them; a length of one byte is small enough.
            raise ValueError(f"a list has 0 to {LIST_LIMIT_MAX} entries")
        entries, position = _read_numbers(self._formats, data, position, sum(lengths))
        if self._are_texts:
            entries, position = _read_texts(data, position, entries, None)
        return LazyLists(entries, lengths), position


def _reader_of(shape: ComponentShape) -> Callable[[bytes, int, Column, Column | None], tuple[Column, int]]:
    """What reads a column of texts, bytes or lists of these lengths from a position on, and says where it ends."""
    if shape.variable == LISTS:
        return _ListReader(shape.inner).read
    return _read_bytes if shape.variable == BYTES else _read_texts


def _read_numbers(formats: dict[int, str], data: bytes, position: int, count: int) -> tuple[Column, int]:
    width = data[position]
    start, end = position + 1, position + 1 + width * count
    if not width:
        return ((0.0,) * count if formats is FLOAT_FORMATS else bytes(count)), end
    if end > len(data):
        raise ValueError("numbers end before the bytes do")
    code: Any = formats[width]
    return data[start:end] if code == ONE_BYTE else memoryview(data)[start:end].cast(code), end


def _read_bytes(data: bytes, position: int, lengths: Column, nulls: Column | None) -> tuple[Column, int]:
    del nulls
    if min(lengths) < 0:
        raise ValueError("nothing is shorter than empty")
    end = position + sum(lengths)
    return LazyColumn(data[position:end], lengths), end


def _read_texts(data: bytes, position: int, lengths: Column, nulls: Column | None) -> tuple[Column, int]:
    end = position + sum(lengths)
    block = data[position:end]
    if block.isascii():  # a character is a byte
        return LazyColumn(block.decode(), lengths, nulls), end
    ends = list(accumulate(lengths, initial=0))
    texts = [block[low:high].decode() for low, high in pairwise(ends)]
    return (texts if nulls is None else _masked(nulls, texts)), end


def _masked(nulls: Column, values: Column) -> Column:
    return [None if null else value for null, value in zip(nulls, values, strict=True)]
