"""The versions of a source's views that stand beside those that this process was given, as far as streams go.

The rule: whoever folds a stream folds it into every version that the store holds and whose code is at hand: the one that is
served, one that is being made ready, one that others may read for a minute yet. A version is entered in the store before its
stream parts are written, and it is asked which there are after an event was appended: so no version misses an event between its
seeding and the next look.
"""

import logging
import threading
from collections.abc import Callable, Sequence

from tilefold.declaration.views import FeatureView
from tilefold.serving.stream_ports import StreamTarget
from tilefold.stores.view_versions import Versions, ViewVersions

Known = tuple[str, str]
_UNWRITTEN = (
    "view '%s': version %s is served, and its code is not at hand here: events that this process folds come into reads only "
    "when a writer with the old definitions takes them; keep one running until the switch"
)
_log = logging.getLogger(__name__)


class VersionsBeside:
    """Other versions of some stream views; safe to share among threads.

    Parameters
    ----------
    own
        The views that this process was given.
    computable
        A version by name and version, with its code; None where that is not at hand.
    target_of
        A version as a writer takes it.

    Attributes
    ----------
    targets
        The versions that can be folded here.
    held
        Those whose places hold the log back: what is served, and what can be folded here and was not switched away from.
    """

    def __init__(
        self,
        own: Sequence[FeatureView],
        versions: ViewVersions,
        computable: Callable[[str, str], FeatureView | None],
        target_of: Callable[[FeatureView], StreamTarget],
    ) -> None:
        self._own, self._versions, self._computable, self._target_of = own, versions, computable, target_of
        self._targets: dict[Known, StreamTarget] = {}
        self._seen: list[Versions] | None = None
        self._lock = threading.Lock()
        self.targets: Sequence[StreamTarget] = ()
        self.held: Sequence[Known] = ()

    def look(self) -> None:
        """Ask the store which versions there are."""
        with self._lock:
            seen = [self._versions.of(view.name) for view in self._own]
            if seen != self._seen:
                self._take(seen)

    def _take(self, seen: list[Versions]) -> None:
        held: list[Known] = []
        targets: list[StreamTarget] = []
        for view, versions in zip(self._own, seen, strict=True):
            for version in versions.standing:
                known = (view.name, version)
                target = None if version == view.version else self._target(known)
                if target is not None:
                    targets.append(target)
                is_kept = target is not None and version not in versions.retired
                if version != view.version and (version == versions.served or is_kept):
                    held.append(known)
                if target is None and version == versions.served != view.version:
                    _log.warning(_UNWRITTEN, view.name, version)
        self.targets, self.held, self._seen = targets, held, seen

    def serve_first(self) -> None:
        """Serve the views of this process where none of their versions is served yet."""
        for view in self._own:
            self._versions.serve_first(view.name, view.version)

    def _target(self, known: Known) -> StreamTarget | None:
        if known not in self._targets:
            view = self._computable(*known)
            if view is None or view.kind != "stream":
                return None
            self._targets[known] = self._target_of(view)
        return self._targets[known]
