"""A view, some events, features: in one file, with no service to start.

python examples/quickstart.py
"""

import tempfile
from datetime import UTC, datetime, timedelta

import polars as pl

from tilefold import (
    Aggregate,
    BatchSource,
    Entity,
    FeatureService,
    Field,
    LifetimeWindow,
    TimeWindow,
    Workspace,
    batch_feature_view,
)
from tilefold.aggregation_functions import last_distinct
from tilefold.types import Float64, String, Timestamp

payments = BatchSource(
    name="payments",
    schema=[
        Field("user_id", String),
        Field("paid_at", Timestamp),
        Field("amount", Float64),
        Field("shop", String),
    ],
    timestamp_field="paid_at",
)
user = Entity(name="user", join_keys=[Field("user_id", String)])
amount, shop = Field("amount", Float64), Field("shop", String)


@batch_feature_view(
    source=payments,
    entities=[user],
    mode="polars",
    features=[
        Aggregate(function="count", time_window=TimeWindow(window_size=timedelta(days=7)), name="payments_7d"),
        Aggregate(input_column=amount, function="sum", time_window=TimeWindow(window_size=timedelta(days=30))),
        Aggregate(input_column=amount, function="mean", time_window=LifetimeWindow()),
        Aggregate(input_column=shop, function=last_distinct(3), time_window=timedelta(days=30)),
    ],
    feature_start_time=datetime(2024, 1, 1, tzinfo=UTC),
)
def user_spend(payments: pl.LazyFrame) -> pl.LazyFrame:
    """Payments that are not refunds."""
    return payments.filter(pl.col("amount") > 0)


spend = FeatureService(name="spend", features=[user_spend[["payments_7d", "amount_sum_30d"]]])

FIRST = datetime(2024, 3, 1, 9, tzinfo=UTC)
AS_OF = datetime(2024, 3, 8, tzinfo=UTC)


def events() -> pl.DataFrame:
    """A week of payments of two users, and a refund."""
    return pl.DataFrame(
        {
            "user_id": ["ann", "ann", "bob", "ann", "bob", "ann"],
            "paid_at": [FIRST + timedelta(days=day) for day in (0, 1, 1, 4, 5, 6)],
            "amount": [12.5, 30.0, 8.0, 7.5, -8.0, 50.0],
            "shop": ["bakery", "books", "bakery", "bakery", "bakery", "garden"],
        }
    )


def main() -> None:
    """From events to values, and the training set that says the same of the past."""
    with tempfile.TemporaryDirectory() as root, Workspace(root, [user_spend, spend]) as workspace:
        receipt = workspace.append("payments", events())
        print(
            f"{receipt.accepted} events accepted; sent again: {workspace.append('payments', events()).duplicate} known already"
        )
        report = workspace.materialize("user_spend", AS_OF)
        print(f"as of {report.as_of:%Y-%m-%d}: {report.sync.written if report.sync else 0} keys written")
        for name in ("ann", "bob", "somebody else"):
            print(name, workspace.get_features("user_spend", {"user_id": name}, at=AS_OF).values)
        print(workspace.get_features("spend", {"user_id": "ann"}, at=AS_OF))
        spine = pl.DataFrame({"user_id": ["ann", "ann"], "timestamp": [AS_OF - timedelta(days=4), AS_OF], "bought": [0, 1]})
        print(workspace.get_features_for_events("spend", spine))


if __name__ == "__main__":
    main()
