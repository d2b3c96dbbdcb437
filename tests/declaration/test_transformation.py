from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from tests.declaration.samples import SCHEMA, TRANSACTIONS, declare, refusal, total
from tilefold import BatchSource, Field, FileConfig
from tilefold.errors import InputError
from tilefold.types import Float64, Int32, Int64

AT = datetime(2022, 5, 1, tzinfo=UTC)
EVENTS = pl.LazyFrame(
    {"user_id": ["u", "v"], "timestamp": [AT, AT], "amount": [1.0, 2.0], "merchant": ["m", "n"], "event_id": ["1", "2"]},
    schema=TRANSACTIONS.input_schema,
)
FILES = BatchSource("files", timestamp_field="timestamp", batch_config=FileConfig("*.parquet"))


def rows_of(function: Any, **parameters: Any) -> pl.DataFrame:
    """What a view that is declared so makes of the events."""
    return declare(function, **parameters).transform(EVENTS).collect()


def test_exact_columns() -> None:
    """The output is the declared columns alone, in their order."""
    rows = rows_of(lambda frame: frame.select("merchant", "amount", "timestamp", "user_id"), name="v")
    assert rows.columns == ["user_id", "timestamp", "amount"]
    assert rows["amount"].to_list() == [1.0, 2.0]


def test_event_id() -> None:
    """`event_id` is passed on where the function returns it."""
    assert rows_of(lambda frame: frame, name="v").columns == ["user_id", "timestamp", "amount", "event_id"]


def test_event_id_is_text() -> None:
    """An `event_id` of another type is refused."""
    message = refusal(lambda frame: frame.with_columns(event_id=pl.lit(1)), name="v")
    assert "view 'v': column 'event_id' must be String; got 'Int32'" in message


def test_sql() -> None:
    """Mode sql runs the query on the source's name."""

    def big(transactions: str) -> str:
        return f"SELECT user_id, timestamp, amount * 2 AS amount FROM {transactions} WHERE amount > 1"

    assert rows_of(big, mode="sql").rows() == [("v", AT, 4.0)]


def test_sql_reserved_word() -> None:
    """A source may be called like a word of SQL."""
    order = BatchSource("order", schema=SCHEMA)

    def all_orders(order: str) -> str:
        return f"SELECT * FROM {order}"

    assert rows_of(all_orders, mode="sql", source=order).height == 2


def test_defaults_of_the_function() -> None:
    """Further parameters of the function keep their defaults."""

    def spend(transactions: str, context: str = "") -> str:
        return f"SELECT * FROM {transactions} {context}"

    assert rows_of(spend, mode="sql").height == 2


@pytest.mark.parametrize("returned", [None, "", 5])
def test_no_sql(returned: Any) -> None:
    """A function of mode sql that returns no text is refused."""
    message = refusal(lambda source: returned, name="v", mode="sql")  # noqa: ARG005 - its signature is the rule's
    assert f"view 'v': its function must return SQL; got {returned!r}" in message


def test_sql_function_fails() -> None:
    """A function of mode sql that fails is refused, with what it raised."""
    assert "view 'v': its function must return SQL; got 'TypeError: " in refusal(lambda: "", name="v", mode="sql")


def test_broken_sql() -> None:
    """A query that does not parse is found at the declaration."""
    message = refusal(lambda source: f"SELEC * FROM {source}", name="v", mode="sql")
    assert "view 'v': its function must run on the source's events; got 'SQLInterfaceError" in message


def test_unknown_column() -> None:
    """A column that the source lacks is found at the declaration, in one line."""
    message = refusal(lambda frame: frame.filter(pl.col("tip") > 1), name="v")
    assert "view 'v': its function must run on the source's events; got 'ColumnNotFoundError: " in message
    assert "It was given the columns ['user_id', 'timestamp', 'amount', 'merchant', 'event_id']." in message
    assert "\n" not in message


def test_not_a_frame() -> None:
    """A function that returns no frame is refused."""
    message = refusal(lambda frame: frame.collect()["amount"], name="v")
    assert "view 'v': its function must return a LazyFrame; got 'Series'" in message


def test_eager_frame() -> None:
    """A function may return a DataFrame."""
    assert rows_of(lambda frame: frame.collect(), name="v").height == 2


@pytest.mark.parametrize(
    ("returned", "declared"),
    [(pl.Int32, Int64), (pl.UInt32, Int64), (pl.Float32, Float64), (pl.Int32, Float64), (pl.Null, Float64)],
)
def test_widening(returned: Any, declared: Any) -> None:
    """A type is cast where no value can change."""
    rows = rows_of(
        lambda frame: frame.with_columns(amount=pl.lit(None, dtype=returned)),
        name="v",
        features=[total(input_column=Field("amount", declared))],
    )
    assert rows.schema["amount"] == declared


def test_room() -> None:
    """A whole number is taken into a narrower type where it has room, and is an error where it has none."""
    view = declare(
        lambda frame: frame.with_columns(amount=pl.col("amount").cast(pl.Int64)),
        name="v",
        features=[total(input_column=Field("amount", Int32))],
    )
    rows = {"user_id": "u", "timestamp": AT, "merchant": "m", "event_id": "e"}
    fitting, large = (pl.LazyFrame([{**rows, "amount": amount}]) for amount in (5.0, 2.0**40))
    assert view.transform(fitting).collect()["amount"].to_list() == [5]
    with pytest.raises(pl.exceptions.InvalidOperationError, match="conversion from `i64` to `i32` failed in column 'amount'"):
        view.transform(large).collect()


@pytest.mark.parametrize(
    ("returned", "declared"), [(pl.Float64, Int64), (pl.Int64, Float64), (pl.UInt64, Int64), (pl.Boolean, Int64)]
)
def test_narrowing(returned: Any, declared: Any) -> None:
    """A type is refused where a value could change."""
    message = refusal(
        lambda frame: frame.with_columns(amount=pl.lit(None, dtype=returned)),
        name="v",
        features=[total(input_column=Field("amount", declared))],
    )
    assert f"view 'v': column 'amount' must be {declared()}; got '{returned()}'. Cast it" in message


def test_time_units() -> None:
    """A UTC timestamp of any unit becomes microseconds."""
    rows = rows_of(lambda frame: frame.with_columns(pl.col("timestamp").dt.cast_time_unit("ms")), name="v")
    assert rows["timestamp"].to_list() == [AT, AT]
    assert rows.schema["timestamp"] == pl.Datetime("us", "UTC")


def test_naive_timestamp() -> None:
    """A naive timestamp is refused."""
    message = refusal(lambda frame: frame.with_columns(pl.col("timestamp").dt.replace_time_zone(None)), name="v")
    assert "view 'v': column 'timestamp' must be Datetime(time_unit='us', time_zone='UTC'); got" in message


def test_other_timestamp() -> None:
    """The timestamp may be a column that the function makes."""
    rows = rows_of(
        lambda frame: frame.with_columns(later=pl.col("timestamp").dt.offset_by("1d")), name="v", timestamp_field="later"
    )
    assert rows.columns == ["user_id", "later", "amount", "event_id"]


def test_bad_data_at_run_time() -> None:
    """Where only the files know the columns, a missing one is found when it runs, as an error of the data."""
    view = declare(source=FILES)
    with pytest.raises(InputError, match="view 'spend': its function must run on the source's events"):
        view.transform(pl.LazyFrame({"user_id": ["u"]}))


def test_unreadable_files() -> None:
    """Files that cannot be read are not the function's fault: the error is the scan's own."""
    with pytest.raises(FileNotFoundError):
        declare(source=FILES).transform(pl.scan_parquet("/nowhere/events.parquet"))
