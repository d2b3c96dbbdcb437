"""The bytes of the rows of one key, in plain Python; `encode` makes those of many keys at once, in NumPy.

The rule: what it writes, `codec` reads as if `encode` had written it. What stands where is said in `codec` and `part_shape`;
rows are given as parts hold them: times in whatever unit, components that run as totals from the newest row back (`totals`).
"""

import struct
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import Any, Protocol

from tilefold.engine.codec import BASE, FLOAT_FORMATS, INT_FORMATS, TILES
from tilefold.engine.part_shape import BYTES, LISTS, TEXTS, ComponentShape, StoredRows, shapes
from tilefold.engine.stream_part import Row

_INT_BOUNDS = ((1, 0, 2**8 - 1), (2, -(2**15), 2**15 - 1), (4, -(2**31), 2**31 - 1))


class StateSlot(Protocol):
    """A partial's place among the components, how two of its states join, and whether parts hold running totals of it."""

    @property
    def start(self) -> int: ...  # noqa: D102 - see above

    @property
    def stop(self) -> int: ...  # noqa: D102 - see above

    @property
    def join(self) -> Any: ...  # noqa: D102 - see above

    @property
    def running(self) -> bool: ...  # noqa: D102 - see above


def totals(slots: Iterable[StateSlot], states: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """The components of some rows, ascending in time, column by column; those that run as totals from the newest row back."""
    columns: list[list[Any]] = []
    for slot in slots:
        own = [state[slot.start : slot.stop] for state in states]
        if slot.running:
            own = list(accumulate(reversed(own), slot.join))[::-1]
        columns += map(list, zip(*own, strict=True))
    return columns


class WrittenRows(StoredRows, Protocol):
    """What writing rows asks of a layout besides."""

    @property
    def slots(self) -> Sequence[StateSlot]: ...  # noqa: D102 - see Layout

    @property
    def grain_us(self) -> int: ...  # noqa: D102 - see Layout


class RowEncoder:
    """Writes the rows of one view's keys."""

    def __init__(self, layout: WrittenRows) -> None:
        self._grain_us, self._slots = layout.grain_us, layout.slots
        self._shapes = shapes(layout)

    def part(self, tiles: Sequence[Row]) -> bytes:
        """A batch part without its header, of tiles that are ascending in time and share no cell; at least one."""
        first, last = [tile.first_us // self._grain_us for tile in tiles], [tile.last_us // self._grain_us for tile in tiles]
        return self.rows(first, last, totals(self._slots, [tile.components for tile in tiles]))

    def rows(self, first: Sequence[int], last: Sequence[int], columns: Sequence[Sequence[Any]]) -> bytes:
        """Rows laid out like a batch part: where each begins and ends, and a column per component."""
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


def float_width(shape: ComponentShape) -> int:
    """The bytes of a float of a component, or of the entries of its lists."""
    return 4 if "Float32" in str(shape.inner) else 8


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
    if shape.variable in (LISTS, BYTES):
        _ints([len(each) for each in column], codes, numbers)
    elif shape.variable == TEXTS:
        _ints([0 if each is None else len(each.encode()) for each in column], codes, numbers)
    else:
        full = column if shape.mask is None else [0 if each is None else each for each in column]
        if shape.is_float:
            _floats(full, float_width(shape), codes, numbers)
        else:
            _ints(full, codes, numbers)


def _variable(shape: ComponentShape, column: Sequence[Any]) -> bytes:
    """The bytes of texts and sketches; of lists their entries: a code and numbers, then texts behind their lengths."""
    if shape.variable == BYTES:
        return b"".join(column)
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
        _floats(entries, float_width(shape), codes, numbers)
    else:
        _ints(entries, codes, numbers)
    return b"".join([codes, *numbers])
