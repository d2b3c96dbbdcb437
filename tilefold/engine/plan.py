"""The plan: at which times a batch part must keep its tiles apart.

The rule: no tile straddles a point at which some window begins or ends for a read that the batch part must answer; between
two neighbouring points one tile is enough. For a batch view every read in `[E, E + L]` has its edge at the watermark E, so
the points are the windows' starts and ends there. Example, windows of 1, 7 and 30 days and a lifetime:

    beginning            E-30d              E-7d        E-1d     E
    |------ tile 0 -------|------ tile 1 ------|- tile 2 -|tile 3 |
"""

from collections.abc import Iterable

from tilefold.declaration.windows import Window
from tilefold.engine.windows import BEGINNING_US, bounds_us


def cuts_us(windows: Iterable[Window], watermark_us: int) -> list[int]:
    """The times, ascending and below the watermark, that no tile may straddle."""
    edges = {edge for window in windows for edge in bounds_us(window, watermark_us)}
    return sorted(edge for edge in edges if BEGINNING_US < edge < watermark_us)


def first_start_us(windows: Iterable[Window], watermark_us: int) -> int:
    """The earliest time that some window at this watermark reaches; tiles wholly before it are dropped."""
    return min(bounds_us(window, watermark_us)[0] for window in windows)
