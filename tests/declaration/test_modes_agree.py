"""One transformation, written in every mode, is one transformation."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.declaration.samples import declare
from tests.effort import examples
from tilefold import Attribute, BatchSource, Field, const, transformation
from tilefold.types import Bool, Float64, Int64, String, Timestamp

SCHEMA = {"user_id": String, "timestamp": Timestamp, "amount": Float64, "clicks": Int64, "merchant": String, "seen": Bool}
SOURCE = BatchSource("events", schema=[Field(name, dtype) for name, dtype in SCHEMA.items()])
KEPT = ["user_id", "timestamp", "amount", "clicks", "merchant", "seen"]
FEATURES = [Attribute(name, SCHEMA[name]) for name in KEPT[2:]]  # type: ignore[arg-type] # classes and instances of types
LIMIT = 5


def in_polars(events: pl.LazyFrame) -> pl.LazyFrame:
    """Events of at least five clicks, with twice their amount."""
    return events.filter(pl.col("clicks") >= LIMIT).select(
        *KEPT[:2], (pl.col("amount") * 2).alias("amount"), *KEPT[3:], "event_id"
    )


def in_sql(events: str) -> str:
    """The same."""
    return f"SELECT user_id, timestamp, amount * 2 AS amount, clicks, merchant, seen, event_id FROM {events} WHERE clicks >= 5"


def in_pandas(events: Any) -> Any:
    """The same."""
    kept = events[(events["clicks"] >= LIMIT).fillna(value=False).astype(bool)].copy()
    kept["amount"] = kept["amount"] * 2
    return kept


def in_python(event: dict[str, Any]) -> dict[str, Any] | None:
    """The same."""
    if event["clicks"] is None or event["clicks"] < LIMIT:
        return None
    return {**event, "amount": None if event["amount"] is None else event["amount"] * 2}


@transformation(mode="sql")
def at_least(events: str, column: str, limit: int) -> str:
    """Rows of at least a limit."""
    return f"SELECT * FROM {events} WHERE {column} >= {limit}"


@transformation(mode="pandas")
def doubled(events: Any, column: str) -> Any:
    """Twice a column."""
    return events.assign(**{column: events[column] * 2})


def in_a_pipeline(events: Any) -> Any:
    """The same."""
    return doubled(at_least(events, const("clicks"), const(LIMIT)), const("amount"))


VIEWS = {
    mode: declare(function, name="v", mode=mode, source=SOURCE, features=FEATURES)
    for mode, function in [
        *[("polars", in_polars), ("sql", in_sql), ("pandas", in_pandas), ("python", in_python)],
        ("pipeline", in_a_pipeline),
    ]
}
EVENT = st.fixed_dictionaries(
    {
        "user_id": st.text(max_size=3),
        "timestamp": st.datetimes(datetime(2022, 5, 1), datetime(2022, 5, 2), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
        "amount": st.none() | st.floats(-1e300, 1e300),
        "clicks": st.none() | st.integers(-(2**62), 2**62) | st.integers(0, 9),
        "merchant": st.none() | st.text(max_size=3),
        "seen": st.none() | st.booleans(),
    }
)


@settings(deadline=None, max_examples=examples(60))
@given(st.lists(EVENT, max_size=8))
def test_modes_agree(rows: list[dict[str, Any]]) -> None:
    """Whatever the events are, every mode gives the same rows, with the same ids, in the same order and the same types."""
    numbered = [{**row, "event_id": str(number)} for number, row in enumerate(rows)]
    events = pl.LazyFrame(numbered, schema={**SCHEMA, "event_id": pl.String})
    made = {mode: view.transform(events).collect() for mode, view in VIEWS.items()}
    told = {mode: [*frame.select(*KEPT).rows()] for mode, frame in made.items()}
    assert all(each == told["polars"] for each in told.values()), told
    ids = {mode: frame["event_id"].to_list() for mode, frame in made.items() if frame.height}
    assert len({tuple(each) for each in ids.values()}) <= 1
