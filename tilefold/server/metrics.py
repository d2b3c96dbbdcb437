"""What the server counts: requests, store round trips, stale reads, ingested events.

The rule: labels are names that are declared, never what a caller sent, so their number is bounded. With several workers each
process counts in files of one folder, and whoever is asked adds them up: a count never goes back when a worker ends. The client
library decides how it counts when it is imported, so it is imported here, once the folder is known.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

PREFIX: Final = "tilefold_"
FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
UNKNOWN: Final = "unknown"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


@contextmanager
def counting_together() -> Iterator[None]:
    """Let the processes that are started meanwhile count in one folder, which is gone afterwards."""
    before = os.environ.get(FOLDER_VARIABLE)
    with TemporaryDirectory(prefix="tilefold-metrics-") as folder:
        os.environ[FOLDER_VARIABLE] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[FOLDER_VARIABLE]
            else:
                os.environ[FOLDER_VARIABLE] = before


class Metrics:
    """The counters of one server process.

    Parameters
    ----------
    names
        The declared views, services and sources; any other name is counted as `unknown`, none as empty.
    folder
        Where the workers of one server count together, empty when the server starts; None for a single process.
    """

    def __init__(self, names: Collection[str], folder: Path | None = None) -> None:
        if folder is not None:
            os.environ[FOLDER_VARIABLE] = str(folder)
        self._client = import_module("prometheus_client")
        shared = import_module("prometheus_client.values").ValueClass.__name__ == "MmapedValue"
        assert shared == (folder is not None), "the client library was imported before the folder was known"
        self._names, self._folder = frozenset(names), folder
        self._registry = self._client.CollectorRegistry()
        self._seconds = self._histogram("request_duration_seconds", "How long requests took.", "endpoint", "service")
        self._requests = self._counter("requests", "Requests by HTTP status.", "endpoint", "service", "status")
        self._store = self._histogram("store_duration_seconds", "How long round trips to the online store took.")
        self._stale = self._counter("stale_reads", "Rows that were served with a STALE value.", "service")
        self._ingested = self._counter("ingested_events", "Pushed events by what became of them.", "source", "outcome")
        self._samples = self._counter("samples", "Sampled reads by what became of them.", "view", "outcome")
        self._pairs: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def request(self, endpoint: str, service: str, status: int, seconds: float) -> None:
        """Count a request that was answered; of the endpoint's path the last part is told."""
        key = (endpoint, self._known(service), status)
        found = self._pairs.get(key)
        if found is None:  # looked up once: asking the library for a label costs as much as counting
            last = endpoint.rpartition("/")[2]
            seconds_of, requests_of = self._seconds.labels(last, key[1]), self._requests.labels(last, key[1], str(status))
            found = self._pairs[key] = (seconds_of.observe, requests_of.inc)
        observe, count = found
        observe(seconds)
        count()

    def store(self, seconds: float) -> None:
        """Count a round trip to the online store."""
        self._store.observe(seconds)

    def stale(self, service: str, rows: int) -> None:
        """Count rows that were served with a STALE value."""
        self._stale.labels(self._known(service)).inc(rows)

    def ingested(self, source: str, outcome: str, events: int) -> None:
        """Count pushed events: `accepted`, `duplicate`, `refused` or `late`."""
        if events:
            self._ingested.labels(self._known(source), outcome).inc(events)

    def sampled(self, view: str, outcome: str, rows: int) -> None:
        """Count sampled reads: `written` or `dropped`."""
        if rows:
            self._samples.labels(self._known(view), outcome).inc(rows)

    def exposition(self, live: Iterable[Any] = ()) -> bytes:
        """Everything that was counted, by all workers, in Prometheus' text format.

        Parameters
        ----------
        live
            Families of metrics that are worked out now, as `live_metrics` gives them.
        """
        registry = self._registry
        if self._folder is not None:
            registry = self._client.CollectorRegistry()
            import_module("prometheus_client.multiprocess").MultiProcessCollector(registry, path=str(self._folder))
        text: bytes = self._client.generate_latest(_Both(registry, list(live)))
        return text

    def _known(self, name: str) -> str:
        return name if name in self._names or not name else UNKNOWN

    def _histogram(self, name: str, about: str, *labels: str) -> Any:
        return self._client.Histogram(PREFIX + name, about, labels, registry=self._registry, buckets=BUCKETS_S)

    def _counter(self, name: str, about: str, *labels: str) -> Any:
        return self._client.Counter(PREFIX + name, about, labels, registry=self._registry)


class _Both:
    """What the library writes out: a registry, and families that are worked out now."""

    def __init__(self, registry: Any, live: list[Any]) -> None:
        self._registry, self._live = registry, live

    def collect(self) -> Iterable[Any]:
        """All families."""
        yield from self._registry.collect()
        yield from self._live
