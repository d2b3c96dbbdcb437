"""Merged reads of the online store, and what is behind them.

The rule: all but `get_own_features_batch` ask the version that answers reads, whichever is declared here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tilefold.serving.explain import explain
from tilefold.serving.explained import Explanation
from tilefold.serving.read import FeatureVector
from tilefold.stores.online_store import OnlineClient
from tilefold.workspace.events import Events


class Reads(Events):
    """What the workspace serves."""

    def get_features(self, name: str, keys: Mapping[str, Any], at: datetime | None = None) -> FeatureVector:
        """The features of a view or service for one entity, now or at a time at or after the watermark.

        Raises
        ------
        InputError
            If a join key is missing, unknown, null or of a wrong type.
        ReadTimeError
            If `at` lies before the watermark.
        NotOnlineError
            If the view, or one of the service, is declared `online=False`.
        UnknownNameError
            If nothing of that name is declared.
        """
        return self._parts.reader(name).get(keys, self._read_time(at), now=at is None)

    def get_features_batch(
        self, name: str, keys: Sequence[Mapping[str, Any]], at: datetime | None = None
    ) -> list[FeatureVector]:
        """`get_features` for many entities in one round trip, in the order asked."""
        return self._parts.reader(name).get_many(keys, self._read_time(at), now=at is None)

    def get_own_features_batch(
        self, view: str, keys: Sequence[Mapping[str, Any]], at: datetime | None = None
    ) -> list[FeatureVector]:
        """`get_features_batch` of the version that is declared here, whichever is served: for checks before a switch."""
        return self._parts.own_reader(view).get_many(keys, self._read_time(at), now=at is None)

    def explain(
        self, view: str, keys: Mapping[str, Any], at: datetime | None = None, *, reference: bool = False
    ) -> Explanation:
        """The tiles behind each value of one entity.

        Parameters
        ----------
        reference
            Compare the values with what plain Python makes of the event log, which a stream is drained into first. It
            goes over every event of the entity within reach of a window.

        Raises
        ------
        InputError
            As `get_features`; with `reference`, if the entity has more events than plain Python is asked to go over.
        """
        answering, time = self._parts.view_reader(view).context, self._read_time(at)
        reader = self._parts.plain_reader(answering.view)
        explained = explain(answering, reader, self.online_store, keys, time, now=at is None)
        if not reference:
            return explained.explanation
        source = self.definitions.view(view).source.name
        if self._parts.events(source).has_stream:
            self.drain(source)
        return explained.compared()

    def online_client(self) -> OnlineClient:
        """A client of the online store's server, for inspection and benchmarks."""
        return self.online_store.client

    def online_key(self, view: str, keys: Mapping[str, Any]) -> bytes:
        """The key (of a hash) that holds an entity."""
        return self._parts.view_reader(view).key(keys)
