"""Events that are pushed: visible at once, counted once, taken over by a compaction without a jump.

python examples/stream.py
"""

import tempfile
from datetime import UTC, datetime, timedelta

import polars as pl

from tilefold import Aggregate, Entity, Field, LifetimeWindow, StreamSource, TimeWindow, Workspace, stream_feature_view
from tilefold.aggregation_functions import last_distinct

transactions = StreamSource(
    name="transactions",
    schema=[
        Field("user_id", pl.String),
        Field("timestamp", pl.Datetime("us", "UTC")),
        Field("amount", pl.Float64),
        Field("merchant", pl.String),
    ],
    timestamp_field="timestamp",
)
user = Entity(name="user", join_keys=[Field("user_id", pl.String)])
amount, merchant = Field("amount", pl.Float64), Field("merchant", pl.String)


@stream_feature_view(
    source=transactions,
    entities=[user],
    mode="polars",
    features=[
        Aggregate(input_column=amount, function="sum", time_window=TimeWindow(window_size=timedelta(days=30))),
        Aggregate(input_column=amount, function="mean", time_window=LifetimeWindow()),
        Aggregate(input_column=merchant, function=last_distinct(3), time_window=timedelta(days=7)),
    ],
    feature_start_time=datetime(2022, 5, 1, tzinfo=UTC),
)
def user_spend(transactions: pl.LazyFrame) -> pl.LazyFrame:
    """Every transaction as it comes."""
    return transactions.select("user_id", "timestamp", "amount", "merchant")


NOON = datetime(2022, 6, 3, 12, tzinfo=UTC)
MIDNIGHT = datetime(2022, 6, 3, tzinfo=UTC)
U1 = {"user_id": "u1"}


def event(hours_ago: int, spent: float, shop: str) -> dict[str, object]:
    """A transaction of u1 with an id of its own, so that sending it again changes nothing."""
    at = NOON - timedelta(hours=hours_ago)
    return {"event_id": f"{shop}-{hours_ago}", "user_id": "u1", "timestamp": at, "amount": spent, "merchant": shop}


def show(ws: Workspace, what: str) -> None:
    """Print the features as they are served now."""
    values = ws.get_features("user_spend", U1).values
    print(f"{what}: sum {values['user_spend.amount_sum_30d']}, shops {values['user_spend.merchant_last_distinct_3_7d']}")


def main() -> None:
    """Push, read, compact, push late, compact again."""
    with tempfile.TemporaryDirectory() as root, Workspace(root=root, definitions=[user_spend], clock=lambda: NOON) as ws:
        ws.ingest("transactions", [event(30, 10.0, "books"), event(1, 20.0, "bakery")])
        show(ws, "pushed")
        receipt = ws.ingest("transactions", [event(1, 20.0, "bakery"), {**event(0, 5.0, "tea"), "amount": "five"}])
        print(f"sent again: {receipt.duplicate} duplicate, refused: {receipt.refused[0].reason}")
        ws.materialize("user_spend", MIDNIGHT)
        show(ws, "compacted")
        ws.ingest("transactions", [event(40, 30.0, "garden")])
        show(ws, "a late one")
        ws.materialize("user_spend", MIDNIGHT)
        show(ws, "compacted again")


if __name__ == "__main__":
    main()
