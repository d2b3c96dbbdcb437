"""From outcomes to metrics: what is counted of each request, and `/metrics`.

The rule: what it costs a request is a few additions; whatever has to be asked of a store is asked when the page is.
"""

import asyncio
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from tilefold.declaration.sources import StreamSource
from tilefold.declaration.views import FeatureView
from tilefold.engine.mark import Mark
from tilefold.server.answers import Answer
from tilefold.server.endpoints import Call, Handler
from tilefold.server.live_metrics import live_metrics
from tilefold.server.metrics import CONTENT_TYPE, FOLDER_VARIABLE, Metrics
from tilefold.server.outcomes import Outcome
from tilefold.server.served import Served
from tilefold.serving.stream_standing import Standing


class Counting:
    """Counts outcomes.

    Attributes
    ----------
    metrics
        What has been counted.
    """

    def __init__(self, served: Served) -> None:
        definitions = served.workspace.definitions
        names = [*definitions.views, *definitions.services, *definitions.sources]
        folder = os.environ.get(FOLDER_VARIABLE)
        self.metrics = Metrics(names, Path(folder) if folder else None)
        self.follow(served)

    def follow(self, served: Served) -> None:
        """Count the samples of a workspace, which is served from here on."""
        if served.parts.sampler is not None:
            served.parts.sampler.tell = self.metrics.sampled

    def record(self, outcome: Outcome) -> None:
        """Take note of one request."""
        metrics, service = self.metrics, outcome.service
        metrics.request(outcome.endpoint, service, outcome.status, outcome.seconds)
        if outcome.store_s is not None:
            metrics.store(outcome.store_s)
        if outcome.stale:
            metrics.stale(service, outcome.stale)
        for source, counts in outcome.ingested.items():
            for kind, events in counts.items():
                metrics.ingested(source, kind, events)


def exposing(metrics: Metrics) -> Handler:
    """The handler of `/metrics`."""

    async def handle(call: Call) -> Answer:
        """Everything that was counted, and how stores and streams stand now."""
        body = await asyncio.to_thread(lambda: metrics.exposition(live_metrics(_Now(call.served))))
        return Answer(200, body, CONTENT_TYPE.encode())

    return handle


class _Now:
    """What is served now, as live metrics ask for it."""

    def __init__(self, served: Served) -> None:
        self._served = served

    @property
    def views(self) -> Iterable[FeatureView]:
        """The views that are online."""
        return [view for view in self._served.workspace.definitions.views.values() if view.online]

    @property
    def sources(self) -> Iterable[str]:
        """The sources whose streams are in use."""
        workspace = self._served.workspace
        if not workspace.streams_used():
            return []
        return [name for name, source in workspace.definitions.sources.items() if isinstance(source, StreamSource)]

    def now(self) -> datetime:
        """The workspace's clock."""
        return self._served.workspace.now()

    def mark(self, view: FeatureView) -> Mark | None:
        """The committed mark of what is served of a view."""
        return self._served.workspace.online_store.served_mark(view.name, view.version)

    def standing(self, source: str) -> Standing:
        """How a stream stands."""
        return self._served.standing(source)
