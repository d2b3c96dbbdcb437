"""How keys are named in the online store.

The rule: no two workspaces, views or kinds of key share a name. A prefix, a view and a version have no `:` in them, so the
number of `:` tells the kind of a key. Do not change these names: they are in stores.

    {prefix}:store_id                   this store's own name, drawn at random: it changes when the store is lost or replaced
    {prefix}:{source}#latest            the time of the newest event of a source
    {prefix}:{source}#owner{shard}      the writer process that owns a shard of the source's stream, while it says so
    {prefix}:{source}#writers           the writer processes of a source, with when each was last seen
    {prefix}:{source}#reports           what each of them reported last
    {prefix}:{view}#versions            which versions of a view there are, and which of them is served
    {prefix}:{view}:{version}           the view's state: the mark, the syncs that have begun, and how far the stream is in it
    {prefix}:{view}:{version}:{entity}  one entity: `b`, its batch part, and `s`, its stream part
"""

import re
from dataclasses import dataclass

from tilefold.errors import InputError, complaint

_PREFIX = re.compile(r"[A-Za-z0-9_.-]+")
_GLOB = re.compile(rb"[*?\[\]\\]")


@dataclass(frozen=True, slots=True)
class OnlineKeys:
    """The keys of one workspace, whose name is `prefix`."""

    prefix: str

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            rule = "its name must be made of letters, digits and _ . - alone"
            raise InputError(complaint("workspace", rule, self.prefix, "Give it such a name."))

    @property
    def store_id(self) -> bytes:
        """The key of the store's own name."""
        return f"{self.prefix}:store_id".encode()

    def state(self, view: str, version: str) -> bytes:
        """The key of a view's mark and begun syncs."""
        return f"{self.prefix}:{view}:{version}".encode()

    def latest(self, source: str) -> bytes:
        """The key of the newest event's time of a source."""
        return f"{self.prefix}:{source}#latest".encode()

    def owner(self, source: str, shard: int) -> bytes:
        """The key of the lease on a shard."""
        return f"{self.prefix}:{source}#owner{shard}".encode()

    def writers(self, source: str) -> bytes:
        """The key of the writer processes of a source."""
        return f"{self.prefix}:{source}#writers".encode()

    def reports(self, source: str) -> bytes:
        """The key of what the writer processes of a source reported last."""
        return f"{self.prefix}:{source}#reports".encode()

    def versions(self, view: str) -> bytes:
        """The key of the versions of a view."""
        return f"{self.prefix}:{view}#versions".encode()

    def emptied(self, view: str, version: str) -> bytes:
        """The key of the set of entities that a sync has emptied and a later one removes."""
        return self.state(view, version) + b"#emptied"

    def entity(self, view: str, version: str, entity: str) -> bytes:
        """The key of an entity's hash."""
        return f"{self.prefix}:{view}:{version}:{entity}".encode()

    def all_entities(self, view: str, version: str) -> bytes:
        """The pattern that a view's entities match, and nothing else."""
        return _GLOB.sub(rb"\\\g<0>", self.state(view, version)) + b":*"
