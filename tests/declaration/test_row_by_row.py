"""Which functions a stream view may have: those that work row by row."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from tests.declaration.samples import AMOUNT, declare_stream, stream_refusal
from tilefold import Aggregate, Field, LifetimeWindow, StreamSource
from tilefold.declaration import FeatureView
from tilefold.types import Array, Bool, Float32, Float64, Int32, Int64, Map, String, Struct, Timestamp

KEPT = ("user_id", "timestamp", "amount")


@pytest.mark.parametrize(
    "function",
    [
        lambda frame: frame.select(KEPT),
        lambda frame: frame.filter(pl.col("amount") > 12.5).select(KEPT),
        lambda frame: frame.filter(pl.col("merchant") == "shop").select("event_id", *KEPT),
        lambda frame: frame.with_columns(pl.col("amount").fill_null(0).abs() * 2),
        lambda frame: frame.with_columns(pl.col("merchant").str.to_integer(strict=True).alias("number")),
        lambda frame: frame.filter(False),
        lambda frame: frame.select("timestamp", "amount", user_id=pl.col("merchant").fill_null("none")),
        lambda frame: pl.concat([frame.select(KEPT), frame.select(KEPT).with_columns(user_id=pl.lit("all"))]),
        lambda frame: frame.sort("amount").select(KEPT),
    ],
)
def test_row_by_row(function: Callable[[pl.LazyFrame], pl.LazyFrame]) -> None:
    """Filters, projections and derived columns pass; so does an order, which is not looked at."""
    assert declare_stream(function, name="spend").kind == "stream"


@pytest.mark.parametrize(
    "function",
    [
        lambda frame: frame.group_by("user_id", "timestamp").agg(pl.col("amount").sum()),
        lambda frame: frame.with_columns(pl.col("amount").sum().over("user_id")),
        lambda frame: frame.with_columns(pl.col("amount").shift(1)),
        lambda frame: frame.with_columns(pl.col("amount").cum_sum()),
        lambda frame: frame.with_columns(pl.col("amount").fill_null(strategy="forward")),
        lambda frame: frame.with_columns(pl.col("amount").rank()),
        lambda frame: frame.select(KEPT).unique(),
        lambda frame: frame.unique(subset="user_id"),
        lambda frame: frame.head(3),
        lambda frame: frame.sort("amount").tail(2),
        lambda frame: frame.filter(pl.col("amount") > pl.col("amount").mean()),
        lambda frame: frame.with_row_index().with_columns(amount=pl.col("index").cast(Float64)),
        lambda frame: frame.filter(pl.col("merchant") == "rare shop").group_by("user_id", "timestamp").agg(pl.sum("amount")),
        lambda frame: frame.filter(pl.col("amount") > 7e3, pl.col("amount") < 7_002).select(KEPT).unique(),
        lambda frame: frame.filter(pl.col("amount") > 70123).with_columns(pl.col("amount") / pl.len()),
    ],
)
def test_not_row_by_row(function: Callable[[pl.LazyFrame], pl.LazyFrame]) -> None:
    """What looks at several rows is refused, also behind a filter."""
    message = stream_refusal(function, name="spend")
    assert message.startswith("view 'spend': the function of a stream view must work row by row; got ")


def test_value() -> None:
    """The error says what differs."""
    fewer = stream_refusal(lambda frame: frame.head(3), name="spend")
    assert "got '3 rows of 24 events at once, 24 of the same one by one'. Only filter rows" in fewer
    other = stream_refusal(lambda frame: frame.with_columns(pl.col("amount").reverse()), name="spend")
    assert 'one by one". Only filter rows' in other


def test_query() -> None:
    """A query is checked as a function is."""

    def declared(query: str) -> FeatureView:
        return declare_stream(lambda source: query.replace("{}", source), name="spend", mode="sql")

    assert declared("SELECT user_id, timestamp, amount * 2 AS amount FROM {} WHERE merchant = 'shop'").mode == "sql"
    query = "SELECT user_id, timestamp, SUM(amount) AS amount FROM {} WHERE merchant = 'rare shop' GROUP BY user_id, timestamp"
    message = stream_refusal(lambda source: query.replace("{}", source), name="spend", mode="sql")
    assert "must work row by row" in message


def test_events_that_are_not_taken() -> None:
    """A function that cannot take most made-up events is judged by those that it takes."""

    def parse(frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.with_columns(pl.col("merchant").str.to_integer(strict=True).cast(Float64).alias("amount"))

    def summed(frame: pl.LazyFrame) -> pl.LazyFrame:
        return parse(frame).group_by("user_id", "timestamp").agg(pl.col("amount").sum())

    assert declare_stream(parse).kind == "stream"
    assert "must work row by row" in stream_refusal(summed)


@pytest.mark.parametrize("hours", [1, -5, 24])
def test_times_of_another_day(hours: int) -> None:
    """A function that moves times to another UTC day is refused, since tiles are kept by the event's day."""
    message = stream_refusal(lambda frame: frame.with_columns(pl.col("timestamp").dt.offset_by(f"{hours}h")), name="spend")
    assert message.startswith("view 'spend': the function of a stream view must leave each event's time in the event's own UTC")


def test_times_of_the_same_day() -> None:
    """Times may be made coarser within a day."""
    assert (
        declare_stream(lambda frame: frame.with_columns(pl.col("timestamp").dt.truncate("1h")), name="spend").kind == "stream"
    )


def test_together_only() -> None:
    """A function that fails on many events but takes each alone is refused."""

    def single(frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.with_columns(pl.col("amount").item())

    assert "24 events at once: " in stream_refusal(single)


@pytest.mark.parametrize(
    "dtype",
    [
        String, Int32, Int64, Float32, Float64, Bool, Timestamp, Array(String), Map(String, Int64), Struct([Field("a", Bool)]),
        pl.Date, pl.Binary, pl.Int8, pl.Decimal(10, 2), pl.List(pl.List(pl.Int16)), pl.Null,
    ],
)  # fmt: skip
def test_every_type(dtype: Any) -> None:
    """Columns of every type that a source can have are made up, some of them null."""
    schema = [Field("user_id", String), Field("timestamp", Timestamp), AMOUNT, Field("extra", dtype)]
    source = StreamSource("typed", schema, "timestamp")
    count = Aggregate(input_column=Field("extra", dtype), function="count", time_window=LifetimeWindow())
    assert declare_stream(lambda frame: frame, name="typed", source=source, features=[count]).kind == "stream"
    refused = stream_refusal(lambda frame: frame.select("extra", *KEPT).unique(), source=source, features=[count], name="typed")
    assert "must work row by row" in refused
