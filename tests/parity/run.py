"""A run: reads of several threads, all of them sampled, while events come and compactions are synced; then all are recomputed.

The rule: what events come is drawn from the seed: most of them now, some out of order by seconds, some late by up to days, some
sent again. What reads, compactions and syncs meet of them is up to the machine.
"""

import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tilefold import (
    Aggregate,
    Attribute,
    BatchSource,
    Entity,
    Field,
    LifetimeWindow,
    PushConfig,
    StreamSource,
    TimeWindow,
    TimeWindowSeries,
    Workspace,
    batch_feature_view,
    stream_feature_view,
)
from tilefold.aggregation_functions import approx_count_distinct, approx_percentile, last, last_distinct
from tilefold.declaration import FeatureView
from tilefold.serving.parity_report import ParityReport
from tilefold.serving.sampling import Sampling
from tilefold.types import Float64, Int64, String, Timestamp

SOURCE, BILLED = "pushed", "billed"
APPEND_EVERY = 20  # pushes
BATCH, PUSH_EVERY_S, COMPACT_EVERY_S = 20, 0.2, 5.0
KEYS_AT_ONCE = 200
HISTORY = timedelta(days=3)
SCHEDULE = timedelta(minutes=1)
_UNITS, _AMOUNT, _LABEL = Field("units", Int64), Field("amount", Float64), Field("label", String)
_SCHEMA = [Field("user", String), Field("at", Timestamp), _UNITS, _AMOUNT, _LABEL]
Tell = Callable[[str], None]


def views_of(start: datetime) -> list[FeatureView]:
    """A stream view and batch views, with windows and functions of most kinds."""
    pushed = StreamSource(SOURCE, schema=_SCHEMA, timestamp_field="at", stream_config=PushConfig())
    billed = BatchSource(BILLED, schema=_SCHEMA, timestamp_field="at")
    given: dict[str, Any] = {
        "entities": [Entity("user", join_keys=[Field("user", String)])],
        "feature_start_time": start,
        "batch_schedule": SCHEDULE,
    }
    minutes, day = timedelta(minutes=10), timedelta(days=1)
    wanted: list[tuple[Field | None, Any, Any]] = [
        (None, "count", TimeWindow(minutes)),
        (_UNITS, "sum", TimeWindow(day)),
        (_AMOUNT, "mean", TimeWindow(day)),
        (_AMOUNT, "stddev", TimeWindow(timedelta(hours=6))),
        (_UNITS, "max", TimeWindow(timedelta(hours=1), offset=-timedelta(hours=1))),
        (_LABEL, last_distinct(3), TimeWindow(day)),
        (_LABEL, approx_count_distinct(), LifetimeWindow()),
        (_AMOUNT, approx_percentile(0.5), TimeWindow(day)),
        (_UNITS, last(2), LifetimeWindow()),
        (_UNITS, "sum", TimeWindowSeries(series_start=-3 * minutes, step_size=minutes)),
    ]
    features = [Aggregate(input_column=c, function=f, time_window=w) for c, f, w in wanted]
    exact = Aggregate(input_column=_UNITS, function="sum", time_window=timedelta(minutes=30), trailing_edge="exact")
    stream = stream_feature_view(name="live", source=pushed, features=[*features, exact], **given)(_passed)
    attributes = batch_feature_view(name="newest", source=billed, features=[Attribute("label", String)], ttl=day, **given)(
        _passed
    )
    return [stream, batch_feature_view(name="closed", source=billed, features=features, **given)(_passed), attributes]


def _passed(events: pl.LazyFrame) -> pl.LazyFrame:
    return events


@dataclass
class Outcome:
    """What a run did and found."""

    seed: int
    reads: int = 0
    pushed: int = 0
    late: int = 0
    duplicates: int = 0
    compactions: int = 0
    seconds: float = 0.0
    slowest_s: dict[str, float] = field(default_factory=dict)
    reports: list[ParityReport] = field(default_factory=list)

    def __str__(self) -> str:
        findings = [f"{each.view}: {each.samples:,} reads, {_counts(each)}, {each.dropped:,} dropped" for each in self.reports]
        events = f"{self.pushed:,} events pushed ({self.late:,} late, {self.duplicates:,} sent again)"
        head = f"seed {self.seed}: {self.reads:,} reads in {self.seconds:.0f} s, {events}, {self.compactions} compactions"
        stalls = ", ".join(f"{what} {taken_s:.1f} s" for what, taken_s in sorted(self.slowest_s.items()))
        return "\n".join([head, f"the slowest: {stalls}", *findings])

    @contextmanager
    def timing(self, what: str) -> Iterator[None]:
        """Keep how long the slowest of these took: an event that waits for a minute is a mismatch, whatever holds it up."""
        began_s = time.monotonic()
        yield
        self.slowest_s[what] = max(self.slowest_s.get(what, 0.0), time.monotonic() - began_s)


