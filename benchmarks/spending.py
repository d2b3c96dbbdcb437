"""The data of the benchmarks: users who spend, most of them little and a few of them very much (Zipf)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from tilefold import Aggregate, BatchSource, Entity, Field, LifetimeWindow, TimeWindow, batch_feature_view
from tilefold.declaration.views import FeatureView

SEED = 20_240_501
START = datetime(2024, 1, 1, tzinfo=UTC)
FUNCTIONS = ("count", "sum", "mean", "min", "max")

spending = BatchSource(
    name="spending",
    schema=[
        Field("user_id", pl.String),
        Field("timestamp", pl.Datetime("us", "UTC")),
        Field("amount", pl.Float64),
    ],
    timestamp_field="timestamp",
)
user = Entity(name="user", join_keys=[Field("user_id", pl.String)])


def spending_view(name: str, days: tuple[int, ...], *, lifetime: bool = False, compaction: bool = True) -> FeatureView:
    """A view of five functions of the amount over windows of so many days."""
    amount = Field("amount", pl.Float64)
    windows = [TimeWindow(window_size=timedelta(days=day)) for day in days] + ([LifetimeWindow()] if lifetime else [])

    def spent(spending: pl.LazyFrame) -> pl.LazyFrame:
        return spending.select("user_id", "timestamp", "amount")

    return batch_feature_view(
        name=name,
        source=spending,
        entities=[user],
        mode="polars",
        feature_start_time=datetime(2020, 1, 1, tzinfo=UTC),
        compaction_enabled=compaction,
        features=[Aggregate(input_column=amount, function=f, time_window=w) for w in windows for f in FUNCTIONS],
    )(spent)


def zipf_days(events: int, keys: int, days: int) -> Iterator[tuple[date, pl.DataFrame]]:
    """Events of each day; the k-th busiest of `keys` users has a share of them in proportion to 1 / k."""
    drawn = np.random.default_rng(SEED)
    shares = np.cumsum(1 / np.arange(1, keys + 1))
    for day in range(days):
        start = START + timedelta(days=day)
        users = np.searchsorted(shares, drawn.random(events // days) * shares[-1])
        yield start.date(), events_of_day(start, users, drawn)


def events_of_day(start: datetime, users: np.ndarray, drawn: np.random.Generator) -> pl.DataFrame:
    """One event for each of these users, at times of one day."""
    first_us = int(start.timestamp()) * 1_000_000
    times = first_us + np.sort(drawn.integers(0, 86_400_000_000, len(users)))
    return pl.DataFrame(
        {
            "user_id": pl.select("u" + pl.Series(users).cast(pl.String)).to_series(),
            "timestamp": pl.Series(times).cast(pl.Datetime("us", "UTC")),
            "amount": drawn.lognormal(3, 1, len(users)).round(2),
        }
    )
