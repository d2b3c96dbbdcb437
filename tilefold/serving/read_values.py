"""What a read gives of one view: values, their statuses, and as of when they are.

The rule: values are there at once; statuses and effective times are worked out when they are asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from tilefold.declaration.features import Feature
from tilefold.engine.mark import Mark
from tilefold.engine.time import to_datetime
from tilefold.functions import OVERFLOW


class Status(StrEnum):
    """What a value is worth."""

    PRESENT = "PRESENT"
    MISSING_DATA = "MISSING_DATA"
    STALE = "STALE"
    NOT_READY = "NOT_READY"
    OVERFLOW = "OVERFLOW"
    TIME_OUT = "TIME_OUT"


class ReadTime(NamedTuple):
    """When a read is, and where a stream view's windows end; `certain` is False where that is not known for this time.

    Of a view whose windows end at the newest event, which one that was at a past time is not kept.
    """

    read_us: int
    end_us: int
    certain: bool


class Answering(Protocol):
    """What values tell of the version of a view that has answered; see `ViewReader`.

    Attributes
    ----------
    features, windows_of
        Of the told features, in their order: each, and the numbers of its windows in `inexact`.
    lacking
        The numbers of the told features that this version has not: they are NOT_READY.
    """

    view_name: str
    version: str
    is_stream: bool
    features: list[Feature]
    windows_of: list[frozenset[int]]
    lacking: frozenset[int]

    def is_late(self, held: Mark, read_us: int) -> bool:
        """Whether a batch part is older than it is valid for."""
        ...


@dataclass(slots=True)
class ViewValues:
    """One entity's values of one view, as folded; None where it is not ready.

    Attributes
    ----------
    held
        The watermark and epoch in force; None where it is not ready, or nothing has arrived.
    arrived
        Whether the store has answered in time.
    cached
        Whether it was folded for an earlier read.
    """

    reader: Answering
    values: Sequence[Any]
    inexact: Sequence[int]
    held: Mark | None
    time: ReadTime
    arrived: bool = True
    cached: bool = False

    @property
    def _is_late(self) -> bool:
        assert self.held is not None
        return not self.time.certain or self.reader.is_late(self.held, self.time.read_us)

    @property
    def is_plain(self) -> bool:
        """Whether no value can be STALE, NOT_READY or TIME_OUT."""
        return self.held is not None and not self.inexact and not self._is_late and not self.reader.lacking

    def effective_time(self) -> datetime | None:
        """As of when the values are."""
        if self.held is None:
            return None
        return to_datetime(self.time.end_us if self.reader.is_stream else self.held.watermark_us)

    def status(self, number: int) -> Status:
        """What the value of a feature is worth."""
        value = self.values[number]
        if self.held is None:
            return Status.NOT_READY if self.arrived else Status.TIME_OUT
        if number in self.reader.lacking:
            return Status.NOT_READY
        if overflows(value):
            return Status.OVERFLOW
        if self._is_late or not self.reader.windows_of[number].isdisjoint(self.inexact):
            return Status.STALE
        return Status.MISSING_DATA if is_missing(value, self.reader.features[number]) else Status.PRESENT


def overflows(value: Any) -> bool:
    """Whether a value, or one in a list, does not fit its type."""
    return value is OVERFLOW or (isinstance(value, list) and any(map(overflows, value)))


def is_missing(value: Any, feature: Feature) -> bool:
    """Whether no event is behind a value: it is what the function gives of an empty window, in all windows of a series."""
    values = value if feature.is_series else [value]
    empty = feature.function.empty if feature.secondary is None else []
    return all(each is None or each == empty for each in values)


def shown(value: Any) -> Any:
    """A value as it is told: None where it does not fit its type."""
    if isinstance(value, list):
        return [shown(each) for each in value]
    return None if value is OVERFLOW else value
