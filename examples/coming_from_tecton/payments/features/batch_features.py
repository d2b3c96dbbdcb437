"""Batch views, one for each kind."""

from datetime import datetime, timedelta

from payments.data_sources.payments import payments_batch
from payments.data_sources.users import logins_batch, users_batch
from payments.entities import shop, user

from tilefold import (
    Aggregate,
    Attribute,
    BatchFeatureView,
    BatchTriggerType,
    LifetimeWindow,
    TimeWindow,
    TimeWindowSeries,
    batch_feature_view,
    const,
    transformation,
)
from tilefold.aggregation_functions import approx_count_distinct, last_distinct
from tilefold.types import Field, Float64, Int32, Int64, String

KINDS = ["food", "travel"]


@batch_feature_view(
    sources=[payments_batch],
    entities=[user],
    mode="pandas",
    aggregation_interval=timedelta(days=1),
    features=[
        Aggregate(input_column=Field(f"{kind}_amount", Float64), function="sum", time_window=timedelta(days=30))
        for kind in KINDS
    ],
    online=True,
    offline=True,
    feature_start_time=datetime(2022, 5, 1),
    timestamp_field="paid_at",
    environment="core-1.1",
)
def user_amounts_by_kind(payments):
    df = payments
    for kind in KINDS:
        df[f"{kind}_amount"] = df.apply(lambda row: row["amount"] if row["kind"] == kind else None, axis=1)
    return df[["user_id", "paid_at"] + [f"{kind}_amount" for kind in KINDS]]


@batch_feature_view(
    sources=[payments_batch],
    entities=[shop],
    mode="spark_sql",
    aggregation_interval=timedelta(days=1),
    features=[
        Aggregate(input_column=Field("refunded", Int32), function="mean", time_window=timedelta(days=1)),
        Aggregate(input_column=Field("refunded", Int32), function="mean", time_window=timedelta(days=30)),
        Aggregate(input_column=Field("user_id", String), function=approx_count_distinct(), time_window=timedelta(days=30)),
    ],
    feature_start_time=datetime(2022, 5, 1),
    timestamp_field="paid_at",
    batch_compaction_enabled=True,
    tecton_materialization_runtime="0.8.2",
)
def shop_refunds(payments):
    return f"""
        SELECT shop_id, paid_at, user_id, refunded
        FROM {payments}
        WHERE amount > 0
        """


@batch_feature_view(
    sources=[users_batch.unfiltered()],
    entities=[user],
    mode="pandas",
    ttl=timedelta(days=3650),
    batch_schedule=timedelta(days=1),
    feature_start_time=datetime(2017, 1, 1),
    timestamp_field="signed_up_at",
    features=[Attribute("card_issuer", String), Attribute("age", Int32)],
    prevent_destroy=False,
    alert_email="risk@example.com",
)
def user_card(users):
    df = users[["user_id", "signed_up_at", "card", "age"]].copy()
    df["card_issuer"] = df["card"].str[0].map({"4": "Visa", "5": "MasterCard"}).fillna("other")
    return df[["user_id", "signed_up_at", "card_issuer", "age"]]


@batch_feature_view(
    sources=[payments_batch],
    entities=[user],
    mode="spark_sql",
    batch_schedule=timedelta(days=1),
    lifetime_start_time=datetime(2022, 5, 2),
    feature_start_time=datetime(2022, 5, 1),
    timestamp_field="paid_at",
    features=[
        Aggregate(input_column=Field("amount", Float64), function="max", time_window=LifetimeWindow()),
        Aggregate(input_column=Field("amount", Float64), function="sum", time_window=LifetimeWindow()),
        Aggregate(
            input_column=Field("amount", Float64),
            function="sum",
            time_window=TimeWindow(window_size=timedelta(days=2), offset=timedelta(days=-1)),
        ),
    ],
)
def user_lifetime(payments):
    return f"SELECT user_id, paid_at, amount FROM {payments}"


@batch_feature_view(
    description="Daily sums of the last 7 days",
    sources=[payments_batch],
    entities=[user],
    mode="pandas",
    aggregation_interval=timedelta(days=1),
    timestamp_field="paid_at",
    features=[
        Aggregate(
            input_column=Field("amount", Float64),
            function="sum",
            time_window=TimeWindowSeries(series_start=timedelta(days=-7), window_size=timedelta(days=1)),
        )
    ],
)
def user_week(payments):
    return payments[["user_id", "paid_at", "amount"]]


@batch_feature_view(
    sources=[payments_batch.unfiltered()],
    aggregation_secondary_key="kind",
    entities=[shop],
    mode="pandas",
    timestamp_field="paid_at",
    aggregation_interval=timedelta(days=1),
    features=[Aggregate(function="count", input_column=Field("payment", Int32), time_window=timedelta(days=30))],
)
def shop_kinds(payments):
    return payments[["shop_id", "paid_at", "kind"]].assign(payment=1)


@transformation(mode="spark_sql")
def large_only(payments, column, limit):
    return f"SELECT * FROM {payments} WHERE {column} >= {limit}"


@transformation(mode="pandas")
def in_cents(payments, column):
    return payments.assign(cents=(payments[column] * 100).round().astype("int64"))


@batch_feature_view(
    mode="pipeline",
    sources=[payments_batch],
    entities=[user],
    feature_start_time=datetime(2022, 5, 1),
    timestamp_field="paid_at",
    incremental_backfills=True,
    features=[Aggregate(input_column=Field("cents", Int64), function="sum", time_window=timedelta(days=7))],
)
def user_large_payments(payments):
    return in_cents(large_only(payments, const("amount"), const(20)), const("amount"))


user_logins = BatchFeatureView(
    name="user_logins",
    sources=[logins_batch],
    entities=[user],
    batch_trigger=BatchTriggerType.MANUAL,
    manual_trigger_backfill_end_time=datetime(2022, 6, 1),
    feature_start_time=datetime(2022, 5, 1),
    timestamp_field="logged_in_at",
    features=[Aggregate(input_column=Field("device", String), function=last_distinct(2), time_window=timedelta(days=7))],
)
