"""What the server says of the store and the streams when it is asked: how old watermarks are, how far writers are behind.

The rule: it is worked out from the stores at that moment, by whichever worker is asked, and changes nothing. A store that does
not answer is a fact to tell (`tilefold_store_up 0`), not a failure of the page.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, Protocol

from tilefold.declaration.views import FeatureView
from tilefold.engine.mark import Mark
from tilefold.engine.time import to_us
from tilefold.errors import StoreUnavailableError
from tilefold.server.metrics import PREFIX
from tilefold.serving.stream_standing import Standing

_SECOND_US = 1e6
Values = Mapping[tuple[str, ...], float]


class Served(Protocol):
    """What is served, as this module asks for it."""

    @property
    def views(self) -> Iterable[FeatureView]:
        """The views that are online."""
        ...

    @property
    def sources(self) -> Iterable[str]:
        """The sources whose streams are in use."""
        ...

    def now(self) -> datetime:
        """The workspace's clock."""
        ...

    def mark(self, view: FeatureView) -> Mark | None:
        """A view's committed mark."""
        ...

    def standing(self, source: str) -> Standing:
        """How a stream stands."""
        ...


def live_metrics(served: Served) -> list[Any]:
    """The families of metrics, in the client library's terms."""
    now_us = to_us(served.now())
    try:
        marks = [(view, served.mark(view)) for view in served.views]
        standings = {source: served.standing(source) for source in served.sources}
    except StoreUnavailableError:
        return [_gauge("store_up", "Whether the stores answer.", {(): 0.0})]
    return [
        _gauge("store_up", "Whether the stores answer.", {(): 1.0}),
        *_of_views(marks, now_us),
        *_of_streams(standings, now_us),
    ]


def _of_views(marks: Sequence[tuple[FeatureView, Mark | None]], now_us: int) -> list[Any]:
    ages: Values = {(view.name,): (now_us - mark.watermark_us) / _SECOND_US for view, mark in marks if mark and mark.epoch}
    valid: Values = {(view.name,): view.valid_for_us / _SECOND_US for view, _ in marks}
    return [
        _gauge("watermark_age_seconds", "How old the watermark of a view is.", ages, "view"),
        _gauge("watermark_valid_seconds", "At what age reads of a view turn STALE.", valid, "view"),
    ]


def _of_streams(standings: Mapping[str, Standing], now_us: int) -> list[Any]:
    def each(value: Callable[[Standing], float | None]) -> Values:
        found = {(source,): value(standing) for source, standing in standings.items()}
        return {key: number for key, number in found.items() if number is not None}

    def age_s(standing: Standing) -> float | None:
        return None if standing.latest_us is None else (now_us - standing.latest_us) / _SECOND_US

    return [
        _gauge("writer_lag_events", "Accepted events that reads do not see yet.", each(lambda it: it.lag), "source"),
        _gauge("writer_behind_seconds", "Since when a writer is behind the log.", each(lambda it: it.behind_s), "source"),
        _gauge("writers", "Writer processes that live.", each(lambda it: len(it.writers)), "source"),
        _gauge("newest_event_age_seconds", "How old the newest written event is.", each(age_s), "source"),
    ]


def _gauge(name: str, about: str, values: Values, *labels: str) -> Any:
    family = import_module("prometheus_client.core").GaugeMetricFamily(PREFIX + name, about, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
