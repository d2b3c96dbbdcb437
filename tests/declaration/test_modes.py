"""Modes other than Polars: what the function is given, and what may come back."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from tests.declaration.samples import MERCHANT, TRANSACTIONS, declare, declare_stream, refusal, stream_refusal, total
from tilefold import Aggregate, Attribute, BatchSource, Field, const, transformation
from tilefold.errors import DeclarationError, InputError
from tilefold.types import Int32, Int64, String, Timestamp

AT = datetime(2022, 5, 1, 12, tzinfo=UTC)
EVENTS = pl.LazyFrame(
    {
        "user_id": ["u1", "u2", "u3"],
        "timestamp": [AT] * 3,
        "amount": [1.0, None, 3.0],
        "merchant": ["a", "b", None],
        "event_id": ["1", "2", "3"],
    },
    schema_overrides={"timestamp": pl.Datetime("us", "UTC")},
)


def select_in_pandas(transactions: Any) -> Any:
    """The sample's columns, as pandas code takes them."""
    return transactions[["user_id", "timestamp", "amount", "merchant"]]


def dearer(event: dict[str, Any]) -> dict[str, Any] | None:
    """Twice the amount; events without one are left out."""
    return None if event["amount"] is None else {**event, "amount": event["amount"] * 2}


@transformation(mode="spark_sql")
def with_amount(events: str, column: str) -> str:
    """Rows in which a column is not null."""
    return f"SELECT * FROM {events} WHERE {column} IS NOT NULL"


@transformation(mode="pandas")
def times(events: Any, column: str, factor: int) -> Any:
    """A column, multiplied."""
    return events.assign(**{column: events[column] * factor})


@transformation(mode="polars")
def only(events: pl.LazyFrame, columns: list[str]) -> pl.LazyFrame:
    """Some columns."""
    return events.select(columns)


WANTED = ["user_id", "timestamp", "amount", "event_id"]


def pipeline(transactions: Any) -> Any:
    """Three transformations of three modes."""
    return only(times(with_amount(transactions, const("amount")), const("amount"), const(2)), const(WANTED))


@pytest.mark.parametrize("declared", [declare, declare_stream])
def test_pandas(declared: Any) -> None:
    """In mode pandas frames come and go as pandas frames, NaN is null, and the index is none of the columns."""
    view = declared(select_in_pandas, mode="pandas")
    rows = view.transform(EVENTS).collect()
    assert rows.to_dict(as_series=False) == {"user_id": ["u1", "u2", "u3"], "timestamp": [AT] * 3, "amount": [1.0, None, 3.0]}
    assert view.mode == "pandas"


@pytest.mark.parametrize("declared", [declare, declare_stream])
def test_python(declared: Any) -> None:
    """In mode python the function takes and returns rows as dicts, and None leaves a row out."""
    rows = declared(dearer, mode="python").transform(EVENTS).collect()
    assert rows["amount"].to_list() == [2.0, 6.0]
    assert rows["event_id"].to_list() == ["1", "3"]


def test_python_several_rows() -> None:
    """One event may become several rows."""

    def twice(event: dict[str, Any]) -> list[dict[str, Any]]:
        return [event, {**event, "amount": 7}]

    assert declare(twice, mode="python").transform(EVENTS).collect()["amount"].to_list() == [1.0, 7.0, None, 7.0, 3.0, 7.0]


@pytest.mark.parametrize("declared", [declare, declare_stream])
def test_pipeline(declared: Any) -> None:
    """A pipeline hands frames and constants from one transformation to the next, whatever the mode of each."""
    rows = declared(pipeline, mode="pipeline").transform(EVENTS).collect()
    assert rows["amount"].to_list() == [2.0, 6.0]
    assert rows["event_id"].to_list() == ["1", "3"]


@pytest.mark.parametrize("mode", ["spark_sql", "snowflake_sql", "bigquery_sql"])
def test_dialects(mode: str) -> None:
    """The names of other dialects stand for sql: the same query is the same version."""

    def spend(transactions: str) -> str:
        return f"SELECT * FROM {transactions}"

    assert declare(spend, mode=mode).version == declare(spend, mode="sql").version
    assert declare(spend, mode=mode).mode == "sql"


@pytest.mark.parametrize(("mode", "function"), [("pandas", select_in_pandas), ("python", dearer), ("pipeline", pipeline)])
def test_never_without_rows(mode: str, function: Any) -> None:
    """A day without events is a frame without rows, of the declared columns; the function is not called."""
    schema = TRANSACTIONS.input_schema
    assert schema is not None
    view = declare(function, mode=mode)
    rows = view.transform(pl.LazyFrame(schema=schema)).collect()
    assert rows.is_empty()
    assert rows.columns == [column.name for column in view.columns]


@pytest.mark.parametrize(
    ("function", "mode", "rule"),
    [
        (lambda frame: frame[["user_id", "timestamp"]], "pandas", "column 'amount' must be returned; got None"),
        (lambda frame: frame.assign(amount="x"), "pandas", "column 'amount' must be Float64; got 'String'"),
    ],
)
def test_wrong_shape(function: Any, mode: str, rule: str) -> None:
    """A column that a function in memory does not return is found at the declaration, on made-up events."""
    assert f"view 'v': {rule}" in refusal(function, name="v", mode=mode)


