"""Which of a source's events a view asks for, as the SDK that people come from lets them write it.

The rule: a view is given each event once, in the step of the event's own day. `unfiltered()` therefore changes nothing for a
function that works row by row, and its view is checked to do so; a range beyond the step is refused where a view is declared.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final

from tilefold.errors import DeclarationError, complaint

RANGE_MEND: Final = "List the source itself: windows are said by the features, Aggregate(..., time_window=timedelta(days=30))."


@dataclass(frozen=True, slots=True)
class StepTime:
    """A time of the step, moved by a duration."""

    text: str

    def __add__(self, moved: timedelta) -> "StepTime":
        return StepTime(f"{self.text} + {moved}")

    def __sub__(self, moved: timedelta) -> "StepTime":
        return StepTime(f"{self.text} - {moved}")


class TectonTimeConstant:
    """Times of the step, for `select_range`."""

    MATERIALIZATION_START_TIME: ClassVar = StepTime("MATERIALIZATION_START_TIME")
    MATERIALIZATION_END_TIME: ClassVar = StepTime("MATERIALIZATION_END_TIME")
    UNBOUNDED_PAST: ClassVar = StepTime("UNBOUNDED_PAST")
    UNBOUNDED_FUTURE: ClassVar = StepTime("UNBOUNDED_FUTURE")


@dataclass(frozen=True, slots=True)
class UnfilteredSource:
    """A source whose events are not filtered by the step."""

    source: Any


@dataclass(frozen=True, slots=True)
class RangedSource:
    """A source of which more than the step is asked for; a view of it is refused."""

    source: Any
    text: str


@dataclass(frozen=True, slots=True)
class MaterializationContext:
    """Stands where a function asks for the start and the end of the step; a view of it is refused."""


def materialization_context() -> MaterializationContext:
    """A default for a function's `context`; the view whose function takes it is refused."""
    return MaterializationContext()


def ranged(source: Any, start_time: object, end_time: object) -> RangedSource:
    """More of a source's events than the step's."""
    return RangedSource(source, f"select_range({_text(start_time)}, {_text(end_time)})")


def _text(time: object) -> str:
    return time.text if isinstance(time, StepTime) else repr(time)


def FilteredSource(source: Any, start_time_offset: timedelta | None = None) -> Any:  # noqa: N802 - a class where people come from
    """The older way to write a source that is filtered by the step, which sources are; an offset asks for more."""
    return ranged(source, start_time_offset, None) if start_time_offset else source


def plain_source(thing: str, given: object) -> tuple[object, bool]:
    """The source itself, and whether its events are not filtered by the step; `thing` is what errors name.

    Raises
    ------
    DeclarationError
        If more than the step's events are asked for.
    """
    if isinstance(given, RangedSource):
        rule = "a view's function is given the events of each day, not of a longer range"
        raise DeclarationError(complaint(thing, rule, given.text, RANGE_MEND))
    return (given.source, True) if isinstance(given, UnfilteredSource) else (given, False)
