"""The single events of a key as bytes, in one call, as nearly all of what a stream writer writes is such a group.

The rule: it lays out numbers without nulls and counts of one byte, and leaves the rest to `RowEncoder`. The bytes may be more
than that one makes (a column of zeros stands as zeros), and are read by the same rules; see `stream_codec`.
"""

import struct
from collections.abc import Callable, Sequence
from itertools import chain

from tilefold.engine.codec import FLOAT_FORMATS, INT_FORMATS
from tilefold.engine.encode_one import WrittenRows, float_width
from tilefold.engine.part_shape import ComponentShape, shapes
from tilefold.engine.stream_part import Row

_COUNTS = ("events", "count")  # partials that hold 0 or 1 of a single event
_GROUP, _ROWS = "qBqI", "I{codes}sq"  # as in `stream_codec`: head of a group; rows, codes, base

Pack = Callable[..., bytes]


class SingleEvents:
    """Writes groups of single events of one view."""

    def __init__(self, layout: WrittenRows) -> None:
        self._letters, self._codes = _columns(layout, shapes(layout))
        self._packers: dict[int, tuple[Pack, int]] = {}

    def group(self, epoch: int, loose: Sequence[Row]) -> bytes | None:
        """A group of loose rows; None where they are not as simple as that."""
        if self._codes is None:
            return None
        try:
            if len(loose) == 1:
                base, newest_us, numbers = loose[0]
                pack, size = self._packers.get(1) or self._packer(1)
                return pack(epoch, 0, base, size, 1, self._codes, base, 0, *numbers) if base == newest_us else None
            first, last, components = zip(*loose, strict=True)
            if first != last:
                return None
            rows, base = len(first), first[0]
            pack, size = self._packers.get(rows) or self._packer(rows)
            columns = chain.from_iterable(zip(*components, strict=True))
            return pack(epoch, 0, first[-1], size, rows, self._codes, base, *[each - base for each in first], *columns)
        except struct.error:  # a null, or a count that is larger
            return None

    def _packer(self, rows: int) -> tuple[Pack, int]:
        """What packs so many rows, and how many bytes these take without the group's head."""
        columns = "".join(f"{rows}{letter}" for letter in self._letters)
        packer = struct.Struct("<" + _GROUP + _ROWS.format(codes=len(self._codes or b"")) + columns)
        made = self._packers[rows] = (packer.pack, packer.size - struct.calcsize("<" + _GROUP))
        return made


def _columns(layout: WrittenRows, shapes: Sequence[ComponentShape]) -> tuple[str, bytes | None]:
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
