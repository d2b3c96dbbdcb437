"""Where the windows of a view begin and end.

The rule: all spans are half open, `[start, end)`, in whole microseconds. For a batch view with schedule S and data delay d,
read at time t:

    A = floor(t - d, S)          the edge; online it is the watermark E of the last compaction
    window of size W, offset o   [A - o - W, A - o)
    lifetime                     [lifetime start, A - o)
    period of a calendar         [start of the period that holds A, A)       nothing, where A itself begins one

For a stream view read at t, where `t + 1` is the first microsecond that is not counted:

    exact (hop 0)                [t - o - W + 1, t - o + 1)
    hop h                        [floor(t, h) - W, t + 1)
    hop h, offset or series      [floor(t - o, h) - W, floor(t - o, h))
    lifetime                     [lifetime start, t - o + 1)
    period of a calendar         [start of the period that holds t, t + 1)

An attribute's window is a lifetime: the latest event is sought first, and then asked whether it is still valid. So validity
cuts no tile, and only what has expired for every read (`oldest_us`) may be left out.
"""

from collections.abc import Iterable

from tilefold.declaration.windows import Window
from tilefold.engine.time import floor

BEGINNING_US = -(2**62)
"""Before every event: the start of a lifetime that has no declared one."""


def edge_us(read_us: int, schedule_us: int, data_delay_us: int) -> int:
    """The newest watermark that a batch view can have at a read time."""
    return floor(read_us - data_delay_us, schedule_us)


def bounds_us(window: Window, at_us: int) -> tuple[int, int]:
    """Start and end (exclusive) of a window, in microseconds.

    Parameters
    ----------
    at_us
        Of a batch view's window the edge A, of a stream view's the read time t.
    """
    moved_us = at_us - window.offset_us
    if window.hop_us is None:
        edge_us = end_us = moved_us
    elif window.hop_us == 0:
        edge_us = end_us = moved_us + 1
    else:
        edge_us = floor(moved_us, window.hop_us)
        end_us = edge_us if window.ends_on_grid else moved_us + 1
    if window.calendar is not None:
        return window.calendar.start_us(at_us), end_us
    if window.size_us is None:
        start_us = BEGINNING_US if window.lifetime_start_us is None else window.lifetime_start_us
        # One that has not begun is empty; a stream's stays at its start, since a read time lies on no grid.
        return (min(start_us, end_us), end_us) if window.hop_us is None else (start_us, max(start_us, end_us))
    return edge_us - window.size_us, end_us


def oldest_us(window: Window, at_us: int) -> int:
    """The earliest time that an event which counts may have, of a read at a time or at any later one; `at_us` as above."""
    return bounds_us(window, at_us)[0] if window.ttl_us is None else at_us - window.ttl_us + 1


def starts_us(window: Window, from_us: int, until_us: int) -> list[int]:
    """Of a window whose start moves in uneven steps (of a calendar): each start that it has for reads between two times."""
    assert window.calendar is not None, "all others move on a grid"
    return window.calendar.starts_us(from_us, until_us)


def moment_us(window: Window, edge_us: int, read_us: int, *, expires: bool) -> int:
    """The time that `CurrentValue` asks for: up to when events have expired, or from where weights count back."""
    if not expires:
        return edge_us - window.offset_us
    return BEGINNING_US if window.ttl_us is None else read_us - window.ttl_us


def reach_us(windows: Iterable[Window]) -> int | None:
    """How far before its edge the longest window begins at most; None where a lifetime is among them."""
    sizes = [_reach_us(window) for window in windows]
    return None if None in sizes else max(size for size in sizes if size is not None)


def _reach_us(window: Window) -> int | None:
    if window.calendar is not None:
        return window.calendar.longest_us
    if window.size_us is None:
        return window.ttl_us
    return window.size_us + window.offset_us + (window.hop_us or 0)
