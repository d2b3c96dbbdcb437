"""Features of the flights that leave New York: how late an aircraft, a carrier and an airport have been, and are now.

The rule: this folder declares and does nothing else; it imports public names alone.

A flight is an event at its scheduled departure. `departure_delay` is in minutes, negative when it left early, and null for a
flight that was cancelled; so counting the column counts departures, and counting events counts flights.

A departure is an event too, pushed when the aircraft leaves the gate: what it does to the features shows at once.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from tilefold import (
    Aggregate,
    BatchSource,
    Entity,
    FeatureService,
    Field,
    FileConfig,
    LifetimeWindow,
    StreamSource,
    TimeWindow,
    batch_feature_view,
    stream_feature_view,
)
from tilefold.aggregation_functions import last_distinct
from tilefold.types import Int64, String, Timestamp

FLIGHTS_FILE = "source/flights.parquet"
NEVER_IMPORTED = "2013-01-01"


def first_day() -> datetime:
    """The day of the first flight.

    The flights are of 2013 and are moved by whole weeks to end in the week before their first import. That import writes the
    day they begin on beside the data; before it, they begin where they did.
    """
    notes = Path(os.environ.get("TILEFOLD_ROOT", "data"), FLIGHTS_FILE).with_suffix(".json")
    day = json.loads(notes.read_text())["first_day"] if notes.exists() else NEVER_IMPORTED
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


FIRST_DAY = first_day()

flights = BatchSource(
    name="flights",
    schema=[
        Field("scheduled_departure", Timestamp),
        Field("carrier", String),
        Field("flight", Int64),
        Field("tailnum", String),
        Field("origin", String),
        Field("destination", String),
        Field("departure_delay", Int64),
        Field("arrival_delay", Int64),
        Field("distance", Int64),
    ],
    timestamp_field="scheduled_departure",
    batch_config=FileConfig(FLIGHTS_FILE),
    description="Every flight scheduled out of EWR, JFK and LGA in a year; delays in minutes, distance in miles.",
)

departures = StreamSource(
    name="departures",
    schema=[
        Field("departed_at", Timestamp),
        Field("carrier", String),
        Field("origin", String),
        Field("destination", String),
        Field("flight", Int64),
        Field("tailnum", String),
        Field("departure_delay", Int64),
    ],
    timestamp_field="departed_at",
    description="Every departure out of EWR, JFK and LGA, pushed as it happens; delays in minutes, null if cancelled.",
)

aircraft = Entity(name="aircraft", join_keys=[Field("tailnum", String)], description="One airplane, by its tail number.")
carrier = Entity(name="carrier", join_keys=[Field("carrier", String)], description="An airline, by its two-letter code.")
airport = Entity(name="airport", join_keys=[Field("origin", String)], description="Where a flight leaves from.")

carrier_at_airport = Entity(
    name="carrier_at_airport",
    join_keys=[Field("carrier", String), Field("origin", String)],
    description="What an airline does at one airport.",
)

WINDOWS: list[TimeWindow | LifetimeWindow] = [
    *(TimeWindow(window_size=timedelta(days=days)) for days in (1, 7, 30, 90)),
    LifetimeWindow(),
]
DELAY = Field("departure_delay", Int64)


def punctuality() -> list[Aggregate]:
    """Flights, departures and how late they were, over each window."""
    flown = [Aggregate(function="count", name=f"flights_{_label(window)}", time_window=window) for window in WINDOWS]
    functions = ("count", "sum", "mean", "max", "stddev")
    late = [Aggregate(input_column=DELAY, function=name, time_window=window) for name in functions for window in WINDOWS]
    return flown + late


def _label(window: TimeWindow | LifetimeWindow) -> str:
    return f"{window.window_size.days}d" if isinstance(window, TimeWindow) else "lifetime"


@batch_feature_view(
    source=flights,
    entities=[aircraft],
    mode="polars",
    features=[
        *punctuality(),
        Aggregate(
            input_column=Field("destination", String), function=last_distinct(5), time_window=TimeWindow(timedelta(days=30))
        ),
    ],
    feature_start_time=FIRST_DAY,
    description="How late an aircraft leaves, and where it flew last.",
)
def aircraft_delays(flights: pl.LazyFrame) -> pl.LazyFrame:
    """Flights whose aircraft is known: one that was cancelled early has none."""
    known = flights.filter(pl.col("tailnum").is_not_null())
    return known.select("tailnum", "scheduled_departure", "departure_delay", "destination")


@batch_feature_view(
    source=flights,
    entities=[carrier],
    mode="polars",
    features=punctuality(),
    feature_start_time=FIRST_DAY,
    description="How late a carrier leaves.",
)
def carrier_delays(flights: pl.LazyFrame) -> pl.LazyFrame:
    """All flights."""
    return flights.select("carrier", "scheduled_departure", "departure_delay")


@batch_feature_view(
    source=flights,
    entities=[airport],
    mode="polars",
    features=punctuality(),
    feature_start_time=FIRST_DAY,
    description="How late flights leave an airport.",
)
def origin_delays(flights: pl.LazyFrame) -> pl.LazyFrame:
    """All flights."""
    return flights.select("origin", "scheduled_departure", "departure_delay")


@stream_feature_view(
    source=departures,
    entities=[carrier_at_airport],
    mode="polars",
    features=[
        Aggregate(input_column=DELAY, function=function, time_window=TimeWindow(window))
        for window in (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
        for function in ("count", "mean", "max")
    ],
    feature_start_time=FIRST_DAY,
    description="How late a carrier leaves an airport, up to this moment.",
)
def live_delays(departures: pl.LazyFrame) -> pl.LazyFrame:
    """All departures."""
    return departures.select("carrier", "origin", "departed_at", "departure_delay", "event_id")


flight_delay = FeatureService(
    name="flight_delay",
    features=[
        aircraft_delays[["departure_delay_mean_7d", "departure_delay_mean_90d", "destination_last_distinct_5_30d"]],
        carrier_delays[["departure_delay_mean_7d", "departure_delay_stddev_30d"]],
        origin_delays[["departure_delay_mean_7d", "flights_7d"]],
        live_delays[["departure_delay_mean_1h", "departure_delay_mean_1d"]],
    ],
    description="What a model that predicts the delay of a flight would ask of its aircraft, carrier and airport, up to now.",
)
