import re
from typing import Any

import polars as pl
import pytest

from tests.declaration.samples import DAY, DAY_US, HOUR, HOUR_US, SCHEMA
from tilefold import BatchSource, Field, FileConfig, PushConfig, StreamSource
from tilefold.errors import DeclarationError
from tilefold.types import Float64, String, Timestamp

FILES = FileConfig("data/*.parquet", timestamp_field="timestamp", data_delay=HOUR)


def test_batch_source() -> None:
    """A batch source keeps what it was given, its schema as a tuple."""
    source = BatchSource("events", schema=SCHEMA, data_delay=DAY, description="d", owner="o", tags={"a": "b"})
    assert (source.name, source.schema, source.data_delay_us) == ("events", tuple(SCHEMA), DAY_US)
    assert (source.description, source.owner, source.tags, source.batch_config) == ("d", "o", {"a": "b"}, None)


def test_input_schema() -> None:
    """A view's function is given the schema's columns and `event_id`."""
    schema = BatchSource("events", schema=SCHEMA).input_schema
    assert schema is not None
    assert schema.names() == ["user_id", "timestamp", "amount", "merchant", "event_id"]
    assert schema["event_id"] == pl.String


def test_schema_of_files() -> None:
    """Where files tell the columns, the source does not know them."""
    source = BatchSource("events", batch_config=FILES)
    assert (source.schema, source.input_schema, source.timestamp_field) == (None, None, "timestamp")


def test_delay_of_files() -> None:
    """The delay is the source's own, else its files'."""
    assert BatchSource("events", batch_config=FILES).data_delay_us == HOUR_US
    assert BatchSource("events", batch_config=FILES, data_delay=0 * DAY).data_delay_us == 0


def test_the_only_time() -> None:
    """The only UTC time of the schema is the timestamp where none is named."""
    assert BatchSource("events", schema=SCHEMA).timestamp_field == "timestamp"


def test_named_time() -> None:
    """Of two times, the one named is the timestamp."""
    schema = [*SCHEMA, Field("seen", Timestamp)]
    assert BatchSource("events", schema=schema, timestamp_field="seen").timestamp_field == "seen"


def test_units() -> None:
    """A UTC time of any unit is held in microseconds."""
    source = BatchSource("events", schema=[Field("at", pl.Datetime("ms", "UTC"))])
    assert source.schema == (Field("at", Timestamp),)


def test_stream_source() -> None:
    """A stream source is pushed to, and refuses events stamped more than five minutes ahead."""
    source = StreamSource("clicks", schema=SCHEMA)
    assert (source.stream_config, source.max_future_skew_us) == (PushConfig(), 300_000_000)


def test_stream_history() -> None:
    """A stream source may have a batch history."""
    assert StreamSource("clicks", schema=SCHEMA, batch_config=FILES).batch_config is FILES


def test_equal() -> None:
    """Two sources that say the same are equal."""
    assert BatchSource("events", schema=SCHEMA) == BatchSource("events", schema=list(SCHEMA))
    assert hash(BatchSource("events", schema=SCHEMA)) == hash(BatchSource("events", schema=list(SCHEMA)))


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({}, "schema or batch_config must be given; got None"),
        ({"schema": []}, "schema must be a list of at least one Field; got []"),
        ({"schema": ["user_id"]}, "schema must be a list of at least one Field; got ['user_id']"),
        ({"schema": [*SCHEMA, Field("amount", Float64)]}, "a column may stand once in the schema; got 'amount'"),
        ({"schema": [*SCHEMA, Field("event_id", String)]}, "event_id may not stand in the schema; got 'event_id'"),
        ({"schema": [*SCHEMA, Field("^a.*$", String)]}, "a column's name may not be * nor stand between ^ and $"),
        ({"schema": [*SCHEMA, Field("*", String)]}, "a column's name may not be * nor stand between ^ and $"),
        ({"schema": [*SCHEMA, Field("tf_date", String)]}, "a column's name may not begin with tf_ or __; got 'tf_date'"),
        ({"schema": [Field("at", pl.Datetime("us"))]}, "column 'at': a time must be in UTC; got"),
        ({"schema": [Field("at", pl.Datetime("us", "Europe/Rome"))]}, "column 'at': a time must be in UTC; got"),
        ({"schema": [Field("user_id", String)]}, "timestamp_field must be given; got []"),
        ({"schema": [*SCHEMA, Field("seen", Timestamp)]}, "timestamp_field must be given; got ['timestamp', 'seen']"),
        ({"schema": SCHEMA, "timestamp_field": "amount"}, "timestamp_field must be a UTC time of the schema; got 'amount'"),
        ({"schema": SCHEMA, "timestamp_field": "when"}, "timestamp_field must be a UTC time of the schema; got 'when'"),
        (
            {"schema": SCHEMA, "batch_config": FILES, "timestamp_field": "amount"},
            "timestamp_field is 'amount' but batch_config's differs; got 'timestamp'",
        ),
        ({"batch_config": FileConfig("a.csv", "csv")}, "timestamp_field must be given; got []"),
        ({"batch_config": "a.csv"}, "batch_config must be a FileConfig; got 'a.csv'"),
        ({"schema": SCHEMA, "data_delay": -DAY}, "data_delay must not be negative; got datetime.timedelta(days=-1)"),
    ],
)
def test_refusals(given: dict[str, Any], rule: str) -> None:
    """A source that breaks a rule is refused; the error names the source, the rule and the value."""
    with pytest.raises(DeclarationError) as refused:
        BatchSource("events", **given)
    assert str(refused.value).startswith(f"source 'events': {rule}")


