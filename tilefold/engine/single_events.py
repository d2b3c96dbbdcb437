"""The single events of a key as bytes, in one call, as nearly all of what a stream writer writes is such a group.

The rule: it lays out numbers without nulls and counts of one byte, and leaves the rest to `RowEncoder`. The bytes may be more
than that one makes (a column of zeros stands as zeros), and are read by the same rules; see `stream_codec`.
"""

import struct
from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple

from tilefold.engine.codec import FLOAT_FORMATS, INT_FORMATS
from tilefold.engine.encode_one import float_width
from tilefold.engine.layout import Layout
from tilefold.engine.part_shape import ComponentShape, shapes
from tilefold.engine.stream_part import Group, Row

_COUNTS = ("events", "count")  # partials that hold 0 or 1 of a single event
_GROUP, _ROWS = "qBqI", "I{codes}sq"  # as in `stream_codec`: head of a group; rows, codes, base


class _Columns(NamedTuple):
    """The columns of so many rows: how their values are packed, and how the bytes are parted into columns."""

    pack: Callable[..., bytes]
    part: Callable[[bytes, int], tuple[bytes, ...]]


class SingleEvents:
    """Writes groups of single events of one view."""

    def __init__(self, layout: Layout) -> None:
        self._letters, self._codes = _codes_of(layout, shapes(layout))
        self._head = struct.Struct("<" + _GROUP + _ROWS.format(codes=len(self._codes or b"")))
        self._rows_bytes = self._head.size - struct.calcsize("<" + _GROUP)  # of no rows
        self._row_bytes = struct.calcsize("<" + "".join(self._letters))
        self._columns: dict[int, _Columns] = {}

    def group(self, epoch: int, group: Group) -> bytes | None:
        """The loose rows of a group, with its head, which the group keeps; None where they are not as simple as that.

        Of rows that only were added to, the bytes of the first ones are not made again: a key's rows lie all over the memory.
        """
        if self._codes is None:
            return None
        loose, packed, rows = group.loose, group.packed, len(group.loose)
        known = 0 if packed is None else (len(packed) - self._head.size) // self._row_bytes
        if packed is not None and known == rows:
            return packed
        base = loose[0].first_us
        fresh = self._packed(loose[known:] if known else loose, base)
        if fresh is None:
            group.packed = None
            return None
        size = self._rows_bytes + rows * self._row_bytes
        head = self._head.pack(epoch, 0, loose[-1].last_us, size, rows, self._codes, base)
        if packed is None:
            group.packed = head + fresh
        else:
            old, new = self._of(known).part(packed, self._head.size), self._of(rows - known).part(fresh, 0)
            group.packed = b"".join([head, *chain.from_iterable(zip(old, new, strict=True))])
        return group.packed

    def _packed(self, rows: Sequence[Row], base: int) -> bytes | None:
        """The columns of some rows; None where one is a span of time, holds a null, or a count that is larger."""
        try:
            if len(rows) == 1:
                first_us, last_us, numbers = rows[0]
                return self._of(1).pack(first_us - base, *numbers) if first_us == last_us else None
            first, last, components = zip(*rows, strict=True)
            if first != last:
                return None
            times = [each - base for each in first]
            return self._of(len(rows)).pack(*times, *chain.from_iterable(zip(*components, strict=True)))
        except struct.error:
            return None

    def _of(self, rows: int) -> _Columns:
        known = self._columns.get(rows)
        if known is None:
            pack = struct.Struct("<" + "".join(f"{rows}{letter}" for letter in self._letters)).pack
            widths = [rows * struct.calcsize("<" + letter) for letter in self._letters]
            part = struct.Struct("".join(f"{width}s" for width in widths)).unpack_from
            known = self._columns[rows] = _Columns(pack, part)
        return known


def _codes_of(layout: Layout, shapes: Sequence[ComponentShape]) -> tuple[str, bytes | None]:
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
