"""What a read gives of a view or service: values, statuses and effective times by `view.feature`.

The rule: statuses and effective times are worked out when they are asked for; most reads never ask.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

from tilefold.engine.time import to_datetime
from tilefold.serving.read_values import Status, ViewValues, shown


class Serving(Protocol):
    """What a vector tells of the view or service that it is of; see `ServiceReader`."""

    names: list[str]
    sources: list[tuple[int, int]]

    @property
    def may_overflow(self) -> bool:
        """Whether OVERFLOW may stand among values."""
        ...

    def values_of(self, row: Sequence[ViewValues]) -> Sequence[Any]:
        """The values of one entity in the order of `names`."""
        ...


class FeatureVector:
    """The features of one entity, by `view.feature`.

    Attributes
    ----------
    values
        Plain Python values; None where there is none.
    """

    def __init__(self, service: Serving, parts: Sequence[ViewValues]) -> None:
        self._service, self._parts = service, parts
        self.values: dict[str, Any] = dict(zip(service.names, service.values_of(parts)))  # noqa: B905 - as many; being strict costs a quarter
        if service.may_overflow:
            self.values = {name: shown(value) for name, value in self.values.items()}

    @property
    def read_at(self) -> datetime:
        """When the read was: by it attributes of batch views expire."""
        return to_datetime(self._parts[0].time.read_us)

    @cached_property
    def statuses(self) -> dict[str, Status]:
        """What each value is worth."""
        pairs = zip(self._service.names, self._service.sources, strict=True)
        return {name: self._parts[view].status(number) for name, (view, number) in pairs}

    @cached_property
    def effective_times(self) -> dict[str, datetime | None]:
        """As of when each value is: a batch view's watermark, a stream view's read time; None where it is not ready."""
        times = [part.effective_time() for part in self._parts]
        return {name: times[view] for name, (view, _) in zip(self._service.names, self._service.sources, strict=True)}

    @cached_property
    def versions(self) -> dict[str, str]:
        """Which version of each view has answered."""
        return {part.reader.view_name: part.reader.version for part in self._parts}

    def __repr__(self) -> str:
        return f"FeatureVector({self.values!r})"
