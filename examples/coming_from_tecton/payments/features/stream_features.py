"""Stream views, one for each kind."""

from datetime import datetime, timedelta

from payments.data_sources.payments import payments_stream
from payments.entities import shop, user

from tilefold import (
    Aggregate,
    AggregationLeadingEdge,
    Attribute,
    BatchTriggerType,
    StreamFeatureView,
    StreamProcessingMode,
    stream_feature_view,
)
from tilefold.aggregation_functions import last
from tilefold.types import Field, Float64, Int32

shop_last_payment = StreamFeatureView(
    name="shop_last_payment",
    source=payments_stream,
    entities=[shop],
    online=True,
    offline=True,
    feature_start_time=datetime(2022, 5, 1),
    batch_schedule=timedelta(days=1),
    ttl=timedelta(days=30),
    batch_trigger=BatchTriggerType.MANUAL,
    timestamp_field="paid_at",
    features=[Attribute(name="amount", dtype=Float64), Attribute(name="refunded", dtype=Int32)],
    environment="core-1.1",
)


@stream_feature_view(
    source=payments_stream,
    entities=[user],
    mode="pandas",
    stream_processing_mode=StreamProcessingMode.CONTINUOUS,
    features=[
        Aggregate(
            input_column=Field("payment", Int32), function="count", time_window=timedelta(minutes=30), name="payments_30min"
        ),
        Aggregate(input_column=Field("payment", Int32), function="count", time_window=timedelta(hours=1), name="payments_1h"),
    ],
    feature_start_time=datetime(2022, 5, 1),
    timestamp_field="paid_at",
    description="How often a user has paid just now",
)
def user_payments_just_now(payments):
    pandas_df = payments[["user_id", "paid_at"]].copy()
    pandas_df["payment"] = 1
    return pandas_df


@stream_feature_view(
    source=payments_stream.unfiltered(),
    entities=[user],
    mode="python",
    features=[
        Aggregate(input_column=Field("net", Float64), function="sum", time_window=timedelta(days=1)),
        Aggregate(input_column=Field("net", Float64), function=last(2), time_window=timedelta(hours=1)),
    ],
    feature_start_time=datetime(2022, 5, 1),
    timestamp_field="paid_at",
)
def user_net(payment):
    if payment["amount"] is None:
        return None
    return {
        "user_id": payment["user_id"],
        "paid_at": payment["paid_at"],
        "net": -payment["amount"] if payment["refunded"] else payment["amount"],
    }


@stream_feature_view(
    source=payments_stream,
    entities=[user],
    mode="spark_sql",
    aggregation_interval=timedelta(hours=1),
    features=[
        Aggregate(input_column=Field("amount", Float64), function="sum", time_window=timedelta(hours=24)),
        Aggregate(input_column=Field("amount", Float64), function="max", time_window=timedelta(hours=72)),
    ],
    batch_schedule=timedelta(days=1),
    feature_start_time=datetime(2022, 5, 1),
    timestamp_field="paid_at",
    aggregation_leading_edge=AggregationLeadingEdge.LATEST_EVENT_TIME,
)
def user_travel(payments):
    return f"""
        SELECT user_id, paid_at, amount
        FROM {payments}
        WHERE kind = 'travel'
        """
