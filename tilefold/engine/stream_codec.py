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
from typing import NamedTuple
from zlib import crc32

from tilefold.engine.codec import HEADER, Codec, Part
from tilefold.engine.encode_one import RowEncoder
from tilefold.engine.layout import Layout
from tilefold.engine.mark import Mark
from tilefold.engine.single_events import SingleEvents
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


class _Head(NamedTuple):
    """What stands before the groups of some parts, and its checksum, and what it was made of."""

    positions: Mapping[int, int]
    numbers: tuple[int, int, int]
    groups: int
    made: tuple[bytes, int]


class StreamCodec:
    """Reads and writes the stream parts of one view."""

    def __init__(self, layout: Layout) -> None:
        self._view, self._grain_us = layout.view_name, layout.grain_us
        self._encoder = RowEncoder(layout)
        self._settled, self._loose = Codec(layout, what=_WHAT), Codec(layout, plain=True, what=_WHAT)
        self._singles = SingleEvents(layout)
        self._known_head = _Head({}, (0, 0, 0), -1, (b"", 0))

    def encode(self, part: StreamPart) -> bytes:
        """The bytes of a part."""
        pieces: list[bytes] = []
        for epoch, group in sorted(part.groups.items()) if len(part.groups) > 1 else part.groups.items():
            if group.settled is not None:
                pieces.append(self._settled_group(epoch, group.settled))
            if group.loose:
                pieces.append(self._singles.group(epoch, group) or self._loose_group(epoch, group.loose))
        head, checksum = self._head(part, len(pieces))
        for piece in pieces:
            checksum = crc32(piece, checksum)
        return b"".join((HEADER.pack(FORMAT_VERSION, STREAM_FLAG, 0, checksum), head, *pieces))

    def _head(self, part: StreamPart, groups: int) -> tuple[bytes, int]:
        """What stands before the groups, and its checksum; kept, since the parts that a writer writes at once share it."""
        numbers = (part.revision, part.log, part.pruned_us)
        known = self._known_head
        if known.positions is part.positions and known.numbers == numbers and known.groups == groups:
            return known.made
        places = [_PLACE.pack(*place) for place in sorted(part.positions.items())]
        head = b"".join([_NUMBERS.pack(*numbers), bytes([len(places)]), *places, _COUNT.pack(groups)])
        self._known_head = _Head(part.positions, numbers, groups, (head, crc32(head)))
        return self._known_head.made

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

    def _settled_group(self, epoch: int, settled: Settled) -> bytes:
        if settled.encoded is None:
            rows = self._encoder.rows(settled.first, settled.last, settled.columns)
            settled.encoded = _GROUP.pack(epoch, 1, settled.newest_us, len(rows)) + rows
        return settled.encoded

    def _loose_group(self, epoch: int, loose: Sequence[Row]) -> bytes:
        first, last, components = zip(*loose, strict=True)
        rows = self._encoder.rows(first, last, list(zip(*components, strict=True)))
        return _GROUP.pack(epoch, 0, loose[-1].last_us, len(rows)) + rows

    def _corrupt(self, rule: str, value: object) -> CorruptBlobError:
        mend = "Materialize the view again with `--full`: every key is then written anew."
        return CorruptBlobError(complaint(f"view '{self._view}', {_WHAT} of a key", rule, value, mend))


def places_of(head: bytes) -> tuple[int, dict[int, int]]:
    """Which stream log a part is of, and by shard how far it includes it; from what `StreamCodec.head` gave."""
    log = _HEAD.unpack_from(head)[-2]
    return log, dict(_PLACE.unpack_from(head, start) for start in range(_HEAD.size + 1, len(head), _PLACE.size))


def _settled(view: GroupView) -> Settled:
    part = view.part
    first: list[int] = [each + part.base for each in part.first]
    last: list[int] = [each + part.base for each in part.last]
    return Settled(first, last, [list(column) for column in part.columns], view.newest_us)


def _rows(part: Part) -> list[Row]:
    spans = zip(part.first, part.last, zip(*part.columns, strict=True), strict=True)
    return [Row(first + part.base, last + part.base, components) for first, last, components in spans]
