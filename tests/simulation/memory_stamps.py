"""How the scripts compare: the numbers at the beginning of places, stamps and parts."""

import struct

from tilefold.engine.codec import HEADER
from tilefold.engine.mark import STAMP_SIZE_BYTES

_NUMBER = struct.Struct(">q")
_STAMP = struct.Struct(">qq")


def first_of(value: bytes) -> int:
    """The number that a value begins with."""
    number: int = _NUMBER.unpack_from(value)[0]
    return number


def is_above(one: bytes, other: bytes) -> bool:
    """Whether a stamp is above another in either part."""
    if one == other or len(one) < STAMP_SIZE_BYTES:
        return False
    (time, epoch), (other_time, other_epoch) = _STAMP.unpack(one), _STAMP.unpack(other)
    return bool(time > other_time or epoch > other_epoch)


def stamp_of(part: bytes) -> bytes:
    """The stamp of a batch part."""
    return part[HEADER.size : HEADER.size + STAMP_SIZE_BYTES]
