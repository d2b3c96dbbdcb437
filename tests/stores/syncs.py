"""Syncs of one view, in the words of the tests."""

from dataclasses import dataclass

from tilefold.engine.codec import seal
from tilefold.engine.mark import Mark
from tilefold.stores.online_store import OnlineStore

VIEW = "spend"
VERSION = "0123456789ab"
EARLY, MIDDLE, LATE = Mark(1_700_000_000_000_000, 1), Mark(1_700_086_400_000_000, 2), Mark(1_700_172_800_000_000, 3)


@dataclass(frozen=True, slots=True)
class Syncs:
    """What a sync does to named entities of one view."""

    store: OnlineStore

    @property
    def prefix(self) -> str:
        """The workspace's name."""
        return self.key("").decode().split(":")[0]

    def key(self, name: str) -> bytes:
        """The entity's key."""
        return self.store.entity_key(VIEW, VERSION, name)

    def keys(self, *names: str) -> list[bytes]:
        """The entities' keys."""
        return [self.key(name) for name in names]

    @staticmethod
    def part(mark: Mark) -> bytes:
        """A batch part that tells its sync."""
        return seal(b"tiles", mark)

    def write(self, mark: Mark, *names: str, ttl_ms: int | None = None) -> bool:
        """Write these entities."""
        return self.store.write_parts(VIEW, VERSION, mark, self.keys(*names), [self.part(mark)] * len(names), ttl_ms)

    def empty(self, mark: Mark, *names: str) -> bool:
        """Write empty parts."""
        return self.store.write_parts(VIEW, VERSION, mark, self.keys(*names), [seal(b"", mark)] * len(names), None)

    def whole(self, mark: Mark, *names: str) -> bool:
        """A sync from its first step to its last."""
        steps = (
            lambda: self.store.begin(VIEW, VERSION, mark),
            lambda: self.write(mark, *names),
            lambda: self.store.commit(VIEW, VERSION, mark),
        )
        return all(step() for step in steps)

    def stamps(self) -> dict[str, Mark]:
        """Each entity's stamp in the store, by its name."""
        start = len(self.key(""))
        return {key[start:].decode(): mark for key, mark in self.store.sample_stamps(VIEW, VERSION, 10_000)}
