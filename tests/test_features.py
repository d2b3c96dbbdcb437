"""The example feature repository: what it declares, and what it reads from a workspace."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tilefold import Workspace
from tilefold.demo.flights import import_flights
from tilefold.engine.time import to_datetime
from tilefold.serving.definitions import load_definitions

FEATURES = Path(__file__).parents[1] / "features"
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


def test_views_start_on_the_day_that_the_import_noted(tmp_path: Path) -> None:
    """The first day stands beside the data of the root that is opened, so partitions begin where flights do."""
    import_flights(tmp_path, days=1, now=NOW)
    views = load_definitions(FEATURES, str(tmp_path)).views.values()
    assert {to_datetime(view.feature_start_us) for view in views} == {datetime(2025, 11, 18, tzinfo=UTC)}


def test_views_load_before_any_import(tmp_path: Path) -> None:
    """Without an import the flights begin where they did."""
    views = load_definitions(FEATURES, str(tmp_path)).views.values()
    assert {to_datetime(view.feature_start_us) for view in views} == {datetime(2013, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("view", "key"), [("aircraft_delays", "tailnum"), ("carrier_delays", "carrier"), ("origin_delays", "origin")]
)
def test_features_equal_a_plain_query(tmp_path: Path, online_url: str, view: str, key: str) -> None:
    """Flights, departures and mean delay of the busiest key are what Polars says of the file."""
    import_flights(tmp_path, days=4, now=NOW)
    flights = pl.read_parquet(tmp_path / "source/flights.parquet").filter(pl.col(key).is_not_null())
    week = flights.filter(pl.col("scheduled_departure") >= datetime(2026, 11, 17, tzinfo=UTC))
    busiest = week.group_by(key).len().sort("len", key).item(-1, key)
    delays = week.filter(pl.col(key) == busiest)["departure_delay"]
    with Workspace(tmp_path, FEATURES, online_url, clock=lambda: NOW, name=f"features_{view}") as workspace:
        workspace.materialize(view)
        values = workspace.get_features(view, {key: busiest}).values
    assert values[f"{view}.flights_7d"] == len(delays)
    assert values[f"{view}.departure_delay_count_7d"] == delays.count()
    assert values[f"{view}.departure_delay_mean_7d"] == pytest.approx(delays.mean(), rel=1e-9)
    assert values[f"{view}.departure_delay_max_lifetime"] == flights.filter(pl.col(key) == busiest)["departure_delay"].max()
