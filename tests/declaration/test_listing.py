# ruff: noqa: D103 - the listing stands here as people write it
from datetime import UTC, datetime, timedelta

import polars as pl

from tilefold import Aggregate, BatchSource, DeltaConfig, Entity, OfflineStoreConfig, batch_feature_view
from tilefold.types import Field, Float64, String, Timestamp

transactions = BatchSource(
    "transactions", schema=[Field("user_id", String), Field("timestamp", Timestamp), Field("amount", Float64)]
)
user = Entity(name="user", join_keys=[Field("user_id", String)])


@batch_feature_view(
    sources=[transactions],
    entities=[user],
    mode="sql",
    aggregation_interval=timedelta(days=1),
    features=[Aggregate(input_column=Field("amount", Float64), function="mean", time_window=timedelta(days=30))],
    feature_start_time=datetime(2022, 5, 1),  # noqa: DTZ001 - it means UTC
    offline=True,
    online=True,
    timestamp_field="timestamp",
    offline_store=OfflineStoreConfig(staging_table_format=DeltaConfig()),
    batch_compaction_enabled=True,
    tecton_materialization_runtime="0.8.2",
)
def user_average_transaction_amount(transactions):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    return f"""
        SELECT user_id, timestamp, amount
        FROM {transactions}
        """


def test_listing() -> None:
    """The compaction guide's listing is declared as it stands, and its query runs."""
    view = user_average_transaction_amount
    assert [feature.name for feature in view.features] == ["amount_mean_30d"]
    at = datetime(2022, 5, 2, tzinfo=UTC)
    events = pl.LazyFrame(
        {"user_id": ["u"], "timestamp": [at], "amount": [1.5], "event_id": ["1"]}, schema=transactions.input_schema
    )
    assert view.transform(events).collect().rows() == [("u", at, 1.5)]
