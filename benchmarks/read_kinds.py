"""Reads of a key with 50 features of all kinds against those of one with 5 sums, turn by turn.

python -m benchmarks.read_kinds [--reads 2000]
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from benchmarks.spending import SEED, START, user
from benchmarks.turns import machine, report, turns
from tilefold import (
    Aggregate,
    Attribute,
    BatchSource,
    CalendarWindow,
    Field,
    LifetimeWindow,
    TimeWindow,
    TimeWindowSeries,
    Workspace,
    batch_feature_view,
)
from tilefold.aggregation_functions import approx_count_distinct, approx_percentile, decayed_sum, first, last, last_distinct
from tilefold.declaration import FeatureView

AMOUNT, MERCHANT = Field("amount", pl.Float64), Field("merchant", pl.String)
DAY = timedelta(days=1)
DAYS = 60
USERS = {"quiet": 10, "usual": 200, "busy": 5_000}
"""Events of a user in all days."""
WINDOWS: list[Any] = [
    TimeWindow(7 * DAY),
    TimeWindow(30 * DAY),
    LifetimeWindow(),
    TimeWindow(7 * DAY, offset=-7 * DAY),
    CalendarWindow("month", "Europe/Berlin"),
]
KINDS: list[tuple[Field | None, Any]] = [
    (None, "count"),
    (AMOUNT, "sum"),
    (AMOUNT, "mean"),
    (AMOUNT, "max"),
    (AMOUNT, "stddev"),
    (MERCHANT, "last"),
    (MERCHANT, last_distinct(3)),
    (MERCHANT, approx_count_distinct()),
    (AMOUNT, approx_percentile(0.5)),
]
SERIES = TimeWindowSeries(series_start=-4 * DAY, step_size=DAY)
OTHERS = [
    Aggregate(input_column=AMOUNT, function=decayed_sum(7 * DAY), time_window=LifetimeWindow()),
    Aggregate(input_column=AMOUNT, function="sum", time_window=SERIES),
    Aggregate(input_column=AMOUNT, function=first(3), time_window=30 * DAY),
    Aggregate(input_column=AMOUNT, function=last(3), time_window=30 * DAY),
    Attribute("merchant", pl.String),
]
SUMS = [1, 7, 14, 30, 60]


def view(name: str, features: list[Any], **parameters: Any) -> FeatureView:
    """A view of the source below."""
    schema = [Field("user_id", pl.String), Field("timestamp", pl.Datetime("us", "UTC")), AMOUNT, MERCHANT]

    def spent(visits: pl.LazyFrame) -> pl.LazyFrame:
        return visits

    source = SOURCES.setdefault("visits", BatchSource("visits", schema=schema, timestamp_field="timestamp"))
    return batch_feature_view(
        name=name,
        source=source,
        entities=[user],
        feature_start_time=datetime(2020, 1, 1, tzinfo=UTC),
        features=features,
        **parameters,
    )(spent)


SOURCES: dict[str, BatchSource] = {}


def views() -> list[FeatureView]:
    """50 features of all kinds, 5 sums, and 5 sums by a secondary key beside."""
    all_kinds = [Aggregate(input_column=c, function=f, time_window=w) for w in WINDOWS for c, f in KINDS]
    sums = [Aggregate(input_column=AMOUNT, function="sum", time_window=TimeWindow(days * DAY)) for days in SUMS]
    return [
        view("kinds", [*all_kinds, *OTHERS]),
        view("sums", sums),
        view("parted", sums, aggregation_secondary_key="merchant"),
    ]


def events() -> pl.DataFrame:
    """Events of all users, at random times."""
    drawn = np.random.default_rng(SEED)
    users = np.repeat(list(USERS), list(USERS.values()))
    times = int(START.timestamp()) * 1_000_000 + drawn.integers(0, DAYS * 86_400_000_000, len(users))
    merchants = np.minimum(drawn.zipf(1.5, len(users)), 300)
    return pl.DataFrame(
        {
            "user_id": users,
            "timestamp": pl.Series(times).cast(pl.Datetime("us", "UTC")),
            "amount": drawn.lognormal(3, 1, len(users)).round(2),
            "merchant": pl.select("m" + pl.Series(merchants).cast(pl.String)).to_series(),
        }
    )


def compare(ws: Workspace, name: str, kinds: str, reads: int, target: str) -> None:
    """Reads of a user in two views, turn by turn: by the clock, and by this process's own time of the processor."""
    keys = {"user_id": name}
    tiles = len(ws.explain(kinds, keys).tiles)

    def ours() -> object:
        return ws.get_features(kinds, keys).values

    def sums() -> object:
        return ws.get_features("sums", keys).values

    report(f"{name} key, {kinds}, {tiles} tiles", turns(ours, sums, reads), target, 1e6, "us")
    best = [min(cpu_seconds(each) for _ in range(reads)) * 1e6 for each in (ours, sums)]
    print(
        f"    processor, best of {reads}: {best[0]:.0f} us beside {best[1]:.0f} us, ratio {best[0] / best[1]:.2f}", flush=True
    )


def cpu_seconds(work: Callable[[], object]) -> float:
    """The processor's time of one call."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=2_000)
    asked = parser.parse_args()
    end = START + DAYS * DAY
    made = views()
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory())
        ws = stack.enter_context(Workspace(root=root, definitions=made, clock=lambda: end + timedelta(hours=12)))
        ws.append("visits", events())
        for each in made:
            ws.materialize(each.name, end)
        print(machine())
        for name in USERS:
            compare(ws, name, "kinds", asked.reads, "<= 3")
            compare(ws, name, "parted", asked.reads, "none")


if __name__ == "__main__":
    main()
