"""Payments: files of the past, and a stream that is pushed."""

from datetime import timedelta

from tilefold import BatchSource, FileConfig, PushConfig, StreamSource
from tilefold.types import Field, Float64, Int64, String, Timestamp

payment_files = FileConfig(uri="source/payments.parquet", file_format="parquet", timestamp_field="paid_at")

payments_batch = BatchSource(
    name="payments_batch",
    batch_config=payment_files,
    owner="risk@example.com",
    tags={"release": "production"},
)

payments_stream = StreamSource(
    name="payments_stream",
    stream_config=PushConfig(),
    batch_config=payment_files,
    schema=[
        Field("user_id", dtype=String),
        Field("shop_id", dtype=String),
        Field("kind", dtype=String),
        Field("amount", dtype=Float64),
        Field("refunded", dtype=Int64),
        Field("paid_at", dtype=Timestamp),
    ],
    max_future_skew=timedelta(minutes=1),
)
