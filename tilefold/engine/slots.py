"""One partial state as a view stores it: of which input, and where among the stored components."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tilefold.functions import Partial


@dataclass(frozen=True, slots=True)
class Slot:
    """One partial state as a view stores it: of which input column, and from which component on.

    `running` says that parts hold running totals of it (see `Partial.running`); all its windows end with the part then.
    """

    partial: Partial
    column: str
    prefix: str
    start: int
    running: bool

    @property
    def stop(self) -> int:
        """The end (exclusive) of its components among those of the layout."""
        return self.start + len(self.partial.components)

    @property
    def join(self) -> Callable[[tuple[Any, ...], tuple[Any, ...]], tuple[Any, ...]]:
        """See `Partial.join`."""
        return self.partial.join

    @property
    def names(self) -> list[str]:
        """The names of its columns."""
        return self.partial.named(self.prefix)
