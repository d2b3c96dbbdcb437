"""A small shop's purchases: the declarations that the tests of the Dagster project run on."""

from datetime import UTC, datetime, timedelta

import polars as pl

from tilefold import (
    Aggregate,
    BatchSource,
    Entity,
    FeatureService,
    Field,
    FileConfig,
    LifetimeWindow,
    StreamSource,
    TimeWindow,
    batch_feature_view,
    stream_feature_view,
)
from tilefold.aggregation_functions import last_distinct
from tilefold.types import Float64, String, Timestamp

START = datetime(2024, 1, 1, tzinfo=UTC)

purchases = BatchSource(
    name="purchases",
    schema=[Field("user_id", String), Field("timestamp", Timestamp), Field("amount", Float64), Field("merchant", String)],
    timestamp_field="timestamp",
    batch_config=FileConfig("source/purchases.parquet"),
    description="Every purchase.",
    owner="shop",
    tags={"domain": "sales"},
)
visits = BatchSource(
    name="visits",
    schema=[Field("user_id", String), Field("timestamp", Timestamp)],
    timestamp_field="timestamp",
    data_delay=timedelta(hours=2),
)
clicks = StreamSource(
    name="clicks",
    schema=[Field("user_id", String), Field("timestamp", Timestamp), Field("page", String)],
    timestamp_field="timestamp",
    description="Every click, as it is made.",
)
user = Entity(name="user", join_keys=[Field("user_id", String)])


@batch_feature_view(
    source=purchases,
    entities=[user],
    mode="polars",
    features=[
        Aggregate(input_column=Field("amount", Float64), function="sum", time_window=TimeWindow(timedelta(days=3))),
        Aggregate(input_column=Field("amount", Float64), function="mean", time_window=LifetimeWindow()),
        Aggregate(input_column=Field("merchant", String), function=last_distinct(3), time_window=timedelta(days=7)),
        Aggregate(function="count", name="purchases_1d", time_window=timedelta(days=1)),
    ],
    feature_start_time=START + timedelta(hours=12),
    description="What a user spends.",
    owner="shop@example.com",
    tags={"tier": "gold", "free text": "of any kind"},
)
def user_spend(purchases: pl.LazyFrame) -> pl.LazyFrame:
    """Purchases with an amount."""
    return purchases.filter(pl.col("amount").is_not_null()).select("user_id", "timestamp", "amount", "merchant")


@batch_feature_view(
    source=purchases,
    entities=[Entity(name="merchant", join_keys=[Field("merchant", String)])],
    mode="polars",
    features=[Aggregate(function="count", name="sales_6h", time_window=timedelta(hours=6))],
    feature_start_time=START,
    batch_schedule=timedelta(hours=6),
)
def merchant_sales(purchases: pl.LazyFrame) -> pl.LazyFrame:
    """All purchases."""
    return purchases.select("merchant", "timestamp")


@batch_feature_view(
    source=visits,
    entities=[user],
    mode="polars",
    features=[Aggregate(function="count", name="visits_7d", time_window=timedelta(days=7))],
    feature_start_time=START,
    online=False,
)
def user_visits(visits: pl.LazyFrame) -> pl.LazyFrame:
    """All visits."""
    return visits.select("user_id", "timestamp")


@stream_feature_view(
    source=clicks,
    entities=[user],
    mode="polars",
    features=[
        Aggregate(function="count", name="clicks_1d", time_window=timedelta(days=1)),
        Aggregate(function="count", name="clicks_30d", time_window=timedelta(days=30)),
        Aggregate(input_column=Field("page", String), function=last_distinct(3), time_window=TimeWindow(timedelta(days=7))),
    ],
    feature_start_time=START,
    description="What a user clicks.",
)
def user_clicks(clicks: pl.LazyFrame) -> pl.LazyFrame:
    """All clicks."""
    return clicks.select("user_id", "timestamp", "page", "event_id")


shop = FeatureService(name="shop", features=[user_spend, merchant_sales])
