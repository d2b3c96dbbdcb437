"""The views that schedules draw from: every kind of window, several functions, each with little to keep so that much happens.

They are declared once in a process and kept: a schedule takes a few of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from itertools import chain
from typing import Any

import polars as pl

from tests.simulation.events import Event
from tilefold import (
    Aggregate,
    Attribute,
    Entity,
    Field,
    LifetimeWindow,
    PushConfig,
    StreamSource,
    TimeWindow,
    TimeWindowSeries,
    stream_feature_view,
)
from tilefold.aggregation_functions import approx_count_distinct, approx_percentile, first, last, last_distinct
from tilefold.declaration import FeatureView
from tilefold.engine.encode_one import RowEncoder
from tilefold.engine.reference import Event as ReferenceEvent
from tilefold.engine.reference import reference_values
from tilefold.engine.secondary import BySecondary
from tilefold.engine.stream_part import Row
from tilefold.engine.time import to_us
from tilefold.serving.context import ViewContext
from tilefold.types import Float64, Int64, String, Timestamp

START = datetime(2024, 3, 1, tzinfo=UTC)
START_US = to_us(START)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
SCHEMA = [
    Field("user", String),
    Field("at", Timestamp),
    Field("units", Int64),
    Field("amount", Float64),
    Field("shop", String),
]
SOURCE = StreamSource("events", schema=SCHEMA, timestamp_field="at", stream_config=PushConfig())
USER = Entity("user", join_keys=[Field("user", String)])
UNITS, AMOUNT, SHOP = Field("units", Int64), Field("amount", Float64), Field("shop", String)
MEASURES: dict[str, tuple[Field | None, Any]] = {
    "count": (None, "count"),
    "sum": (UNITS, "sum"),
    "min": (UNITS, "min"),
    "mean": (AMOUNT, "mean"),
    "spread": (AMOUNT, "stddev_pop"),
    "max": (SHOP, "max"),
    "last": (SHOP, "last"),
    "first": (UNITS, first(2)),
    "tail": (UNITS, last(3)),
    "distinct": (SHOP, last_distinct(2)),
    "shops": (SHOP, approx_count_distinct(4)),
    "median": (AMOUNT, approx_percentile(0.5)),
}
NEWEST = {"aggregation_leading_edge": "latest_event"}
SERIES = TimeWindowSeries(series_start=-6 * HOUR, step_size=2 * HOUR, window_size=3 * HOUR)
# Of each: what it measures, over which windows, and what else it declares.
_DECLARED: list[tuple[str, Sequence[Any], dict[str, Any]]] = [
    ("count sum last", [2 * HOUR, DAY], {"trailing_edge": HOUR}),
    ("sum min", [6 * HOUR, 2 * DAY], {"trailing_edge": 90 * MINUTE}),
    ("count distinct shops", [HOUR, 5 * HOUR], {"trailing_edge": "exact"}),
    ("mean first median", [3 * HOUR, 2 * DAY], {}),
    ("count tail", [DAY, 3 * DAY], {"trailing_edge": "tecton"}),
    ("sum max", [TimeWindow(4 * HOUR), TimeWindow(4 * HOUR, -HOUR), TimeWindow(DAY, -3 * HOUR)], {"trailing_edge": HOUR}),
    ("count", [TimeWindow(3 * HOUR, -90 * MINUTE), TimeWindow(HOUR)], {"trailing_edge": "exact"}),
    ("sum", [SERIES, 8 * HOUR], {"trailing_edge": HOUR, "aggregation_secondary_key": "shop"}),
    ("count spread", [LifetimeWindow(), 4 * HOUR], {"trailing_edge": HOUR}),
    ("last sum", [LifetimeWindow()], {"lifetime_start_time": START + DAY, "ttl": 9 * HOUR}),
    ("count min", [2 * HOUR, DAY], {"trailing_edge": HOUR, **NEWEST}),
    ("count last", [5 * HOUR], {"trailing_edge": "exact", **NEWEST}),
    ("sum distinct shops median", [6 * HOUR, LifetimeWindow()], {"trailing_edge": 2 * HOUR, **NEWEST}),
    ("count sum", [30 * HOUR, TimeWindow(6 * HOUR, -2 * HOUR)], {"trailing_edge": 6 * HOUR}),
]
SCHEDULES = (6 * HOUR, 12 * HOUR, DAY)
FEW_CELLS = (0, 3, 64)


def _passed_on(events: pl.LazyFrame) -> pl.LazyFrame:
    return events.select("user", "at", "units", "amount", "shop", "event_id")


def _declare(number: int, schedule: timedelta, few: int) -> FeatureView:
    measures, windows, more = _DECLARED[number]
    features = [
        Aggregate(input_column=MEASURES[each][0], function=MEASURES[each][1], time_window=window)
        for each in measures.split()
        for window in windows
    ]
    attributes = [Attribute("units", Int64), Attribute("shop", String)] if "ttl" in more else []
    given = {"entities": [USER], "features": features + attributes, "feature_start_time": START, "batch_schedule": schedule}
    name = f"view_{number}"
    view = stream_feature_view(source=SOURCE, name=name, **(given | more))(_passed_on)
    return replace(view, few_cells=few)


@dataclass(frozen=True)
class Kit:
    """A view with what the simulation makes of it."""

    context: ViewContext
    encoder: RowEncoder

    @property
    def view(self) -> FeatureView:
        """The declared view."""
        return self.context.view

    @cached_property
    def _lifts(self) -> list[tuple[Any, Any, str]]:
        return [(slot.partial.lift, slot.partial, slot.column) for slot in self.context.layout.slots]

    def row_of(self, event: Event) -> Row | None:
        """The event in the states that tiles are made of; None where no window ever holds it."""
        if event.time_us < self.view.feature_start_us:
            return None
        states = [lift(_input(event, partial, column), event.time_us, event.event_id) for lift, partial, column in self._lifts]
        return Row(event.time_us, event.time_us, tuple(chain.from_iterable(states)))

    def expected(self, events: Iterable[Event], at_us: int) -> list[Any]:
        """What the reference says of these events: a value per feature, in order."""
        start_us = self.view.feature_start_us
        told = [
            ReferenceEvent(event.time_us, event.event_id, {"units": event.units, "amount": event.amount, "shop": event.shop})
            for event in events
            if start_us <= event.time_us
        ]
        found: Mapping[str, Any] = reference_values(self.view.features, told, at_us)
        return [found[feature.name] for feature in self.view.features]


def _input(event: Event, partial: Any, column: str) -> Any:
    """What a slot sees of an event."""
    if isinstance(partial, BySecondary):
        return {name: getattr(event, name) for name in partial.inputs}
    return getattr(event, column) if column else event.time_us


@cache
def kit(number: int, schedule: timedelta, few: int) -> Kit:
    """One of the views, by its number in the list, with a schedule and how many cells of a key stay as they are."""
    context = ViewContext(_declare(number, schedule, few), None, "", {})  # type: ignore[arg-type] # no tables
    return Kit(context, RowEncoder(context.layout))


KINDS = len(_DECLARED)
LIFETIME_ALONE = [number for number, (_, windows, _) in enumerate(_DECLARED) if windows == [LifetimeWindow()]]
