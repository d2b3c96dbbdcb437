"""Sources whose events a function returns."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.declaration.samples import DAY
from tests.effort import examples
from tilefold import BatchSource, Field, FilterContext, StreamSource, pandas_batch_config, pyarrow_batch_config
from tilefold.declaration.sources import Source
from tilefold.errors import DeclarationError, InputError
from tilefold.stores.source_files import source_days, source_frames
from tilefold.types import Float64, Int64, String, Timestamp

START = datetime(2022, 5, 1, tzinfo=UTC)
DAYS = [date(2022, 5, 1), date(2022, 5, 3)]
EVENTS = pl.DataFrame(
    {"user_id": ["a", "b", "c"], "timestamp": [START, START + DAY, START + 2 * DAY], "clicks": [1, 2, None]},
    schema_overrides={"timestamp": pl.Datetime("us", "UTC")},
)


@pandas_batch_config(timestamp_field="timestamp")
def in_pandas() -> pd.DataFrame:
    """All events."""
    return EVENTS.to_pandas()


@pyarrow_batch_config(supports_time_filtering=True, data_delay=timedelta(hours=1))
def in_arrow(filter_context: FilterContext) -> pa.Table:
    """The events of a time, as people who come from another SDK write it."""
    asked = EVENTS
    if filter_context and filter_context.start_time:
        asked = asked.filter(pl.col("timestamp") >= filter_context.start_time)
    if filter_context and filter_context.end_time:
        asked = asked.filter(pl.col("timestamp") < filter_context.end_time)
    return asked.to_arrow()


SCHEMA = [Field("user_id", String), Field("timestamp", Timestamp), Field("clicks", Int64)]


@pytest.mark.parametrize("config", [in_pandas, in_arrow])
def test_days(config: Any) -> None:
    """The function's events are imported by day, in the declared types, nulls and all."""
    source = StreamSource("clicks", SCHEMA, batch_config=config)
    assert source_days(source, "", {}) == [date(2022, 5, 1), date(2022, 5, 2), date(2022, 5, 3)]
    frames = source_frames(source, DAYS, "", {})
    assert [frames[day].rows() for day in DAYS] == [[("a", START, 1)], [("c", START + 2 * DAY, None)]]
    assert frames[DAYS[1]].schema["clicks"] == pl.Int64


def test_delay() -> None:
    """The function's `data_delay` is the source's, where that does not say its own."""
    assert BatchSource("s", SCHEMA, batch_config=in_arrow).data_delay_us == 3_600_000_000
    assert BatchSource("s", SCHEMA, batch_config=in_arrow, data_delay=DAY).data_delay_us == 24 * 3_600_000_000
    assert BatchSource("s", SCHEMA, batch_config=in_pandas).data_delay_us == 0


def test_same_code_is_the_same_source() -> None:
    """A file that is imported twice declares one source: functions are told apart by their code."""

    def made(text: str) -> Any:
        scope: dict[str, Any] = {}
        exec(f"def rows():\n    return {text}\n", scope)
        return pandas_batch_config()(scope["rows"])

    one, same, other = made("1"), made("1"), made("2")
    assert (one, hash(one)) == (same, hash(same))
    assert one != other
    assert BatchSource("s", SCHEMA, batch_config=one) == BatchSource("s", SCHEMA, batch_config=same)


def failing() -> Any:
    """It cannot be reached."""
    raise OSError("no catalog")


@pytest.mark.parametrize(
    ("returned", "rule"),
    [
        (failing, "it must return events; got 'OSError: no catalog'"),
        (lambda: 5, "what it returns must be a pandas DataFrame; got 'int'"),
        (lambda: pd.DataFrame({"timestamp": [datetime(2022, 5, 1)]}), "must say their zone"),  # noqa: DTZ001 - that is what is wrong
        (lambda: pd.DataFrame({"user_id": ["a"]}), "column 'timestamp' of what rows returns must be a UTC time; got 'None'"),
        (
            lambda: pd.DataFrame({"timestamp": [START], "clicks": [1.5]}),
            "column 'clicks' is declared Int64, in which each of its numbers must stay the same; got 1.5",
        ),
    ],
)
def test_refused(returned: Callable[[], Any], rule: str) -> None:
    """What is no event is an error that names the source, the function, the rule and the value."""

    def rows() -> Any:
        return returned()

    source = BatchSource("s", SCHEMA, batch_config=pandas_batch_config()(rows))
    with pytest.raises(InputError) as refused:
        source_days(source, "", {})
    assert "source 's'" in str(refused.value)
    assert rule in str(refused.value)


def test_no_table() -> None:
    """An Arrow function that returns something else is refused."""

    def rows() -> Any:
        return "table"

    source = BatchSource("s", SCHEMA, batch_config=pyarrow_batch_config()(rows))
    with pytest.raises(InputError, match="source 's', function 'rows': what it returns must be an Arrow table; got 'str'"):
        source_days(source, "", {})


def test_no_function() -> None:
    """What is decorated must be a function."""
    wrong: Any = 5
    with pytest.raises(DeclarationError, match="source function '5': what is decorated must be a function; got 5"):
        pandas_batch_config()(wrong)


@settings(deadline=None, max_examples=examples(30))
@given(
    st.lists(st.tuples(st.integers(0, 9), st.floats(allow_nan=False, allow_infinity=False)), max_size=20),
    st.sets(st.integers(0, 9)),
)
def test_filtering_or_not(rows: list[tuple[int, float]], wanted: set[int]) -> None:
    """Whether the function filters by time or not, a day's import holds exactly the events of the day."""
    events = pl.DataFrame(
        {"timestamp": [START + day * DAY for day, _ in rows], "x": [x for _, x in rows]},
        schema={"timestamp": pl.Datetime("us", "UTC"), "x": pl.Float64},
    )

    def whole() -> Any:
        return events.to_arrow()

    def asked(context: FilterContext) -> Any:
        start, end = context.start_time, context.end_time
        assert start is None or end is not None
        return (
            events.to_arrow() if start is None else events.filter(pl.col("timestamp").is_between(start, end, "left")).to_arrow()
        )

    schema = [Field("timestamp", Timestamp), Field("x", Float64)]
    days = [(START + day * DAY).date() for day in sorted(wanted)]
    found = []
    for config in (pyarrow_batch_config()(whole), pyarrow_batch_config(supports_time_filtering=True)(asked)):
        source: Source = BatchSource("s", schema, batch_config=config)
        found.append({day: frame["x"].to_list() for day, frame in source_frames(source, days, "", {}).items()})
    assert found[0] == found[1]
    assert found[0] == {(START + day * DAY).date(): [x for at, x in rows if at == day] for day in sorted(wanted)}