def _counts(report: ParityReport) -> str:
    return ", ".join(f"{count:,} {finding}" for finding, count in sorted(report.total.items()))


class Run:
    """One run in a folder of its own."""

    def __init__(self, base: Path, seed: int, tell: Tell, users: int) -> None:
        self._drawn, self._tell, self._users = random.Random(seed), tell, users
        self._start = datetime.now(UTC) - HISTORY
        self._views = views_of(self._start)
        self._sent: list[dict[str, Any]] = []
        self._counting, self._end = threading.Lock(), threading.Event()
        sampling = Sampling(rate=1, flush_s=2)
        self._ws = Workspace(base, self._views, sampling=sampling)
        self.outcome = Outcome(seed)

    def go(self, reads: int, readers: int = 2, seconds_max: float = math.inf) -> Outcome:
        """Read so often, or for so long, while all goes on, and recompute."""
        with self._ws:
            self._begin()
            began_s = time.monotonic()
            with self._working(self._push, self._compact), ThreadPoolExecutor(readers) as pool:
                done = [pool.submit(self._read, reads, began_s + seconds_max, number) for number in range(readers)]
                [each.result() for each in done]
            self.outcome.seconds = time.monotonic() - began_s
            self._tell(f"{self.outcome.reads:,} reads in {self.outcome.seconds:.0f} s; now they are recomputed")
            self.outcome.reports = [self._ws.parity(view.name) for view in self._views]
        return self.outcome

    def _begin(self) -> None:
        """Some days of history, compacted and synced."""
        span_s = HISTORY.total_seconds()
        rows = [
            self._event(self._start + timedelta(seconds=self._drawn.uniform(0, span_s - 1))) for _ in range(40 * self._users)
        ]
        for source in (SOURCE, BILLED):
            self._append(source, rows)
        for view in self._views:
            self._ws.materialize(view.name)

    def _append(self, source: str, rows: Sequence[dict[str, Any]]) -> None:
        schema = {each.name: each.dtype for each in _SCHEMA} | {"event_id": pl.String()}
        self._ws.append(source, pl.DataFrame(rows, schema=schema))

    @contextmanager
    def _working(self, *works: Callable[[], None]) -> Iterator[None]:
        with ThreadPoolExecutor(len(works)) as pool:
            going: list[Future[None]] = [pool.submit(work) for work in works]
            try:
                yield
            finally:
                self._end.set()
            [each.result() for each in going]

    def _read(self, reads: int, until_s: float, number: int) -> None:
        drawn = random.Random(self.outcome.seed + number)
        while self.outcome.reads < reads and time.monotonic() < until_s and not self._end.is_set():
            view = drawn.choices(self._views, [6, 1, 1])[0]
            keys = [{"user": f"u{drawn.randrange(self._users)}"} for _ in range(KEYS_AT_ONCE)]
            with self.outcome.timing("read"):
                self._ws.get_features_batch(view.name, keys)
            with self._counting:
                self.outcome.reads += len(keys)

    def _push(self) -> None:
        number = 0
        while not self._end.wait(PUSH_EVERY_S):
            rows = [self._drawn_event() for _ in range(BATCH)]
            with self.outcome.timing("push"):
                receipt = self._ws.ingest(SOURCE, rows)
            assert not receipt.refused, receipt.refused[:3]
            self.outcome.pushed += receipt.accepted
            self.outcome.duplicates += receipt.duplicate
            self._sent = (self._sent + rows)[-5000:]
            number += 1
            if not number % APPEND_EVERY:
                self._append(BILLED, [*rows, *self._sent[-APPEND_EVERY * BATCH :]])

    def _drawn_event(self) -> dict[str, Any]:
        now, kind = datetime.now(UTC), self._drawn.random()
        if kind < 0.05 and self._sent:
            return self._drawn.choice(self._sent)
        if kind < 0.10:
            self.outcome.late += 1
            return self._event(now - timedelta(seconds=self._drawn.uniform(60, 2 * 86_400)))
        return self._event(now - timedelta(seconds=self._drawn.uniform(0, 5 if kind < 0.3 else 0.05)))

    def _event(self, at: datetime) -> dict[str, Any]:
        drawn = self._drawn
        return {
            "user": f"u{drawn.randrange(self._users)}",
            "at": at,
            "units": drawn.randrange(-50, 1000),
            "amount": round(drawn.lognormvariate(3, 1), 2),
            "label": f"l{drawn.randrange(40)}",
            "event_id": f"{drawn.getrandbits(64):x}",
        }

    def _compact(self) -> None:
        """All views, one after the other, again and again."""
        while not self._end.is_set():
            for view in self._views:
                with self.outcome.timing("materialize"):
                    report = self._ws.materialize(view.name)
                self.outcome.compactions += report.compaction is not None
            self._end.wait(COMPACT_EVERY_S)
