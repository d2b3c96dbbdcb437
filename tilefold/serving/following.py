"""Which version of a view answers a read, in a process that was given one of them.

The rule: reads are answered with the version that the store says is served, whatever this process was given, and have the shape
of what it was given. A feature that the served version lacks is NOT_READY. So a new definition serves the old version's values
until the switch, and every process takes the switch up within a second or two. It keeps to its own version

    where none is served yet                            it may be the first
    where the two are not of the same entities          no read of one is a read of the other
    where it was served, still stands, and has a        whoever asks for that feature gets it until the old version is removed
    feature that the served one lacks

A reader learns from the same reply as the mark that its version was switched away from; a version without a mark is looked
after each second.
"""

import threading
import time
from collections.abc import Callable

from tilefold.declaration.features import Feature
from tilefold.declaration.views import FeatureView
from tilefold.engine.mark import Mark
from tilefold.serving.read import ViewReader
from tilefold.stores.cached_mark import CachedMark
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.view_versions import Versions

LOOK_S = 1.0
ROUNDS = 5
Make = Callable[[FeatureView, FeatureView, "Follower"], ViewReader]


class Moves:
    """Of each version the one that is served in its place, as told with its mark."""

    def __init__(self, online: OnlineStore) -> None:
        self._online = online
        self._known: dict[tuple[str, str], str | None] = {}

    def get(self, view: str, version: str) -> str | None:
        """What was told last."""
        return self._known.get((view, version))

    def note(self, view: str, version: str, moved: str | None) -> None:
        """What a reply has told."""
        self._known[view, version] = moved

    def fetch(self, view: str, version: str) -> Mark | None:
        """The mark, as the store tells it; what it tells beside it is noted."""
        mark, moved = self._online.held(view, version)
        self.note(view, version, moved)
        return mark


def answering(own: FeatureView, versions: Versions, known: Callable[[str, str], FeatureView | None]) -> FeatureView:
    """The version that answers for a process that was given `own`; `known` finds another one by name and version."""
    served = versions.served
    if served is None or served == own.version:
        return own
    other = known(own.name, served)
    if other is None or other.join_keys != own.join_keys or not own.online:
        return own
    if own.version in versions.retired and lacking(own, other):
        return own
    return other


def lacking(own: FeatureView, other: FeatureView) -> list[str]:
    """The features that another version has not, or not with values of this type."""
    there = {feature.name: feature for feature in other.features}
    return [feature.name for feature in own.features if not _answers(there.get(feature.name), feature)]


def _answers(found: Feature | None, wanted: Feature) -> bool:
    return found is not None and found.dtype == wanted.dtype and found.is_series == wanted.is_series


class Follower:
    """The reader of one view, whichever version is served; safe to share among threads.

    Parameters
    ----------
    make
        Makes the reader of a version (the first argument) in the shape of another one.
    """

    def __init__(
        self,
        own: FeatureView,
        online: OnlineStore,
        marks: CachedMark,
        moves: Moves,
        known: Callable[[str, str], FeatureView | None],
        make: Make,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.own, self._online, self._marks, self._moves = own, online, marks, moves
        self._known, self._make, self._now_s = known, make, now_s
        self._lock = threading.Lock()
        self._readers: dict[str, ViewReader] = {}
        self._settled: str | None = None
        self._looked_s = float("-inf")
        self._reader = self._made(own)

    @property
    def reader(self) -> ViewReader:
        """The reader of the version that answers; asks the store where that may be another one by now."""
        return self.follow() if self._looked_s == float("-inf") else self._reader

    def is_behind(self, reader: ViewReader) -> bool:
        """Whether another version may answer by now, as far as is known without asking."""
        if reader is not self._reader:
            return True
        moved = self._moves.get(self.own.name, reader.version)
        if moved is not None:
            return moved != self._settled
        is_bare = self._marks.peek(self.own.name, reader.version) is None
        return is_bare and self._now_s() - self._looked_s >= LOOK_S

    def follow(self) -> ViewReader:
        """Ask the store which version answers; blocks."""
        with self._lock:
            for _ in range(ROUNDS):
                versions = self._online.versions.of(self.own.name)
                chosen = answering(self.own, versions, self._known)
                mark, moved = self._online.held(self.own.name, chosen.version)
                if moved is None or chosen.version != versions.served:
                    break
            self._moves.note(self.own.name, chosen.version, moved)
            if mark is not None:
                self._marks.set(self.own.name, chosen.version, mark)
            self._settled, self._looked_s = moved, self._now_s()
            self._reader = self._made(chosen)
            return self._reader

    def _made(self, chosen: FeatureView) -> ViewReader:
        if chosen.version not in self._readers:
            self._readers[chosen.version] = self._make(chosen, self.own, self)
        return self._readers[chosen.version]
