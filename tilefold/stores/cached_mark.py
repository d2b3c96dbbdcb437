"""The committed marks as this process knows them.

The rule: a mark is taken here BEFORE its view's keys are read, never after. An older mark than the store's is always safe: the
key's own stamp, if newer, wins. A newer one than the key's copy is not: it would hide what the key's stream part still holds.
So a copy counts only as long as no new connection was opened: a server that was killed may have come back with an older mark.
"""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from tilefold.engine.mark import Mark

REFRESH_S = 1.0
Fetch = Callable[[str, str], Mark | None]


class _Known(NamedTuple):
    mark: Mark | None
    asked_s: float
    connections: int


class Asking(NamedTuple):
    """A question for a mark that is on its way, and what was known before it."""

    view: str
    version: str
    known: _Known | None
    asked_s: float
    connections: int


UNKNOWN = object()
"""What `peek` says where the store must be asked."""


class CachedMark:
    """Marks by view and version, asked of the store again after a second; safe to share among threads.

    Parameters
    ----------
    fetch
        `OnlineStore.mark`.
    now_s
        A clock that never goes back, in seconds.
    connections
        `OnlineStore.connections`.
    """

    def __init__(self, fetch: Fetch, now_s: Callable[[], float] = time.monotonic, connections: Callable[[], int] = int) -> None:
        self._fetch = fetch
        self._now_s = now_s
        self._connections = connections
        self._known: dict[tuple[str, str], _Known] = {}
        self._lock = threading.Lock()

    def get(self, view: str, version: str) -> Mark | None:
        """The view's mark, at most a second old; None where nothing was ever committed."""
        found = self.peek(view, version)
        if found is not UNKNOWN:
            return found  # type: ignore[return-value] # no other object than UNKNOWN is no mark
        asking = self.begin(view, version)
        return self.finish(asking, self._fetch(view, version))

    def peek(self, view: str, version: str) -> Mark | object | None:
        """What `get` gives without asking the store; UNKNOWN where it would have to."""
        known = self._known.get((view, version))
        if known is not None and self._now_s() - known.asked_s < REFRESH_S and known.connections == self._connections():
            return known.mark
        return UNKNOWN

    def begin(self, view: str, version: str) -> Asking:
        """Before the store is asked for a mark."""
        return Asking(view, version, self._known.get((view, version)), self._now_s(), self._connections())

    def finish(self, asking: Asking, fetched: Mark | None) -> Mark | None:
        """After it has answered: the mark, which is a newer one where this process has committed meanwhile."""
        key = (asking.view, asking.version)
        with self._lock:
            current = self._known.get(key)
            if current is not asking.known and current is not None:  # set meanwhile: what was fetched may be from before
                return current.mark
            self._known[key] = _Known(fetched, asking.asked_s, asking.connections)
        return fetched

    def set(self, view: str, version: str, mark: Mark) -> None:
        """Take over at once what this process has committed itself."""
        with self._lock:
            self._known[view, version] = _Known(mark, self._now_s(), self._connections())

    def forget(self, view: str, version: str) -> None:
        """Ask the store again: it may have lost what this process saw."""
        with self._lock:
            self._known.pop((view, version), None)
