"""What a sync needs of its stores, so that its rules run over Delta and a Redis-protocol server as well as in memory."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tilefold.engine.mark import Mark
from tilefold.stores.stream_parts import Seeded


@dataclass(frozen=True, slots=True)
class Work:
    """The keys of a bucket that a sync must write: entities and parts, some at a time; an empty part empties its key."""

    batches: Iterable[tuple[Sequence[str], Sequence[bytes]]]
    keys: int
    unchanged: int


class Compactions(Protocol):
    """What a sync needs of one version of the compacted table; `buckets` is into how many the keys are split."""

    @property
    def buckets(self) -> int: ...  # noqa: D102 - see above

    def marks(self) -> Collection[Mark]:
        """Every compaction that there is."""
        ...

    def work(self, mark: Mark, bases: Sequence[Mark] | None, bucket: int) -> Work:
        """The keys whose part in a compaction differs from that in some base, as far as windows reach; all without bases."""
        ...


class SyncStore(Protocol):
    """What a sync needs of the online store; see `OnlineStore`."""

    def begin(self, view: str, version: str, mark: Mark) -> bool:
        """Enter a sync among the begun ones; False where it is superseded."""
        ...

    def mark(self, view: str, version: str) -> Mark | None:
        """The committed mark."""
        ...

    def begun(self, view: str, version: str) -> list[Mark]:
        """The begun syncs that no committed one has made void."""
        ...

    def write_parts(
        self, view: str, version: str, mark: Mark, entities: Sequence[bytes], blobs: Sequence[bytes], ttl_ms: int | None
    ) -> bool:
        """Write batch parts, each unless the entity has a newer one; False where a newer part or mark stops the sync."""
        ...

    def others(self, view: str, version: str, keys: Collection[bytes]) -> Iterable[bytes]:
        """The keys of all entities but these that hold a batch part which is not empty."""
        ...

    def note_emptied(self, view: str, version: str, keys: Sequence[bytes]) -> None:
        """Remember keys that a sync is about to empty."""
        ...

    def emptied(self, view: str, version: str) -> set[bytes]:
        """The keys that were emptied and not yet removed."""
        ...

    def forget_emptied(self, view: str, version: str, keys: Iterable[bytes]) -> None:
        """Take back `note_emptied`."""
        ...

    def remove_emptied(self, view: str, version: str, keys: Iterable[bytes], below: Mark) -> int:
        """Delete those keys whose part is empty, at or below a mark and the committed one, and alone."""
        ...

    def commit(self, view: str, version: str, mark: Mark, seeded: Seeded | None = None) -> bool:
        """Move the view's mark and void the begun syncs not above it; False where it is superseded."""
        ...


@dataclass(frozen=True, slots=True)
class SyncedView:
    """A view as a sync sees it; `key_of` makes the online key of an entity's text, `drop_broken` removes unreadable parts."""

    name: str
    version: str
    ttl_ms: int | None
    key_of: Callable[[str], bytes]
    drop_broken: Callable[[Sequence[bytes]], None]
