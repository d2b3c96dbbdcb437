"""When a view's batch part moves, and from when on its events count.

The rule: `batch_schedule` divides a day or is a multiple of one, so that every day begins or ends a step; times that must lie
on its grid do, counted from the Unix epoch.
"""

from dataclasses import dataclass

from tilefold.declaration.parameters import BatchViewParameters
from tilefold.declaration.sources import Source
from tilefold.declaration.times import DAY_US, duration_text, instant_text, instant_us, not_negative_us, positive_us
from tilefold.declaration.warning import warn_writer
from tilefold.errors import DeclarationError, OpenStartWarning, complaint


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a view, checked; all in microseconds."""

    schedule_us: int
    data_delay_us: int
    feature_start_us: int
    lifetime_start_us: int

    @property
    def lifetime_us(self) -> int | None:
        """Where lifetime windows begin; None where at the feature start."""
        return self.lifetime_start_us if self.lifetime_start_us > self.feature_start_us else None

    @property
    def valid_for_us(self) -> int:
        """How long a batch part answers: two cadences, and the delay before the next one is due."""
        return 2 * self.schedule_us + self.data_delay_us


def view_times(thing: str, written: BatchViewParameters, source: Source, interval_us: int | None = None) -> Times:
    """Check a view's times; `thing` is what errors name, `interval_us` the batch view's `aggregation_interval`."""
    schedule_us = _schedule_us(thing, written, interval_us)
    start_us = _feature_start_us(thing, written)
    delay = written.data_delay
    return Times(
        schedule_us=schedule_us,
        data_delay_us=source.data_delay_us if delay is None else not_negative_us(thing, "data_delay", delay),
        feature_start_us=start_us,
        lifetime_start_us=_lifetime_start_us(thing, written, schedule_us, start_us),
    )


def batch_interval_us(thing: str, written: BatchViewParameters) -> int | None:
    """The `aggregation_interval` of a batch view; None where it is not given."""
    given = written.aggregation_interval
    return None if given is None else positive_us(thing, "aggregation_interval", given)


def _schedule_us(thing: str, written: BatchViewParameters, interval_us: int | None) -> int:
    if written.batch_schedule is None:
        schedule_us = interval_us or DAY_US
    else:
        schedule_us = positive_us(thing, "batch_schedule", written.batch_schedule)
    if DAY_US % schedule_us and schedule_us % DAY_US:
        mend = "Use such as timedelta(hours=6) or timedelta(days=7)."
        rule = "batch_schedule must divide a day or be a multiple of one"
        raise DeclarationError(complaint(thing, rule, duration_text(schedule_us), mend))
    if interval_us and schedule_us % interval_us:
        mend = "Change either, or leave aggregation_interval out."
        rule = f"batch_schedule must be a multiple of aggregation_interval ({duration_text(interval_us)})"
        raise DeclarationError(complaint(thing, rule, duration_text(schedule_us), mend))
    return schedule_us


def _feature_start_us(thing: str, written: BatchViewParameters) -> int:
    if written.feature_start_time is None:
        text = f"{thing}: feature_start_time is not given, so all events count. Write feature_start_time=datetime(2022, 5, 1)."
        warn_writer(text, OpenStartWarning)
        return 0
    return instant_us(thing, "feature_start_time", written.feature_start_time)


def _lifetime_start_us(thing: str, written: BatchViewParameters, schedule_us: int, feature_start_us: int) -> int:
    if written.lifetime_start_time is None:
        return feature_start_us
    start_us = instant_us(thing, "lifetime_start_time", written.lifetime_start_time)
    if start_us < feature_start_us:
        mend = "Events before feature_start_time are in no window: move either."
        rule = f"lifetime_start_time must not be before feature_start_time ({instant_text(feature_start_us)})"
        raise DeclarationError(complaint(thing, rule, instant_text(start_us), mend))
    if start_us > feature_start_us and start_us % schedule_us:
        mend = f"The step before it is {instant_text(start_us - start_us % schedule_us)}."
        rule = f"lifetime_start_time must lie on the grid of batch_schedule ({duration_text(schedule_us)})"
        raise DeclarationError(complaint(thing, rule, instant_text(start_us), mend))
    return start_us
