"""Which stores a root belongs to: facts in its catalog, set when a store has answered for the first time.

The rule: opening a root with another online store, or another stream log, than it is bound to is refused: half of the keys, or
of the events, would be in each. Moving is an explicit act (ADR 0010).
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from tilefold.errors import StoreMismatchError, complaint
from tilefold.stores.catalog import Catalog

EMBEDDED = "embedded"
DEFAULT_PORT = 6379  # of the Redis protocol
_REDIS = ("redis", "rediss")


@dataclass(frozen=True, slots=True)
class Binding:
    """What one workspace of a root is bound to.

    Attributes
    ----------
    kind
        `online` or `stream`.
    """

    catalog: Catalog
    root: str
    name: str
    kind: str

    def bound(self) -> str | None:
        """What it is bound to; None where no store has answered yet."""
        return self.catalog.get(self._key)

    def check(self, url: str | None) -> None:
        """Raise `StoreMismatchError` if it is bound to another store."""
        self._compare(self.bound(), url)

    def bind(self, url: str | None) -> None:
        """Bind it, unless it is bound: to another store is a `StoreMismatchError`."""
        self._compare(self.catalog.put_if_absent(self._key, describe(url)), url)

    def rebind(self, url: str | None) -> str:
        """Bind it to another store; what it was bound to before."""
        before = self.bound() or "none"
        self.catalog.put(self._key, describe(url))
        return before

    @property
    def _key(self) -> str:
        name = "".join(letter if letter.isalnum() else f"_{ord(letter):x}_" for letter in self.name.lower())
        return f"{self.kind}_{name}"

    def _compare(self, bound: str | None, url: str | None) -> None:
        wanted = describe(url)
        if bound not in (None, wanted):
            what = "online store" if self.kind == "online" else "stream log"
            mend = f"Open it with that one, or move it: tilefold doctor --root {self.root} --bind-{self.kind} {wanted}"
            thing, rule = f"workspace '{self.name}' in {self.root}", f"it is bound to the {what} {bound}"
            raise StoreMismatchError(complaint(thing, rule, wanted, mend))


def describe(url: str | None) -> str:
    """A store's address without user and password."""
    if not url or url == EMBEDDED:
        return EMBEDDED
    parts = urlsplit(url)
    if parts.scheme not in _REDIS:
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return f"{parts.scheme}://{parts.hostname or ''}:{parts.port or DEFAULT_PORT}/{parts.path.strip('/') or 0}"
