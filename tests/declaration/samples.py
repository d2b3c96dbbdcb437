"""A source, an entity and a view to start from, and what a wrong declaration answers."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tilefold import (
    Aggregate,
    BatchSource,
    Entity,
    Field,
    StreamSource,
    TimeWindow,
    TimeWindowSeries,
    batch_feature_view,
    stream_feature_view,
)
from tilefold.declaration import FeatureView, Source
from tilefold.errors import DeclarationError
from tilefold.types import Float64, String, Timestamp

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US

SCHEMA = [Field("user_id", String), Field("timestamp", Timestamp), Field("amount", Float64), Field("merchant", String)]
TRANSACTIONS = BatchSource("transactions", schema=SCHEMA)
CLICKS = StreamSource("clicks", schema=SCHEMA)
USER = Entity("user", join_keys=[Field("user_id", String)])
AMOUNT = Field("amount", Float64)
MERCHANT = Field("merchant", String)


def spend(transactions: pl.LazyFrame) -> pl.LazyFrame:
    """Pass the sample's columns on."""
    return transactions.select("user_id", "timestamp", "amount", "merchant")


def total(window: Any = 30 * DAY, **parameters: Any) -> Aggregate:
    """The sum of the amount over a window."""
    return Aggregate(**({"input_column": AMOUNT, "function": "sum", "time_window": window} | parameters))


def declare(function: Callable[..., Any] = spend, **parameters: Any) -> FeatureView:
    """A batch view; parameters replace the sample's, and one set to `...` is left out."""
    return batch_feature_view(**_given(TRANSACTIONS, parameters))(function)


def declare_stream(function: Callable[..., Any] = spend, **parameters: Any) -> FeatureView:
    """A stream view, as `declare`."""
    return stream_feature_view(**_given(CLICKS, parameters))(function)


def _given(source: Source, parameters: dict[str, Any]) -> dict[str, Any]:
    sample: dict[str, Any] = {
        "source": source,
        "entities": [USER],
        "features": [total()],
        "feature_start_time": datetime(2022, 5, 1),  # noqa: DTZ001 - naive on purpose: it means UTC
    }
    return {name: value for name, value in (sample | parameters).items() if value is not ...}


def refusal(function: Callable[..., Any] = spend, kind: type[DeclarationError] = DeclarationError, **parameters: Any) -> str:
    """What the error says of a batch view that breaks a rule."""
    return _refused(declare, function, kind, parameters)


def stream_refusal(
    function: Callable[..., Any] = spend, kind: type[DeclarationError] = DeclarationError, **parameters: Any
) -> str:
    """What the error says of a stream view that breaks a rule."""
    return _refused(declare_stream, function, kind, parameters)


def _refused(
    declared: Callable[..., FeatureView],
    function: Callable[..., Any],
    kind: type[DeclarationError],
    parameters: dict[str, Any],
) -> str:
    with pytest.raises(DeclarationError) as refused:
        declared(function, **parameters)
    assert refused.type is kind
    return str(refused.value)


def series(start: timedelta, step: timedelta, **parameters: Any) -> TimeWindowSeries:
    """A series that begins `start` ago."""
    return TimeWindowSeries(series_start=-start, step_size=step, **parameters)


def moved(size: timedelta, back: timedelta) -> TimeWindow:
    """A window moved back."""
    return TimeWindow(size, offset=-back)
