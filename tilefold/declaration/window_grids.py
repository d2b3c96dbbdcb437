"""What the windows of a view must fit, and how their edges move.

Those of a batch view move with its schedule, those of a stream view on the grid of their trailing edge. The rule: a grid is
asked once for each window that people wrote; it refuses what does not fit, naming the parameter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from tilefold.declaration.calendars import LENGTHS_US, Calendar
from tilefold.declaration.times import duration_text
from tilefold.declaration.trailing_edges import TrailingEdge, hop_of, trailing_edge
from tilefold.errors import DeclarationError, complaint


@dataclass(frozen=True, slots=True)
class Placed:
    """How a written window's edges move.

    Attributes
    ----------
    hop_us
        As `Window.hop_us`.
    closed
        Whether the microsecond just before an exact window is in it too.
    """

    hop_us: int | None
    closed: bool = False


class Grid(Protocol):
    """What windows must fit."""

    @property
    def lifetime_start_us(self) -> int | None:
        """Where lifetimes begin; None for the feature start."""
        ...

    def place(self, thing: str, lengths_us: Mapping[str, int], offset_us: int, given: object, *, series: bool) -> Placed:
        """Check a window and say how its edges move.

        Parameters
        ----------
        lengths_us
            `window_size` and, of a series, what places its windows, by parameter.
        offset_us
            How far the window is moved back; 0 of a series.
        given
            The Aggregate's own `trailing_edge`.
        """
        ...

    def place_lifetime(self, thing: str, given: object) -> Placed:
        """Say how a lifetime's edge moves."""
        ...

    def place_calendar(self, thing: str, calendar: Calendar, given: object) -> Placed:
        """Check a period of a calendar and say how its edge moves."""
        ...


@dataclass(frozen=True, slots=True)
class BatchGrid:
    """Every window is at least one `batch_schedule` long, and lies on `aggregation_interval` where that is given."""

    schedule_us: int
    interval_us: int | None
    lifetime_start_us: int | None

    def place(self, thing: str, lengths_us: Mapping[str, int], offset_us: int, given: object, *, series: bool) -> Placed:
        """See `Grid`."""
        del series
        self.place_lifetime(thing, given)
        for parameter, length_us in {**lengths_us, "offset": offset_us}.items():
            self._check_interval(thing, parameter, length_us)
        if lengths_us["window_size"] < self.schedule_us:
            rule = f"window_size must be at least one batch_schedule ({duration_text(self.schedule_us)})"
            mend = "Make the window longer or batch_schedule shorter."
            raise DeclarationError(complaint(thing, rule, duration_text(lengths_us["window_size"]), mend))
        return Placed(None)

    def place_lifetime(self, thing: str, given: object) -> Placed:
        """See `Grid`."""
        if given is not None:
            mend = "Leave it out: on batch views windows move with batch_schedule."
            rule = "trailing_edge of an Aggregate belongs to stream views"
            raise DeclarationError(complaint(thing, rule, given, mend))
        return Placed(None)

    def place_calendar(self, thing: str, calendar: Calendar, given: object) -> Placed:
        """See `Grid`; of a period no longer than a step of the schedule, every edge would see nothing or a rest."""
        if self.schedule_us >= LENGTHS_US[calendar.unit]:
            rule = f"batch_schedule must be shorter than the {calendar.unit} of a CalendarWindow"
            mend = "Make batch_schedule shorter, such as timedelta(hours=1), or take a longer unit."
            raise DeclarationError(complaint(thing, rule, duration_text(self.schedule_us), mend))
        return self.place_lifetime(thing, given)

    def _check_interval(self, thing: str, parameter: str, length_us: int) -> None:
        if self.interval_us and length_us % self.interval_us:
            interval = duration_text(self.interval_us)
            mend = "Change either, or leave aggregation_interval out."
            rule = f"{parameter} must be a multiple of aggregation_interval ({interval})"
            raise DeclarationError(complaint(thing, rule, str(timedelta(microseconds=length_us)), mend))


@dataclass(frozen=True, slots=True)
class StreamGrid:
    """The trailing edge's grid divides the size of a window, and what places the windows of a series; offsets are free."""

    trailing_edge: TrailingEdge
    lifetime_start_us: int | None

    def place(self, thing: str, lengths_us: Mapping[str, int], offset_us: int, given: object, *, series: bool) -> Placed:
        """See `Grid`."""
        del offset_us  # both edges of a moved window lie on the grid, wherever it is moved to
        edge = self.trailing_edge if given is None else trailing_edge(thing, given)
        hop = hop_of(thing, edge, lengths_us, series=series)
        return Placed(hop.hop_us, hop.closed)

    def place_lifetime(self, thing: str, given: object) -> Placed:
        """See `Grid`."""
        if given is not None:
            mend = "Leave it out: the lifetime's start does not move."
            raise DeclarationError(complaint(thing, "a lifetime has no trailing_edge", given, mend))
        return Placed(0)

    def place_calendar(self, thing: str, calendar: Calendar, given: object) -> Placed:
        """See `Grid`."""
        if given is not None:
            mend = f"Leave it out: the start moves where the next {calendar.unit} begins."
            raise DeclarationError(complaint(thing, "a CalendarWindow has no trailing_edge", given, mend))
        return Placed(0)