@pytest.mark.parametrize(
    "dtype",
    [pl.UInt8, pl.UInt32, pl.UInt64, pl.Int128, pl.Time, pl.Duration("us"), pl.Categorical, pl.Array(pl.Int64, 2)],
)
def test_types_that_delta_lacks(dtype: Any) -> None:
    """A type that Delta Lake would not give back is refused."""
    with pytest.raises(DeclarationError, match="column 'x': its type must be one that Delta Lake keeps; got "):
        BatchSource("events", schema=[*SCHEMA, Field("x", dtype)])


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"schema": None}, "schema must be a list of at least one Field; got None"),
        ({"stream_config": "kafka"}, "stream_config must be a PushConfig; got 'kafka'"),
        ({"max_future_skew": -DAY}, "max_future_skew must not be negative; got datetime.timedelta(days=-1)"),
        ({"max_future_skew": 5}, "max_future_skew must be a timedelta; got 5"),
    ],
)
def test_stream_refusals(given: dict[str, Any], rule: str) -> None:
    """A stream source that breaks a rule is refused; the error names it, the rule and the value."""
    with pytest.raises(DeclarationError) as refused:
        StreamSource("clicks", **({"schema": SCHEMA} | given))
    assert str(refused.value).startswith(f"source 'clicks': {rule}")


@pytest.mark.parametrize("name", ["my events", "a__b", "a_", "", None])
def test_wrong_name(name: Any) -> None:
    """A source's name is an identifier."""
    with pytest.raises(DeclarationError, match="a name "):
        BatchSource(name, schema=SCHEMA)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"uri": ""}, "FileConfig: uri must be a path or URL; got ''"),
        ({"uri": None}, "FileConfig: uri must be a path or URL; got None"),
        ({"uri": "a.json", "file_format": "json"}, "FileConfig 'a.json': file_format must be one that is read; got 'json'"),
        ({"uri": "a", "data_delay": -DAY}, "FileConfig 'a': data_delay must not be negative; got "),
    ],
)
def test_files(given: dict[str, Any], rule: str) -> None:
    """Files that cannot be read are refused; the error names them, the rule and the value."""
    with pytest.raises(DeclarationError) as refused:
        FileConfig(**given)
    assert str(refused.value).startswith(rule)


@pytest.mark.parametrize(
    ("config", "rule"),
    [
        (PushConfig(shards=0), "shards must be 1 to 1024; got 0"),
        (PushConfig(shards=1025), "shards must be 1 to 1024; got 1025"),
        (PushConfig(shards=True), "shards must be 1 to 1024; got True"),
        (PushConfig(shards=2.0), "shards must be 1 to 1024; got 2.0"),  # type: ignore[arg-type] # what the test is about
        (PushConfig(shard_by="user"), "shard_by must be a column of the schema; got 'user'. Name one of ['user_id',"),
        (PushConfig(dedupe_horizon=-DAY), "dedupe_horizon must not be negative; got datetime.timedelta(days=-1)"),
        (PushConfig(record_bytes_max=0), "record_bytes_max must be positive; got 0"),
    ],
)
def test_wrong_push_config(config: PushConfig, rule: str) -> None:
    """Settings that a stream log cannot have are refused; the error names the source."""
    with pytest.raises(DeclarationError, match=re.escape(f"source 'clicks': {rule}")):
        StreamSource("clicks", schema=SCHEMA, stream_config=config)


def test_push_config() -> None:
    """Settings at their limits are taken."""
    config = PushConfig(shards=1024, shard_by="user_id", dedupe_horizon=0 * DAY, record_bytes_max=1)
    assert StreamSource("clicks", schema=SCHEMA, stream_config=config).stream_config is config