def test_python_wrong_rows() -> None:
    """A row that is no dict, lacks a column or holds another type is an error that names the column and the value."""
    for returned, rule in (
        (5, "in mode=\"python\" a function returns rows as dicts; got 'int'"),
        ({"user_id": "u", "timestamp": AT}, "column 'amount' must be returned; got None"),
        ({"user_id": "u", "timestamp": AT, "amount": "x"}, "column 'amount' must be Float64; got 'x'"),
        ({"user_id": "u", "timestamp": AT.replace(tzinfo=None), "amount": 1.0}, "column 'timestamp' holds times and must say"),
    ):
        view = declare(lambda event, returned=returned: returned, name="v", mode="python")  # noqa: ARG005 - a function of one event
        with pytest.raises(InputError, match="view 'v': ") as refused:
            view.transform(EVENTS).collect()
        assert rule in str(refused.value)


def test_naive_pandas_times() -> None:
    """Times without a zone are refused, and the error says how to give them one."""
    view = declare(lambda frame: frame.assign(timestamp=frame["timestamp"].dt.tz_localize(None)), name="v", mode="pandas")
    with pytest.raises(InputError, match=r"view 'v': column 'timestamp' holds times and must say their zone.*tz_localize"):
        view.transform(EVENTS).collect()


def test_pandas_fails() -> None:
    """What the function raises is told with its view."""
    view = declare(lambda frame: frame.nothing, name="v", mode="pandas")
    with pytest.raises(InputError, match="view 'v': its function must run on the source's events; got \"AttributeError"):
        view.transform(EVENTS).collect()


@pytest.mark.parametrize("mode", ["pandas", "python"])
def test_stream_views_stay_row_by_row(mode: str) -> None:
    """A pandas function that ranks or groups rows is refused on a stream view; one row after the other cannot do so."""
    if mode == "python":
        assert declare_stream(dearer, mode=mode).mode == mode
        return
    message = stream_refusal(lambda frame: frame.assign(amount=frame["timestamp"].rank(method="first")), name="v", mode=mode)
    assert "view 'v': the function of a stream view must work row by row" in message


def test_whole_numbers_of_pandas() -> None:
    """Pandas makes floats of whole numbers with nulls: declared as whole numbers they come back as such."""
    source = BatchSource("numbers", schema=[Field("user_id", String), Field("timestamp", Timestamp), Field("clicks", Int64)])
    view = declare(lambda frame: frame, name="v", mode="pandas", source=source, features=[Attribute("clicks", Int32)])
    rows = pl.LazyFrame({"user_id": ["a", "b"], "timestamp": [AT, AT], "clicks": [1, None], "event_id": ["1", "2"]})
    assert view.transform(rows).collect()["clicks"].to_list() == [1, None]
    large = rows.with_columns(clicks=pl.lit(2**40))
    with pytest.raises(InputError, match=r"column 'clicks' is declared Int32.*must stay the same; got 1099511627776"):
        view.transform(large).collect()


def test_version_follows_the_transformations() -> None:
    """The version of a pipeline changes with the code and the mode of what it calls."""

    def pass_on(events: Any) -> Any:
        return later(events)

    versions = set()
    for mode, text in (("polars", "1"), ("pandas", "1"), ("polars", "2")):
        code = f"def step(events):\n    return events.assign(amount={text})\n"
        scope: dict[str, Any] = {}
        exec(code, scope)
        later = transformation(mode=mode)(scope["step"])
        versions.add(declare(pass_on, name="v", mode="pipeline").version)
    assert len(versions) == 3


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"mode": "pyspark"}, "transformation 'step': mode must be known; got 'pyspark'"),
        ({"mode": "sql", "cluster": 1}, "transformation 'step': transformation does not know the parameter 'cluster'; got 1"),
    ],
)
def test_refused_transformations(given: dict[str, Any], rule: str) -> None:
    """A transformation of an unknown mode, or with an unknown parameter, is refused by its name."""

    def step(events: str) -> str:
        return events

    with pytest.raises(DeclarationError) as refused:
        transformation(**given)(step)
    assert rule in str(refused.value)


def test_string_functions() -> None:
    """A feature by a column that pandas made works in a stream view as in a batch view."""

    def shop(events: Any) -> Any:
        return events.assign(merchant=events["merchant"].str.upper())

    features = [Aggregate(input_column=MERCHANT, function="last", time_window=total().time_window)]
    for view in (declare(shop, mode="pandas", features=features), declare_stream(shop, mode="pandas", features=features)):
        assert view.transform(EVENTS).collect()["merchant"].to_list() == ["A", "B", None]


def test_context_is_refused() -> None:
    """A function that asks for the step's times is refused, and the error says what to use."""
    message = refusal(lambda events, context: events, name="v")  # noqa: ARG005 - its signature is the rule's
    assert "view 'v': its function may not take the materialization context; got 'context'. Use the event's own time" in message
