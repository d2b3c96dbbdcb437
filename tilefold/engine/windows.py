"""Where the windows of a view begin and end.

The rule: all spans are half open, `[start, end)`. For a batch view with schedule S and data delay d, read at time t:

    A = floor(t - d, S)          the edge; online it is the watermark E of the last compaction
    window of size W, offset o   [A - o - W, A - o)
    lifetime                     [lifetime start, A - o)
"""

from collections.abc import Iterable

from tilefold.declaration.windows import Window
from tilefold.engine.time import floor

BEGINNING_US = -(2**62)
"""Before every event: the start of a lifetime that has no declared one."""


def edge_us(read_us: int, schedule_us: int, data_delay_us: int) -> int:
    """The newest watermark that a batch view can have at a read time."""
    return floor(read_us - data_delay_us, schedule_us)


def bounds_us(window: Window, edge: int) -> tuple[int, int]:
    """Start and end (exclusive) of a window at an edge, in microseconds."""
    end = edge - window.offset_us
    if window.size_us is None:
        start = BEGINNING_US if window.lifetime_start_us is None else window.lifetime_start_us
        return min(start, end), end
    return end - window.size_us, end


def reach_us(windows: Iterable[Window]) -> int | None:
    """How far before its edge the longest window begins; None where a lifetime is among them."""
    sizes = [None if window.size_us is None else window.size_us + window.offset_us for window in windows]
    return None if None in sizes else max(size for size in sizes if size is not None)
