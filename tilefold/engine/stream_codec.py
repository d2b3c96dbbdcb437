"""The bytes of a stream part: field `s` of a key's hash.

The rule: bytes are read as they were written or refused by name. Do not change anything here without a new FORMAT_VERSION: it
is in stores. The header is big endian, since a script compares the revision; a group's rows are laid out like a batch part.

    header     version u8 | flags u8 (2) | reserved u16 | crc32 u32 of all that follows | revision i64 | log i64 | pruned i64
    places     count u8, then shard u16 and position i64 of each
    groups     count u16, then of each: epoch i64 | settled u8 | newest i64 | size u32, and its rows

Rows of a settled group count in grains of the view and hold totals; those of a loose one count in microseconds.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple
from zlib import crc32

from tilefold.engine.codec import BASE, FLOAT_FORMATS, HEADER, INT_FORMATS, TILES, Codec, Part
from tilefold.engine.layout import Layout
from tilefold.engine.mark import Mark
from tilefold.engine.part_shape import LISTS, TEXTS, ComponentShape, shapes
from tilefold.engine.stream_part import Group, Row, Settled, StreamPart
from tilefold.errors import CorruptBlobError, NewerFormatError, complaint

FORMAT_VERSION = 1
STREAM_FLAG = 2
REVISION = struct.Struct(">q")
REVISION_START = HEADER.size
_HEAD = struct.Struct(">BBHIqqq")
_NUMBERS = struct.Struct(">qqq")
_PLACE = struct.Struct("<Hq")
_GROUP = struct.Struct("<qBqI")
_COUNT = struct.Struct("<H")
_NOBODY = Mark(0, 0)
_WHAT = "stream part"
_COUNTS = ("events", "count")  # partials that hold 0 or 1 of a single event
_INT_BOUNDS = ((1, 0, 2**8 - 1), (2, -(2**15), 2**15 - 1), (4, -(2**31), 2**31 - 1))


class GroupView(NamedTuple):
    """The rows of a group as a read sees them; `unit_us` is what their times count."""

    epoch: int
    settled: bool
    newest_us: int
    part: Part
    unit_us: int


class StreamView(NamedTuple):
    """A stream part as a read sees it."""

    pruned_us: int
    groups: list[GroupView]


class StreamCodec:
    """Reads and writes the stream parts of one view."""

    def __init__(self, layout: Layout) -> None:
        self._view, self._grain_us = layout.view_name, layout.grain_us
        self._shapes = shapes(layout)
        self._settled, self._loose = Codec(layout, what=_WHAT), Codec(layout, plain=True, what=_WHAT)
        self._known_places: tuple[Mapping[int, int], bytes] = ({}, b"\0")
        self._packers: dict[int, struct.Struct] = {}
        self._letters, self._code = _single_event_codes(layout, self._shapes)

    def encode(self, part: StreamPart) -> bytes:
        """The bytes of a part."""
        groups = list(self._groups(part))
        numbers = _NUMBERS.pack(part.revision, part.log, part.pruned_us)
        rest = b"".join([numbers, self._places(part.positions), _COUNT.pack(len(groups)), *groups])
        return HEADER.pack(FORMAT_VERSION, STREAM_FLAG, 0, crc32(rest)) + rest

    def _places(self, positions: Mapping[int, int]) -> bytes:
        """The bytes of positions; kept, since the parts that a writer writes at once share them."""
        known, places = self._known_places
        if known is not positions:
            packed = [_PLACE.pack(*place) for place in sorted(positions.items())]
            places = b"".join([bytes([len(packed)]), *packed])
            self._known_places = (positions, places)
        return places

    def view(self, data: bytes) -> StreamView:
        """What a read needs of a part.

        Raises
        ------
        NewerFormatError, CorruptBlobError
            As `Codec.decode`.
        """
        *_, pruned_us = self._check(data)
        try:
            return StreamView(pruned_us, list(self._group_views(data, self._after_places(data))))
        except (struct.error, IndexError) as error:
            raise self._corrupt("its groups must fill it", len(data)) from error

    def decode(self, data: bytes) -> StreamPart:
        """A part to go on writing; raises as `view`."""
        revision, log, pruned_us = self._check(data)
        part = StreamPart(log, revision, pruned_us=pruned_us)
        try:
            places = range(_HEAD.size + 1, self._after_places(data), _PLACE.size)
            part.positions = dict(_PLACE.unpack_from(data, place) for place in places)
            for each in self._group_views(data, self._after_places(data)):
                group = part.groups.setdefault(each.epoch, Group())
                if each.settled:
                    group.settled = _settled(each)
                else:
                    group.loose = _rows(each.part)
        except (struct.error, IndexError) as error:
            raise self._corrupt("its groups must fill it", len(data)) from error
        return part

    def _check(self, data: bytes) -> tuple[int, int, int]:
        if len(data) < _HEAD.size:
            raise self._corrupt(f"it must have at least {_HEAD.size} bytes", len(data))
        version, flags, reserved, checksum, revision, log, pruned_us = _HEAD.unpack_from(data)
        if version > FORMAT_VERSION:
            mend = "Upgrade this reader, or seed the view again with this release: materialize it with `--full`."
            rule = f"this release reads stream parts up to format {FORMAT_VERSION}"
            raise NewerFormatError(complaint(f"view '{self._view}'", rule, version, mend))
        if version != FORMAT_VERSION or reserved or flags != STREAM_FLAG or crc32(memoryview(data)[HEADER.size :]) != checksum:
            raise self._corrupt("its version, flags and checksum must be right", data[: HEADER.size].hex())
        return revision, log, pruned_us

    def _after_places(self, data: bytes) -> int:
        return _HEAD.size + 1 + data[_HEAD.size] * _PLACE.size

    def _group_views(self, data: bytes, start: int) -> Iterator[GroupView]:
        (count,) = _COUNT.unpack_from(data, start)
        start += _COUNT.size
        for _ in range(count):
            epoch, settled, newest_us, size = _GROUP.unpack_from(data, start)
            start += _GROUP.size
            codec, unit_us = (self._settled, self._grain_us) if settled else (self._loose, 1)
            yield GroupView(epoch, bool(settled), newest_us, codec.decode_rows(data[start : start + size], _NOBODY), unit_us)
            start += size
        if start != len(data):
            raise self._corrupt(f"its groups end at byte {start}", len(data))

    def _groups(self, part: StreamPart) -> Iterator[bytes]:
        for epoch, group in sorted(part.groups.items()):
            if (settled := group.settled) is not None:
                if settled.encoded is None:
                    rows = self._rows(settled.first, settled.last, settled.columns)
                    settled.encoded = _GROUP.pack(epoch, 1, settled.newest_us, len(rows)) + rows
                yield settled.encoded
            if group.loose:
                first, last, components = zip(*group.loose, strict=True)
                rows = self._few(first, last, components) or self._rows(first, last, list(zip(*components, strict=True)))
                yield _GROUP.pack(epoch, 0, last[-1], len(rows)) + rows

    def _few(self, first: Sequence[int], last: Sequence[int], components: Sequence[tuple[Any, ...]]) -> bytes | None:
        """Single events laid out in one call, as nearly all are: numbers without nulls, counts of one byte; else None.

        These are most of a writer's work. The bytes may be more than `_rows` makes, and are read by the same rules.
        """
        if self._code is None or first != last:
            return None
        base = first[0]
        numbers = chain([each - base for each in first], *zip(*components, strict=True))
        try:
            return self._packer(len(first)).pack(len(first), self._code, base, *numbers)
        except struct.error:  # a null, or a count that is larger
            return None

    def _packer(self, rows: int) -> struct.Struct:
        """What packs so many rows."""
        packer = self._packers.get(rows)
        if packer is None:
            columns = "".join(f"{rows}{letter}" for letter in self._letters)
            packer = self._packers[rows] = struct.Struct(f"<I{len(self._code or b'')}sq{columns}")
        return packer

    def _rows(self, first: Sequence[int], last: Sequence[int], columns: Sequence[Sequence[Any]]) -> bytes:
        """Rows laid out like a batch part (see `codec`)."""
        base = first[0]
        codes, numbers = bytearray(), list[bytes]()
        _ints([each - base for each in first], codes, numbers)
        _ints([end - start for start, end in zip(first, last, strict=True)], codes, numbers)
        for shape, column in zip(self._shapes, columns, strict=True):
            _column(shape, column, codes, numbers)
        for shape, column in zip(self._shapes, columns, strict=True):
            if shape.mask is not None:
                _ints([each is None for each in column], codes, numbers)
        variable = [_variable(shape, column) for shape, column in zip(self._shapes, columns, strict=True) if shape.variable]
        return b"".join([TILES.pack(len(first)), codes, BASE.pack(base), *numbers, *variable])

    def _corrupt(self, rule: str, value: object) -> CorruptBlobError:
        mend = "Materialize the view again with `--full`: every key is then written anew."
        return CorruptBlobError(complaint(f"view '{self._view}', {_WHAT} of a key", rule, value, mend))


def _single_event_codes(layout: Layout, shapes: Sequence[ComponentShape]) -> tuple[str, bytes | None]:
    """The letters of `struct` and the codes of single events' columns; None where some are not numbers."""
    if any(shape.variable for shape in shapes):
        return "", None
    counts = {slot.start for slot in layout.slots if slot.partial.name in _COUNTS}
    letters, codes = ["q"], [8, 0]
    for number, shape in enumerate(shapes):
        if number in counts:
            letters.append(INT_FORMATS[1])
            codes.append(1)
        else:
            width = 4 if _is_single(shape) else 8
            letters.append(FLOAT_FORMATS[width] if shape.is_float else INT_FORMATS[8])
            codes.append(width)
    masks = sum(shape.mask is not None for shape in shapes)
    return "".join(letters), bytes([*codes, *[0] * masks])


