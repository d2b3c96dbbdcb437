"""Windows: as people write them, and as the engine uses them.

The rule: what people write is only held here; it is checked and resolved where a view is declared, so that errors can name
the view. The engine knows one plain form, `Window`: a size, how far it is moved back, and the grid of its trailing edge. With A
the leading edge of a batch view, it is the half-open span

        A - offset - size                A - offset          A
    -----[===============================)-------------------|----> time

On stream views both edges are worked out from the read time (`tilefold.engine.windows`). A series is several such windows, the
oldest first.
"""

from dataclasses import dataclass
from datetime import timedelta

from tilefold.declaration.calendars import Calendar
from tilefold.declaration.elsewhere import NOTHING, tolerant

__all__ = ["CalendarWindow", "LifetimeWindow", "TimeWindow", "TimeWindowSeries", "Window", "WrittenWindow"]

_NONE = timedelta(0)


@tolerant("TimeWindow", ("window_size", "offset"), NOTHING)
@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The last `window_size` before the leading edge, moved back where `offset` is negative.

    Parameters
    ----------
    window_size
        Positive.
    offset
        Zero or negative: `timedelta(days=-1)` moves the whole window back by a day.
    """

    window_size: timedelta
    offset: timedelta = _NONE


@tolerant("TimeWindowSeries", ("series_start", "series_end", "step_size", "window_size"), NOTHING)
@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindowSeries:
    """An array of windows, the oldest first.

    Step `j` is `[edge + series_start + j * step_size, + window_size)`, while its end is at or before `edge + series_end`.

    Parameters
    ----------
    series_start
        Negative: where the first window begins, seen from the leading edge.
    series_end
        Zero or negative, after `series_start`: where the last window ends at the latest.
    step_size, window_size
        Positive: from one window's start to the next one's, and how large each is. Given one, the other is the same.
    """

    series_start: timedelta
    series_end: timedelta = _NONE
    step_size: timedelta | None = None
    window_size: timedelta | None = None


@dataclass(frozen=True, slots=True)
class LifetimeWindow:
    """Everything from the view's `lifetime_start_time` (its `feature_start_time` where not given) to the leading edge."""


@dataclass(frozen=True, slots=True)
class CalendarWindow:
    """The day, week or month so far: from the start of the local one that holds the leading edge up to that edge.

    Parameters
    ----------
    unit
        `"day"`, `"week"` (from Monday on) or `"month"`.
    time_zone
        Whose calendar: a name in the IANA time zone database, such as `"Europe/Berlin"`.
    """

    unit: str
    time_zone: str = "UTC"


WrittenWindow = TimeWindow | TimeWindowSeries | LifetimeWindow | CalendarWindow | timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """A window as the engine uses it.

    Attributes
    ----------
    size_us
        Its size; None where the start does not move with the end: of a lifetime, and of a period of a calendar.
    offset_us
        How far it is moved back, zero or more.
    lifetime_start_us
        Of a lifetime: where it begins, if later than the view's feature start; it lies on the view's schedule.
    hop_us
        None on batch views, whose edges move with the schedule; on stream views 0 for exact (and lifetimes), else the trailing
        edge's grid.
    ttl_us
        Of an attribute, which takes the latest event of all: how long that event is valid, counted from the read; else None.
    calendar
        Of this day, week or month so far: which; its start moves on where the next one begins.
    ends_on_grid
        Of a stream view's window with a hop: whether its end lies on the grid too (offset windows and series), instead of at
        the read time.
    """

    size_us: int | None
    offset_us: int = 0
    lifetime_start_us: int | None = None
    hop_us: int | None = None
    ends_on_grid: bool = False
    ttl_us: int | None = None
    calendar: Calendar | None = None

    def __post_init__(self) -> None:
        assert self.size_us is None or self.size_us > 0, "windows are resolved from checked declarations"
        assert self.offset_us >= 0, "a window never reaches past its leading edge"
        assert self.size_us is None or self.lifetime_start_us is None, "only a lifetime has a start of its own"
        assert self.ttl_us is None or self.size_us is None, "an attribute takes the latest event of all"
        assert self.calendar is None or (self.size_us is None and not self.offset_us), "a period is not moved back"
