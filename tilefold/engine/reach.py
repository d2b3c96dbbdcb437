"""Whether two batch parts of a key say the same to every window.

The rule: tiles that begin before the reach of all windows do not count: equal without them is equal. A part that only lost such
tiles since it was written need not be written again.
"""

from typing import Any

from tilefold.engine.codec import Codec, Part, seal
from tilefold.engine.mark import Mark

_NOBODY = Mark(0, 0)


def equal_in_reach(codec: Codec, new: bytes, base: bytes, start: int) -> bool:
    """Whether a part holds the tiles that an earlier one holds from a cell on; both without header, empty ones for no tile."""
    before = [tile for tile in _tiles(codec.decode(seal(base, _NOBODY))) if tile[1] >= start]
    return _tiles(codec.decode(seal(new, _NOBODY))) == before


def _tiles(part: Part) -> list[tuple[Any, ...]]:
    """The tiles of a part, each as (first, last, components), in cells since 1970."""
    return [
        (first + part.base, last + part.base, *states)
        for first, last, *states in zip(part.first, part.last, *part.columns, strict=True)
    ]
