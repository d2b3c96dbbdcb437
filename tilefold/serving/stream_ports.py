"""What the writer of a view's stream parts is given: the view, and a store for parts.

The rule: a writer knows no store and no frames; the simulation gives it others than the product does.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tilefold.engine.mark import Mark
from tilefold.engine.stream_codec import StreamCodec
from tilefold.engine.stream_fold import StreamFolder
from tilefold.engine.stream_part import Row
from tilefold.stores.stream_log import Entry
from tilefold.stores.stream_parts import StreamWrite, Taken

Entries = Mapping[int, Sequence[Entry]]
"""What was read of a log, by shard, in order of positions."""


class PartStore(Protocol):
    """What a view needs of the online store; see `StreamParts`."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The stream parts of these keys."""
        ...

    def write(
        self,
        view: str,
        version: str,
        taken: Taken,
        writes: Iterable[StreamWrite],
        ttl_ms: int | None,
        mark: Mark | None = None,
    ) -> list[bool] | None:
        """Replace stream parts by compare-and-set; None where the view is not as the writer knows it."""
        ...

    def taken(self, view: str, version: str) -> Taken | None:
        """Which log the view takes, and how far."""
        ...

    def advance(self, view: str, version: str, taken: Taken) -> bool:
        """Note how far the log is in all stream parts; False where that is not sure any more."""
        ...

    def lapse(self, view: str, version: str, taken: Taken, starts: Mapping[int, int]) -> bool:
        """Make a view that is behind where its log begins not ready until it is seeded anew."""
        ...


@dataclass(frozen=True, slots=True)
class StreamTarget:
    """A view as a writer sees it.

    Attributes
    ----------
    key_of
        The online key of an entity's text.
    rows
        The rows of some entries of the log, by entity.
    mark
        The view's committed mark, possibly an older one.
    from_us
        The earliest time that reads may have, where it is not the clock.
    forget_mark
        Lets `mark` ask the store.
    """

    name: str
    version: str
    folder: StreamFolder
    codec: StreamCodec
    ttl_ms: int | None
    key_of: Callable[[str], bytes]
    rows: Callable[[Entries], Mapping[str, list[Row]]]
    mark: Callable[[], Mark | None]
    from_us: Callable[[], int | None] = field(default=lambda: None)
    forget_mark: Callable[[], object] = field(default=lambda: None)
