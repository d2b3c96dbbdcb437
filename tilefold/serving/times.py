"""The times that people pass to a workspace, checked.

The rule: every time is an aware datetime; a watermark lies on its view's schedule and not after now.
"""

from datetime import datetime

from tilefold.declaration.views import FeatureView
from tilefold.engine.time import floor, to_datetime, to_us
from tilefold.errors import InputError, ReadTimeError, complaint


def checked_time(name: str, time: object) -> datetime:
    """An aware datetime; raises InputError for anything else."""
    if not isinstance(time, datetime) or time.tzinfo is None:
        mend = "Use an aware datetime, such as datetime(2024, 1, 2, tzinfo=UTC)."
        raise InputError(complaint(f"parameter '{name}'", "it must be a time with a zone", time, mend))
    return time


def checked_span(name: str, span: object) -> tuple[datetime, datetime]:
    """A pair of aware datetimes; raises InputError for anything else."""
    if not isinstance(span, tuple | list) or len(span) != 2:  # noqa: PLR2004 - a start and an end
        mend = "Use (start, end): from the first on, up to before the second."
        raise InputError(complaint(f"parameter '{name}'", "it must be a pair of times", span, mend))
    return checked_time(name, span[0]), checked_time(name, span[1])


def checked_as_of(view: FeatureView, as_of: object, now_us: int) -> int:
    """A watermark in microseconds.

    Raises
    ------
    InputError
        If it has no zone.
    ReadTimeError
        If it lies off the view's schedule or after now.
    """
    as_of_us = to_us(checked_time("as_of", as_of))
    thing = f"view '{view.name}'"
    if as_of_us % view.schedule_us:
        near = to_datetime(floor(as_of_us, view.schedule_us))
        mend = f"Use {near.isoformat()} or another point of its schedule."
        raise ReadTimeError(complaint(thing, "as_of must lie on its batch_schedule", str(as_of), mend))
    if as_of_us > now_us:
        mend = f"It is {to_datetime(now_us).isoformat()}: the events until then are not complete."
        raise ReadTimeError(complaint(thing, "as_of must not lie after now", str(as_of), mend))
    return as_of_us
