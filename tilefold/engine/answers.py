"""Values that a compaction keeps behind the tiles of a busy key, so that a read need not merge their sketches.

The rule: an answer is a pure function of some tiles of its part, told by their numbers, and is looked up by these. So it is
right whenever the part is read; a window that asks for other tiles is folded as if there were no answers. Windows of a batch
view that is read at the watermark of its newest compaction find theirs. A key that keeps its cells has none, so that its bytes
depend on its own tiles alone. Do not change: they are in stores. Little endian:

    windows u16 | functions u8 | one letter u8 per function: q Int64, d Float64, NaN for null
    low, high u16 of each window: the tiles `[low, high)` that it asks for at the watermark
    for each function a value of 8 bytes per window
"""

import struct
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

Span: TypeAlias = tuple[int, int]

HEAD = struct.Struct("<HB")
WHOLE, REAL = ord("q"), ord("d")


class Tail(NamedTuple):
    """The answers of a part as they were read; `letters` says of which functions."""

    letters: bytes
    spans: list[Span]
    values: tuple[Any, ...]

    def looked_up(self) -> list[dict[Span, Any]]:
        """By function the value of each span of tiles."""
        windows, spans = len(self.spans), self.spans
        tables = []
        for number, letter in enumerate(self.letters):
            values = self.values[number * windows : (number + 1) * windows]
            if letter == REAL:
                values = tuple([None if value != value else value for value in values])  # noqa: PLR0124 - NaN is not itself
            tables.append(dict(zip(spans, values, strict=True)))
        return tables


def read_tail(data: bytes, position: int) -> Tail:
    """The answers that fill a part from a position on; raises ValueError or `struct.error` where they do not."""
    windows, functions = HEAD.unpack_from(data, position)
    start = position + HEAD.size + functions
    letters = data[position + HEAD.size : start]
    numbers = _reader(windows, letters).unpack(data[start:])
    edges = numbers[: 2 * windows]
    return Tail(letters, list(zip(edges[::2], edges[1::2], strict=True)), numbers[2 * windows :])


@lru_cache(256)
def _reader(windows: int, letters: bytes) -> struct.Struct:
    if set(letters) - {WHOLE, REAL}:
        raise ValueError("an answer is an Int64 or a Float64")
    return struct.Struct(f"<{2 * windows}H" + "".join(f"{windows}{chr(letter)}" for letter in letters))
