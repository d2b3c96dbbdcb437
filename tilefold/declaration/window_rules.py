"""From windows as people write them to the engine's, and to their part of a feature's name.

The rule: on a batch view every window is at least one `batch_schedule` long, and lies on `aggregation_interval` where that is
given. The text names the window in full: `30d`, `7d_offset_1d`, `1d_series_7d_0s_1d` (size, start, end, step), `lifetime`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tilefold.declaration.times import duration_text, duration_us, positive_us
from tilefold.declaration.windows import LifetimeWindow, TimeWindow, TimeWindowSeries, Window
from tilefold.errors import DeclarationError, complaint

SERIES_WINDOWS_MAX: Final = 1_000  # each is folded anew at every read


@dataclass(frozen=True, slots=True)
class Grid:
    """What the windows of a batch view must fit.

    `interval_us` is its `aggregation_interval`, None where not given; `lifetime_start_us` is None for the feature start.
    """

    schedule_us: int
    interval_us: int | None
    lifetime_start_us: int | None


def resolve_window(thing: str, written: object, grid: Grid) -> tuple[Window, ...]:
    """One window, or those of a series with the oldest first; `thing` is what errors name.

    Raises
    ------
    DeclarationError
        If the window breaks a rule of batch views.
    """
    match written:
        case timedelta():
            return resolve_window(thing, TimeWindow(written), grid)
        case LifetimeWindow():
            return (Window(None, lifetime_start_us=grid.lifetime_start_us),)
        case TimeWindow():
            return (_moving(thing, written, grid),)
        case TimeWindowSeries():
            return _series(thing, written, grid)
    mend = "Use TimeWindow, TimeWindowSeries, LifetimeWindow or a timedelta."
    raise DeclarationError(complaint(thing, "time_window must be a window", written, mend))


def window_text(written: object, windows: tuple[Window, ...]) -> str:
    """The window's part of a feature's name."""
    first = windows[0]
    if first.size_us is None:
        return "lifetime"
    size = duration_text(first.size_us)
    if isinstance(written, TimeWindowSeries):
        edges = [-written.series_start, -written.series_end, written.step_size]
        return "_".join([size, "series", *(duration_text(edge // timedelta(microseconds=1)) for edge in edges)])
    return f"{size}_offset_{duration_text(first.offset_us)}" if first.offset_us else size


def _moving(thing: str, written: TimeWindow, grid: Grid) -> Window:
    size_us = _size_us(thing, written.window_size, grid)
    moved_us = -duration_us(thing, "offset", written.offset)
    if moved_us < 0:
        mend = "A window never reaches past its leading edge: write timedelta(days=-1) to move it back by a day."
        raise DeclarationError(complaint(thing, "offset must be zero or negative", written.offset, mend))
    _check_on_grid(thing, "offset", moved_us, grid)
    return Window(size_us, moved_us)


def _series(thing: str, written: TimeWindowSeries, grid: Grid) -> tuple[Window, ...]:
    step_us = positive_us(thing, "step_size", written.step_size)
    size_us = _size_us(thing, written.window_size if written.window_size is not None else written.step_size, grid)
    start_us = duration_us(thing, "series_start", written.series_start)
    end_us = duration_us(thing, "series_end", written.series_end)
    for parameter, value_us in (("step_size", step_us), ("series_start", start_us), ("series_end", end_us)):
        _check_on_grid(thing, parameter, value_us, grid)
    _check_span(thing, written, start_us + size_us, end_us)
    starts_us = range(start_us, end_us - size_us + 1, step_us)
    if len(starts_us) > SERIES_WINDOWS_MAX:
        mend = "Make step_size longer or the series shorter."
        rule = f"a series has at most {SERIES_WINDOWS_MAX} windows"
        raise DeclarationError(complaint(thing, rule, len(starts_us), mend))
    return tuple(Window(size_us, -(at_us + size_us)) for at_us in starts_us)


def _check_span(thing: str, written: TimeWindowSeries, first_end_us: int, end_us: int) -> None:
    if end_us > 0:
        mend = "A window never reaches past its leading edge: leave series_end out, or move it back."
        raise DeclarationError(complaint(thing, "series_end must be zero or negative", written.series_end, mend))
    if first_end_us > end_us:
        mend = "Move series_start further back, or make the windows smaller."
        rule = "at least one window must fit between series_start and series_end"
        raise DeclarationError(complaint(thing, rule, written.series_start, mend))


def _size_us(thing: str, size: object, grid: Grid) -> int:
    size_us = positive_us(thing, "window_size", size)
    _check_on_grid(thing, "window_size", size_us, grid)
    if size_us < grid.schedule_us:
        rule = f"window_size must be at least one batch_schedule ({duration_text(grid.schedule_us)})"
        mend = "Make the window longer or batch_schedule shorter."
        raise DeclarationError(complaint(thing, rule, duration_text(size_us), mend))
    return size_us


def _check_on_grid(thing: str, parameter: str, value_us: int, grid: Grid) -> None:
    if grid.interval_us and value_us % grid.interval_us:
        interval = duration_text(grid.interval_us)
        mend = "Change either, or leave aggregation_interval out."
        rule = f"{parameter} must be a multiple of aggregation_interval ({interval})"
        raise DeclarationError(complaint(thing, rule, str(timedelta(microseconds=value_us)), mend))
