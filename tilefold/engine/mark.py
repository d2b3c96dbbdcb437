"""The watermark and epoch of a compaction, and the one order that stamps and marks obey.

A mark `(E, n)` says: the batch part owns every event with `ts < E` that was in the log when barrier `n` was written.
Marks are compared in both parts at once: one is at or above another only if neither part is smaller (spec section 5).
"""

import struct
from typing import NamedTuple, Self

_STAMP = struct.Struct(">qq")
STAMP_SIZE_BYTES = _STAMP.size


class Mark(NamedTuple):
    """A watermark in microseconds and the number of the compaction.

    The natural order (`max(a, b)`) is only meant for two marks of which one is at or above the other, as the stamps of one
    view are.
    """

    watermark_us: int
    epoch: int

    def at_or_above(self, other: "Mark") -> bool:
        """Whether this mark covers everything that `other` covers."""
        return self.watermark_us >= other.watermark_us and self.epoch >= other.epoch

    def to_bytes(self) -> bytes:
        """Sixteen bytes, big endian. Do not change: they are in the online store."""
        return _STAMP.pack(self.watermark_us, self.epoch)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The mark that `to_bytes` wrote."""
        return cls(*_STAMP.unpack(data))
