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
from typing import NamedTuple
from zlib import crc32

from tilefold.engine.codec import FLOAT_FORMATS, HEADER, INT_FORMATS, Codec, Part
from tilefold.engine.encode_one import RowEncoder, float_width
from tilefold.engine.layout import Layout
from tilefold.engine.mark import Mark
from tilefold.engine.part_shape import ComponentShape, shapes
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
        self._encoder = RowEncoder(layout)
        self._settled, self._loose = Codec(layout, what=_WHAT), Codec(layout, plain=True, what=_WHAT)
        self._known_places: tuple[Mapping[int, int], bytes] = ({}, b"\0")
        self._packers: dict[int, struct.Struct] = {}
        self._letters, self._code = _single_event_codes(layout, shapes(layout))

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

    def head(self, data: bytes) -> bytes:
        """The beginning of a part that was read, up to its places: what `places_of` takes."""
        return data[: self._after_places(data)]

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
                    rows = self._encoder.rows(settled.first, settled.last, settled.columns)
                    settled.encoded = _GROUP.pack(epoch, 1, settled.newest_us, len(rows)) + rows
                yield settled.encoded
            if group.loose:
                rows = self._few(group.loose) or self._any(group.loose)
                yield _GROUP.pack(epoch, 0, group.loose[-1].last_us, len(rows)) + rows

    def _any(self, loose: Sequence[Row]) -> bytes:
        first, last, components = zip(*loose, strict=True)
        return self._encoder.rows(first, last, list(zip(*components, strict=True)))

    def _few(self, loose: Sequence[Row]) -> bytes | None:
        """Single events laid out in one call, as nearly all are: numbers without nulls, counts of one byte; else None.

        These are most of a writer's work. The bytes may be more than `RowEncoder` makes, and are read by the same rules.
        """
        if self._code is None:
            return None
        try:
            if len(loose) == 1:
                base, last_us, numbers = loose[0]
                return self._packer(1).pack(1, self._code, base, 0, *numbers) if base == last_us else None
            first, last, components = zip(*loose, strict=True)
            if first != last:
                return None
            base = first[0]
            columns = chain([each - base for each in first], *zip(*components, strict=True))
            return self._packer(len(first)).pack(len(first), self._code, base, *columns)
        except struct.error:  # a null, or a count that is larger
            return None

    def _packer(self, rows: int) -> struct.Struct:
        """What packs so many rows."""
        packer = self._packers.get(rows)
        if packer is None:
            columns = "".join(f"{rows}{letter}" for letter in self._letters)
            packer = self._packers[rows] = struct.Struct(f"<I{len(self._code or b'')}sq{columns}")
        return packer

    def _corrupt(self, rule: str, value: object) -> CorruptBlobError:
        mend = "Materialize the view again with `--full`: every key is then written anew."
        return CorruptBlobError(complaint(f"view '{self._view}', {_WHAT} of a key", rule, value, mend))


def places_of(head: bytes) -> tuple[int, dict[int, int]]:
    """Which stream log a part is of, and by shard how far it includes it; from what `StreamCodec.head` gave."""
    log = _HEAD.unpack_from(head)[-2]
    return log, dict(_PLACE.unpack_from(head, start) for start in range(_HEAD.size + 1, len(head), _PLACE.size))


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
            width = float_width(shape)
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
