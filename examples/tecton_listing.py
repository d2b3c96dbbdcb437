"""The listing of Tecton's compaction guide, word for word but for one word in each import line, run from events to values.

python examples/tecton_listing.py
"""

import tempfile
from datetime import UTC, datetime, timedelta

import polars as pl

from tilefold import Aggregate, BatchSource, DeltaConfig, Entity, OfflineStoreConfig, Workspace, batch_feature_view
from tilefold.types import Field, Float64, String, Timestamp

transactions = BatchSource(
    name="transactions",
    schema=[Field("user_id", String), Field("timestamp", Timestamp), Field("amount", Float64)],
    timestamp_field="timestamp",
)
user = Entity(name="user", join_keys=[Field("user_id", String)])


@batch_feature_view(
    sources=[transactions],
    entities=[user],
    mode="sql",
    aggregation_interval=timedelta(days=1),
    features=[Aggregate(input_column=Field("amount", Float64), function="mean", time_window=timedelta(days=30))],
    feature_start_time=datetime(2022, 5, 1),  # noqa: DTZ001 - in declarations it means UTC
    offline=True,
    online=True,
    timestamp_field="timestamp",
    offline_store=OfflineStoreConfig(staging_table_format=DeltaConfig()),
    batch_compaction_enabled=True,
    tecton_materialization_runtime="0.8.2",
)
def user_average_transaction_amount(transactions):  # noqa: ANN001, ANN201, D103 - as the guide writes it
    return f"""
        SELECT user_id, timestamp, amount
        FROM {transactions}
        """  # noqa: S608 - the name of a source


def main() -> None:
    """Three payments of one user; the one of April is older than 30 days at the watermark."""
    paid = [("2022-04-30", 1000.0), ("2022-05-20", 10.0), ("2022-06-02", 20.0)]
    days = [datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC) for day, _ in paid]
    events = pl.DataFrame({"user_id": ["u1"] * 3, "timestamp": days, "amount": [amount for _, amount in paid]})
    with tempfile.TemporaryDirectory() as root, Workspace(root, [user_average_transaction_amount]) as workspace:
        workspace.append("transactions", events)
        as_of = datetime(2022, 6, 3, tzinfo=UTC)
        workspace.materialize("user_average_transaction_amount", as_of)
        vector = workspace.get_features("user_average_transaction_amount", {"user_id": "u1"}, at=as_of)
        for name, value in vector.values.items():
            print(f"{name} = {value} ({vector.statuses[name]}, as of {vector.effective_times[name]})")


if __name__ == "__main__":
    main()