def _settled(view: GroupView) -> Settled:
    part = view.part
    first: list[int] = [each + part.base for each in part.first]
    last: list[int] = [each + part.base for each in part.last]
    return Settled(first, last, [list(column) for column in part.columns], view.newest_us)


def _rows(part: Part) -> list[Row]:
    spans = zip(part.first, part.last, zip(*part.columns, strict=True), strict=True)
    return [Row(first + part.base, last + part.base, components) for first, last, components in spans]


def _ints(column: Sequence[int], codes: bytearray, numbers: list[bytes]) -> None:
    most, least = max(column), min(column)
    if not most and not least:
        codes.append(0)
        return
    width = next((width for width, low, high in _INT_BOUNDS if low <= least and most <= high), 8)
    codes.append(width)
    numbers.append(struct.pack(f"<{len(column)}{INT_FORMATS[width]}", *column))


def _floats(column: Sequence[float], width: int, codes: bytearray, numbers: list[bytes]) -> None:
    codes.append(width)
    numbers.append(struct.pack(f"<{len(column)}{FLOAT_FORMATS[width]}", *column))


def _column(shape: ComponentShape, column: Sequence[Any], codes: bytearray, numbers: list[bytes]) -> None:
    """The numbers of a component: its values, 0 for null, or how long texts and lists are."""
    if shape.variable == LISTS:
        _ints([len(each) for each in column], codes, numbers)
    elif shape.variable == TEXTS:
        _ints([0 if each is None else len(each.encode()) for each in column], codes, numbers)
    else:
        full = column if shape.mask is None else [0 if each is None else each for each in column]
        if shape.is_float:
            _floats(full, 4 if _is_single(shape) else 8, codes, numbers)
        else:
            _ints(full, codes, numbers)


def _is_single(shape: ComponentShape) -> bool:
    return "Float32" in str(shape.inner)


def _variable(shape: ComponentShape, column: Sequence[Any]) -> bytes:
    """The bytes of texts; of lists their entries: a code and numbers, then texts behind their lengths."""
    if shape.variable == TEXTS:
        return b"".join([b"" if each is None else each.encode() for each in column])
    entries = list(chain.from_iterable(column))
    if not entries:
        return b"\0"
    codes, numbers = bytearray(), list[bytes]()
    if str(shape.inner) == "String":
        texts = [each.encode() for each in entries]
        _ints([len(each) for each in texts], codes, numbers)
        return b"".join([codes, *numbers, *texts])
    if shape.inner.is_float():
        _floats(entries, 4 if _is_single(shape) else 8, codes, numbers)
    else:
        _ints(entries, codes, numbers)
    return b"".join([codes, *numbers])
