"""What the benchmarks of the stream path share: a stream of payments, and a view of 4 windows by 5 functions on it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tilefold import Aggregate, Entity, Field, StreamSource, TimeWindow, stream_feature_view
from tilefold.declaration.views import FeatureView

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
SOURCE, VIEW = "payments", "paid"
USERS = 100_000
ZIPF = 1.1
FUNCTIONS = ("sum", "count", "mean", "min", "max")
WINDOWS = (timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=30))
_AMOUNT = Field("amount", pl.Float64)


def streaming_view() -> FeatureView:
    """Payments of a user, with trailing edges on their default grids."""
    source = StreamSource(
        name=SOURCE,
        schema=[Field("user_id", pl.String), Field("timestamp", pl.Datetime("us", "UTC")), _AMOUNT],
        timestamp_field="timestamp",
    )

    @stream_feature_view(
        name=VIEW,
        source=source,
        entities=[Entity(name="user", join_keys=[Field("user_id", pl.String)])],
        features=[
            Aggregate(input_column=_AMOUNT, function=function, time_window=TimeWindow(window_size=window))
            for window in WINDOWS
            for function in FUNCTIONS
        ],
        feature_start_time=datetime(2026, 1, 1, tzinfo=UTC),
    )
    def paid(payments: pl.LazyFrame) -> pl.LazyFrame:
        return payments.select("user_id", "timestamp", "amount")

    return paid


def zipf_users(count: int, drawn: np.random.Generator) -> np.ndarray:
    """Numbers of users, the share of the k-th falling with `k ** -ZIPF`."""
    weights = np.arange(1, USERS + 1, dtype=np.float64) ** -ZIPF
    edges = np.cumsum(weights / weights.sum())
    return np.searchsorted(edges, drawn.random(count)).clip(0, USERS - 1)


def payments(count: int, now: datetime, drawn: np.random.Generator) -> pl.DataFrame:
    """Payments of the second before `now`, each with an id of its own."""
    users = pl.Series(zipf_users(count, drawn)).cast(pl.String)
    ages_us = np.sort(drawn.integers(0, 1_000_000, count))[::-1]
    times = pl.Series(np.datetime64(now.replace(tzinfo=None), "us") - ages_us.astype("timedelta64[us]")).dt.replace_time_zone(
        "UTC"
    )
    amounts = drawn.exponential(20.0, count).round(2)
    frame = pl.DataFrame({"user_id": users, "timestamp": times, "amount": amounts})
    ids = pl.Series(drawn.integers(0, 2**62, count)).cast(pl.String)
    return frame.with_columns(("u" + pl.col("user_id")).alias("user_id"), ids.alias("event_id"))


def keys_of(frame: pl.DataFrame) -> list[str]:
    """The user of each payment."""
    return frame["user_id"].to_list()
