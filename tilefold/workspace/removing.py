"""What is taken away: old compactions, old versions, an entity.

The rule: what is served, or may still be read elsewhere, stays; each report says what stayed and why.
"""

from collections.abc import Mapping
from typing import Any

from tilefold.serving.forget import Forgetting, PassedStream
from tilefold.serving.prune import prune
from tilefold.serving.removal import remove_old_versions
from tilefold.serving.reports import (
    ForgetReport,
    PruneReport,
    RemovalReport,
)
from tilefold.workspace.events import Events


class Removing(Events):
    """What the workspace removes when it is told to."""

    def prune(self, view: str, keep: int) -> PruneReport:
        """Remove compactions: all but those of the newest `keep` watermarks, the served one and those whose sync has begun.

        Their files stay on disk until the table is vacuumed. Raises `InputError` where `keep` is below 1.
        """
        return prune(self.context(view), self.online_store, keep)

    def remove_old_versions(self, view: str) -> RemovalReport:
        """Remove all versions of a view but the served one and the one declared here: keys, tables, kept definitions.

        What was switched away from in the last minute stays, since other processes may read it yet.
        """
        context = self.context(view)
        base = context.uri.removesuffix(context.view.version)
        return remove_old_versions(context.view, self.online_store, self._parts.kept, lambda version: f"{base}{version}")

    def forget(self, view: str, keys: Mapping[str, Any]) -> ForgetReport:
        """Take an entity out of everything that is kept of it: logs, tables, the online store, and the files of all these.

        Its events are those of the view's source whose columns hold these keys; they leave every view of that source. What
        comes after is counted as if it were new. Run it while nothing builds: `left` tells what was built meanwhile.

        Parameters
        ----------
        keys
            The join keys of the view.

        Raises
        ------
        InputError
            If the keys are not the view's, are no columns of its source, or some view makes them of other columns.
        StoreUnavailableError
            If a server does not answer, or a stream writer takes too long. Run it again.
        """
        context = self.context(view)
        source = context.view.source.name
        forgetting, desk = Forgetting(context, self._parts.contexts_of(source), keys), self._parts.events(source)
        stream = self._passed_stream(source) if desk.has_stream else None
        self._parts.flush_samples()
        return forgetting.run(self.online_store, desk.dead_letters, stream)

    def _passed_stream(self, source: str) -> PassedStream:
        """The stream log, once its events up to now are in the event log and in the stream parts."""
        positions = {shard: place.position for shard, place in self.drain(source).places.items()}
        desk = self._parts.streams(source)
        desk.make_visible(positions, wait=True)
        return PassedStream(desk.log, positions)
