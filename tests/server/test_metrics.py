"""What the server counts: bounded labels, several processes added up, and gauges that are worked out when asked."""

import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.pipelines import day, declare
from tests.running import PROJECT
from tilefold.engine.mark import Mark
from tilefold.engine.time import to_us
from tilefold.errors import StoreUnavailableError
from tilefold.server.live_metrics import live_metrics
from tilefold.server.metrics import Metrics
from tilefold.serving.stream_standing import Standing
from tilefold.serving.writer_report import WriterReport

WORKER = """
import sys
from pathlib import Path
from tilefold.server.metrics import Metrics
metrics = Metrics(["spend"], Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    metrics.request("get-features", "spend", 200, 0.003)
metrics.store(0.001)
sys.stdout.buffer.write(metrics.exposition())
"""


def lines(exposition: bytes) -> dict[str, float]:
    """The samples by name and labels."""
    told = [line.rpartition(" ") for line in exposition.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in told}


def test_requests_are_counted_by_service() -> None:
    """Latency by endpoint and service, and how many ended with which status."""
    metrics = Metrics(["spend"])
    metrics.request("get-features", "spend", 200, 0.003)
    metrics.request("get-features", "spend", 200, 0.3)
    metrics.request("get-features", "spend", 400, 0.0001)
    found = lines(metrics.exposition())
    labels = 'endpoint="get-features",service="spend"'
    assert found[f"tilefold_request_duration_seconds_count{{{labels}}}"] == 3
    assert found['tilefold_request_duration_seconds_bucket{endpoint="get-features",le="0.005",service="spend"}'] == 2
    assert found[f'tilefold_requests_total{{{labels},status="200"}}'] == 2


def test_names_that_are_not_declared_are_one() -> None:
    """Whatever callers send as a name, there is one label for all of it."""
    metrics = Metrics(["spend"])
    for number in range(100):
        metrics.request("get-features", f"guess-{number}", 404, 0.001)
        metrics.stale(f"guess-{number}", 1)
        metrics.ingested(f"guess-{number}", "refused", 1)
    found = lines(metrics.exposition())
    assert {service for name in found for service in re.findall(r'(?:service|source)="([^"]*)"', name)} == {"unknown"}
    assert found['tilefold_stale_reads_total{service="unknown"}'] == 100


def test_events_are_counted_by_outcome() -> None:
    """What became of pushed events; an outcome that nothing had is not there."""
    metrics = Metrics(["clicks"])
    metrics.ingested("clicks", "accepted", 5)
    metrics.ingested("clicks", "duplicate", 0)
    found = lines(metrics.exposition())
    assert found['tilefold_ingested_events_total{outcome="accepted",source="clicks"}'] == 5
    assert not any("duplicate" in name for name in found)


def test_workers_are_added_up(tmp_path: Path) -> None:
    """Of several processes, also of one that has ended, whoever is asked tells the sum."""
    for count in (3, 4):
        done = subprocess.run(
            [sys.executable, "-c", WORKER, str(tmp_path), str(count)], cwd=PROJECT, capture_output=True, check=True
        )
    found = lines(done.stdout)
    assert found['tilefold_request_duration_seconds_count{endpoint="get-features",service="spend"}'] == 7
    assert found["tilefold_store_duration_seconds_count"] == 2


class Served:
    """What live metrics are asked of, with stores that the test sets."""

    def __init__(self, marks: dict[str, Mark | None], standing: Standing | None = None) -> None:
        self.views = [declare(name) for name in marks]
        self.sources = [] if standing is None else [standing.source]
        self._marks, self._standing = marks, standing
        self.down = False

    def now(self) -> datetime:
        """A time that stands."""
        return day(3.5)

    def mark(self, view: Any) -> Mark | None:
        """The mark that the test set."""
        if self.down:
            raise StoreUnavailableError
        return self._marks[view.name]

    def standing(self, source: str) -> Standing:
        """The standing that the test set."""
        assert self._standing is not None
        assert source == self._standing.source
        return self._standing


def live(served: Served) -> dict[str, float]:
    """The samples of live metrics."""
    return lines(Metrics([]).exposition(live_metrics(served)))


def test_watermarks_have_an_age() -> None:
    """How old each view's watermark is, beside the age at which reads turn STALE; none where nothing is compacted."""
    found = live(Served({"old": Mark(to_us(day(2)), 4), "new": None, "begun": Mark(to_us(day(0)), 0)}))
    assert found['tilefold_watermark_age_seconds{view="old"}'] == 1.5 * 86_400
    assert found['tilefold_watermark_valid_seconds{view="new"}'] == 2 * 86_400
    assert [name for name in found if "age_seconds" in name] == ['tilefold_watermark_age_seconds{view="old"}']
    assert found["tilefold_store_up"] == 1


def test_writers_have_a_lag() -> None:
    """How many events wait, who is at them, and how old the newest written event is."""
    reports = {"a": SimpleNamespace(waiting="", behind_s=2.5)}
    writers: dict[str, WriterReport] = reports  # type: ignore[assignment]
    found = live(Served({}, Standing("clicks", 12, 4, {0: "a"}, writers, to_us(day(3.4)))))
    assert found['tilefold_writer_lag_events{source="clicks"}'] == 12
    assert found['tilefold_writer_behind_seconds{source="clicks"}'] == 2.5
    assert found['tilefold_writers{source="clicks"}'] == 1
    assert round(found['tilefold_newest_event_age_seconds{source="clicks"}']) == 8640


def test_a_stream_that_nobody_takes_has_no_lag() -> None:
    """What is not known is left out, not made 0."""
    found = live(Served({}, Standing("clicks", None, 4, {}, {}, None)))
    assert not [name for name in found if "lag" in name or "newest" in name]


def test_a_store_that_is_down_is_a_fact() -> None:
    """The page goes on and says that the stores do not answer."""
    served = Served({"old": Mark(to_us(day(2)), 4)})
    served.down = True
    found = live(served)
    assert found["tilefold_store_up"] == 0
    assert not any("watermark" in name for name in found)


def test_samples_are_counted_by_view() -> None:
    """How many sampled reads were written, and how many did not fit."""
    metrics = Metrics(["spend"])
    metrics.sampled("spend", "written", 7)
    metrics.sampled("spend", "dropped", 0)
    found = lines(metrics.exposition())
    assert {name: value for name, value in found.items() if name.startswith("tilefold_samples_total")} == {
        'tilefold_samples_total{outcome="written",view="spend"}': 7
    }
