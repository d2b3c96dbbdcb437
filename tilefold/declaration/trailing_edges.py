"""How the trailing edge of a stream view's window moves.

The rule: one setting holds for a window: its Aggregate's `trailing_edge`, else the view's, which may be set in one way only. A
timedelta is the grid itself; `"exact"` is none; the others choose by the window's size `W`:

    auto     the coarsest of 1 s, 10 s, 1 min, 5 min, 1 h, 1 day that divides W and is <= W/100; exact where none is
    tecton   W < 2 days: [t - W, t], both ends in; 1 h up to 10 days; 1 day above
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tilefold.declaration.parameters import StreamProcessingMode, StreamViewParameters
from tilefold.declaration.times import DAY_US, HOUR_US, MINUTE_US, SECOND_US, duration_text, positive_us
from tilefold.errors import DeclarationError, complaint

EXACT: Final = "exact"
AUTO: Final = "auto"
TECTON: Final = "tecton"
_WORDS: Final = (EXACT, AUTO, TECTON)

AUTO_HOPS_US: Final = (DAY_US, HOUR_US, 5 * MINUTE_US, MINUTE_US, 10 * SECOND_US, SECOND_US)
AUTO_HOPS_MIN: Final = 100  # in a window: its trailing edge is never off by more than 1 %
TECTON_EXACT_BELOW_US: Final = 2 * DAY_US
TECTON_HOURLY_UP_TO_US: Final = 10 * DAY_US

_MEND: Final = 'Use a timedelta, "exact", "auto" or "tecton".'


@dataclass(frozen=True, slots=True)
class TrailingEdge:
    """A setting, checked.

    Attributes
    ----------
    parameter
        Where it was written; what errors name.
    setting
        A grid in microseconds, or one of the words.
    """

    parameter: str
    setting: int | str


@dataclass(frozen=True, slots=True)
class Hop:
    """What a setting means for one window: the grid (0 for none), and whether its oldest microsecond is in too."""

    hop_us: int
    closed: bool = False


def view_trailing_edge(thing: str, written: StreamViewParameters) -> TrailingEdge:
    """The one setting of a view; `"auto"` where it has none.

    Raises
    ------
    DeclarationError
        If one is no grid, or two contradict each other.
    """
    mode = _checked_mode(thing, written.stream_processing_mode)
    given: list[TrailingEdge] = []
    if written.trailing_edge is not None:
        given.append(trailing_edge(thing, written.trailing_edge))
    if written.aggregation_interval is not None:
        interval_us = positive_us(thing, "aggregation_interval", written.aggregation_interval)
        given.append(TrailingEdge("aggregation_interval", interval_us))
    if mode is StreamProcessingMode.CONTINUOUS:
        given.append(TrailingEdge("stream_processing_mode", EXACT))
    for one in given:
        if one.setting != given[0].setting or (mode is StreamProcessingMode.TIME_INTERVAL and one.setting == EXACT):
            _refuse_contradiction(thing, written)
    return given[0] if given else TrailingEdge("trailing_edge", AUTO)


def trailing_edge(thing: str, given: object) -> TrailingEdge:
    """A `trailing_edge` as written on a view or an Aggregate, checked."""
    if isinstance(given, timedelta):
        return TrailingEdge("trailing_edge", positive_us(thing, "trailing_edge", given))
    if isinstance(given, str) and given in _WORDS:
        return TrailingEdge("trailing_edge", str(given))
    raise DeclarationError(complaint(thing, "trailing_edge must be a grid or one of its words", given, _MEND))


def hop_of(thing: str, edge: TrailingEdge, lengths_us: Mapping[str, int], *, series: bool) -> Hop:
    """The grid of one window.

    Parameters
    ----------
    lengths_us
        What the grid must divide, by parameter: `window_size`, and what places the windows of a series.

    Raises
    ------
    DeclarationError
        If the grid does not divide one of them.
    """
    size_us = lengths_us["window_size"]
    if edge.setting == EXACT:
        return Hop(0)
    if edge.setting == AUTO:
        return Hop(_auto_us(size_us, lengths_us))
    if edge.setting == TECTON and size_us < TECTON_EXACT_BELOW_US:
        return Hop(0, closed=not series)  # the windows of a series, which Tecton does not compact, do not overlap
    hop_us = _tecton_us(size_us) if isinstance(edge.setting, str) else edge.setting
    for parameter, length_us in lengths_us.items():
        if length_us % hop_us:
            _refuse_length(thing, edge, hop_us, parameter, length_us)
    return Hop(hop_us)


def _auto_us(size_us: int, lengths_us: Mapping[str, int]) -> int:
    fine = [hop_us for hop_us in AUTO_HOPS_US if hop_us * AUTO_HOPS_MIN <= size_us]
    return next((hop_us for hop_us in fine if not any(length_us % hop_us for length_us in lengths_us.values())), 0)


def _tecton_us(size_us: int) -> int:
    return HOUR_US if size_us <= TECTON_HOURLY_UP_TO_US else DAY_US


def _checked_mode(thing: str, given: object) -> StreamProcessingMode | None:
    if given is None or isinstance(given, StreamProcessingMode):
        return given
    if isinstance(given, str) and given in set(StreamProcessingMode):
        return StreamProcessingMode(given)
    mend = "Use StreamProcessingMode.CONTINUOUS, or leave it out."
    raise DeclarationError(complaint(thing, "stream_processing_mode must be a StreamProcessingMode", given, mend))


def _refuse_contradiction(thing: str, written: StreamViewParameters) -> None:
    parameters = ("trailing_edge", "aggregation_interval", "stream_processing_mode")
    given = {name: getattr(written, name) for name in parameters if getattr(written, name) is not None}
    rule = "trailing_edge, aggregation_interval and stream_processing_mode may not contradict each other"
    raise DeclarationError(complaint(thing, rule, given, "Keep trailing_edge."))


def _refuse_length(thing: str, edge: TrailingEdge, hop_us: int, parameter: str, length_us: int) -> None:
    why = f"{edge.parameter} (here {duration_text(hop_us)})"
    if edge.setting == TECTON:
        why = f'the grid that trailing_edge="tecton" gives this window ({duration_text(hop_us)})'
    length = f"-{duration_text(-length_us)}" if length_us < 0 else duration_text(length_us)
    mend = f'Change either, or give this Aggregate a trailing_edge of its own, such as "{AUTO}" or "{EXACT}".'
    raise DeclarationError(complaint(thing, f"{parameter} must be a multiple of {why}", length, mend))
