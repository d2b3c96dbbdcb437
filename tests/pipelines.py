"""A small pipeline to start from: a source, a view of many functions, its events, and what the reference says of them."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tilefold import (
    Aggregate,
    BatchSource,
    Entity,
    Field,
    LifetimeWindow,
    TimeWindow,
    TimeWindowSeries,
    Workspace,
    batch_feature_view,
)
from tilefold.aggregation_functions import approx_count_distinct, approx_percentile, first, last_distinct
from tilefold.declaration import FeatureView
from tilefold.engine.reference import Event, agree, reference_values
from tilefold.engine.time import to_us
from tilefold.functions import OVERFLOW
from tilefold.types import Float64, Int64, String, Timestamp

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)

EVENTS = BatchSource(
    "events",
    schema=[
        Field("user", String),
        Field("at", Timestamp),
        Field("amount", Float64),
        Field("units", Int64),
        Field("label", String),
    ],
    timestamp_field="at",
)
USER = Entity("user", join_keys=[Field("user", String)])
AMOUNT, UNITS, LABEL = Field("amount", Float64), Field("units", Int64), Field("label", String)


def day(number: float) -> datetime:
    """So many days after the start."""
    return START + number * DAY


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time it was set to."""
        return self.now


def features(*windows: Any) -> list[Aggregate]:
    """Functions of every family over these windows."""
    wanted: list[tuple[Field | None, Any]] = [
        (None, "count"),
        (UNITS, "sum"),
        (AMOUNT, "mean"),
        (AMOUNT, "stddev"),
        (LABEL, "max"),
        (LABEL, "last"),
        (UNITS, first(2)),
        (LABEL, last_distinct(2)),
    ]
    return [
        Aggregate(input_column=column, function=function, time_window=window)
        for window in windows
        for column, function in wanted
    ]


def passed_on(events: pl.LazyFrame) -> pl.LazyFrame:
    """The view's transformation: everything, event ids too, so that ties are told apart by them."""
    return events


def declare(name: str = "spend", wanted: Sequence[Aggregate] | None = None, **parameters: Any) -> FeatureView:
    """A view of the sample's events; parameters replace the sample's."""
    sample: dict[str, Any] = {
        "name": name,
        "source": EVENTS,
        "entities": [USER],
        "features": wanted or features(DAY, TimeWindow(3 * DAY)),
        "feature_start_time": START,
    }
    return batch_feature_view(**(sample | parameters))(passed_on)


def wide_features() -> list[Aggregate]:
    """Every kind of window: moving, moved back, a series, a lifetime; and sketches over them."""
    sketches: list[tuple[Field, Any]] = [(LABEL, approx_count_distinct()), (AMOUNT, approx_percentile(0.5))]
    windows = (DAY, TimeWindow(2 * DAY, offset=-DAY), LifetimeWindow())
    return [
        *features(DAY, TimeWindow(4 * DAY), TimeWindow(2 * DAY, offset=-DAY), LifetimeWindow()),
        Aggregate(input_column=UNITS, function="sum", time_window=TimeWindowSeries(series_start=-3 * DAY, step_size=DAY)),
        *(Aggregate(input_column=c, function=f, time_window=window) for window in windows for c, f in sketches),
    ]


def frame(rows: Iterable[tuple[Any, ...]]) -> pl.DataFrame:
    """Events of rows (user, days after the start, units) and, where given, an event id."""
    made = [
        {
            "user": user,
            "at": day(at) if isinstance(at, int | float) else at,
            "amount": None if units is None else units / 2,
            "units": units,
            "label": None if units is None else f"l{units % 5}",
            "event_id": rest[0] if rest else None,
        }
        for user, at, units, *rest in rows
    ]
    schema = {field.name: field.dtype for field in EVENTS.schema or ()} | {"event_id": pl.String()}
    made_frame = pl.DataFrame(made, schema=schema)
    return made_frame.drop("event_id") if made_frame["event_id"].is_null().all() else made_frame


def expected(view: FeatureView, events: pl.DataFrame, user: Any, edge: datetime) -> dict[str, Any]:
    """What the reference says of one user at an edge, by `view.feature`; null where a sum does not fit."""
    rows = events.filter(
        pl.col("user") == user, pl.col("at") >= pl.lit(datetime.fromtimestamp(view.feature_start_us / 1e6, UTC))
    )
    mine = [Event(to_us(row["at"]), row.get("event_id") or "", row) for row in rows.to_dicts()]
    values = reference_values(view.features, mine, to_us(edge))
    return {f"{view.name}.{name}": None if value is OVERFLOW else value for name, value in values.items()}


def assert_same(found: dict[str, Any], wanted: dict[str, Any], scale: float = 1e4) -> None:
    """Both hold the same names and values."""
    assert found.keys() == wanted.keys()
    wrong = {name: (found[name], wanted[name]) for name in wanted if not agree(found[name], wanted[name], scale)}
    assert not wrong


def assert_all_equal_reference(
    ws: Workspace, view: FeatureView, events: pl.DataFrame, users: Iterable[str], edge: datetime
) -> None:
    """Every user's read at the watermark is what raw events say."""
    asked = [*users, "nobody"]
    read = ws.get_features_batch(view.name, [{"user": user} for user in asked], at=edge)
    for user, vector in zip(asked, read, strict=True):
        assert set(vector.effective_times.values()) == {edge}
        assert_same(vector.values, expected(view, events, user, edge))


def opened(root: Path, url: str | None, *definitions: Any, now: datetime, name: str | None = None) -> Workspace:
    """A workspace with a name of its own on a shared server, and a clock that stands."""
    return Workspace(root, list(definitions), online=url, clock=Clock(now), name=name or f"t-{secrets.token_hex(4)}")
