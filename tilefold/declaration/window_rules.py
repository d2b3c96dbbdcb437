"""From windows as people write them to the engine's, and to their part of a feature's name.

The rule: what is the same of all views is checked here, what the kinds of views differ in by their `Grid`. The text names the
window in full, as it was written: `30d`, `7d_offset_1d`, `1d_series_7d_0s_1d` (size, start, end, step), `lifetime`,
`this_month`.
"""

from datetime import timedelta
from typing import Final

from tilefold.declaration.calendars import checked_calendar
from tilefold.declaration.times import duration_text, duration_us, positive_us
from tilefold.declaration.window_grids import Grid, Placed
from tilefold.declaration.windows import CalendarWindow, LifetimeWindow, TimeWindow, TimeWindowSeries, Window
from tilefold.errors import DeclarationError, complaint

SERIES_WINDOWS_MAX: Final = 1_000  # each is folded anew at every read


def resolve_window(thing: str, written: object, grid: Grid, trailing_edge: object = None) -> tuple[Window, ...]:
    """One window, or those of a series with the oldest first; `thing` is what errors name.

    Parameters
    ----------
    trailing_edge
        The Aggregate's own, None where it has none.

    Raises
    ------
    DeclarationError
        If the window breaks a rule.
    """
    match written:
        case timedelta():
            return resolve_window(thing, TimeWindow(written), grid, trailing_edge)
        case LifetimeWindow():
            placed = grid.place_lifetime(thing, trailing_edge)
            return (Window(None, lifetime_start_us=grid.lifetime_start_us, hop_us=placed.hop_us),)
        case CalendarWindow():
            calendar = checked_calendar(thing, written.unit, written.time_zone)
            return (Window(None, hop_us=grid.place_calendar(thing, calendar, trailing_edge).hop_us, calendar=calendar),)
        case TimeWindow():
            return (_moving(thing, written, grid, trailing_edge),)
        case TimeWindowSeries():
            return _series(thing, written, grid, trailing_edge)
    mend = "Use TimeWindow, TimeWindowSeries, LifetimeWindow, CalendarWindow or a timedelta."
    raise DeclarationError(complaint(thing, "time_window must be a window", written, mend))


def window_text(written: object) -> str:
    """The part of a feature's name that a checked window is."""
    match written:
        case timedelta():
            return _text(written)
        case TimeWindow():
            size = _text(written.window_size)
            return f"{size}_offset_{_text(-written.offset)}" if written.offset else size
        case TimeWindowSeries():
            edges = [-written.series_start, -written.series_end, _series_step(written)]
            return "_".join([_text(_series_size(written)), "series", *map(_text, edges)])
        case CalendarWindow():
            return f"this_{written.unit}"
    return "lifetime"


def _text(duration: timedelta | None) -> str:
    assert duration is not None, "a series is named after it was checked"
    return duration_text(duration // timedelta(microseconds=1))


def _series_size(written: TimeWindowSeries) -> timedelta | None:
    return written.step_size if written.window_size is None else written.window_size


def _series_step(written: TimeWindowSeries) -> timedelta | None:
    return written.window_size if written.step_size is None else written.step_size


def _moving(thing: str, written: TimeWindow, grid: Grid, trailing_edge: object) -> Window:
    size_us = positive_us(thing, "window_size", written.window_size)
    moved_us = -duration_us(thing, "offset", written.offset)
    if moved_us < 0:
        mend = "A window never reaches past its leading edge: write timedelta(days=-1) to move it back by a day."
        raise DeclarationError(complaint(thing, "offset must be zero or negative", written.offset, mend))
    placed = grid.place(thing, {"window_size": size_us}, moved_us, trailing_edge, series=False)
    return _window(size_us, moved_us, placed, ends_on_grid=moved_us > 0)


def _series(thing: str, written: TimeWindowSeries, grid: Grid, trailing_edge: object) -> tuple[Window, ...]:
    step_us = positive_us(thing, "step_size", _series_step(written))
    size_us = positive_us(thing, "window_size", _series_size(written))
    start_us = duration_us(thing, "series_start", written.series_start)
    end_us = duration_us(thing, "series_end", written.series_end)
    lengths_us = {"window_size": size_us, "step_size": step_us, "series_start": start_us, "series_end": end_us}
    placed = grid.place(thing, lengths_us, 0, trailing_edge, series=True)
    _check_span(thing, written, start_us + size_us, end_us)
    starts_us = range(start_us, end_us - size_us + 1, step_us)
    if len(starts_us) > SERIES_WINDOWS_MAX:
        mend = "Make step_size longer or the series shorter."
        rule = f"a series has at most {SERIES_WINDOWS_MAX} windows"
        raise DeclarationError(complaint(thing, rule, len(starts_us), mend))
    return tuple(_window(size_us, -(at_us + size_us), placed, ends_on_grid=True) for at_us in starts_us)


def _window(size_us: int, offset_us: int, placed: Placed, *, ends_on_grid: bool) -> Window:
    on_grid = ends_on_grid and bool(placed.hop_us)
    return Window(size_us + placed.closed, offset_us, hop_us=placed.hop_us, ends_on_grid=on_grid)


def _check_span(thing: str, written: TimeWindowSeries, first_end_us: int, end_us: int) -> None:
    if end_us > 0:
        mend = "A window never reaches past its leading edge: leave series_end out, or move it back."
        raise DeclarationError(complaint(thing, "series_end must be zero or negative", written.series_end, mend))
    if first_end_us > end_us:
        mend = "Move series_start further back, or make the windows smaller."
        rule = "at least one window must fit between series_start and series_end"
        raise DeclarationError(complaint(thing, rule, written.series_start, mend))
