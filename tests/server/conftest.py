"""A workspace with a bit of everything, served for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest

from tests.pipelines import AMOUNT, DAY, LABEL, START, UNITS, Clock, day, frame
from tests.server.servers import served
from tests.streams import SCHEMA
from tilefold import (
    Aggregate,
    BatchSource,
    Entity,
    FeatureService,
    Field,
    PushConfig,
    StreamSource,
    TimeWindow,
    Workspace,
    batch_feature_view,
    stream_feature_view,
)
from tilefold.aggregation_functions import first, last_distinct
from tilefold.declaration import FeatureView
from tilefold.types import Int64, String, Timestamp

EVENTS = BatchSource(
    "events",
    schema=[Field("user", String), Field("at", Timestamp), AMOUNT, UNITS, LABEL],
    timestamp_field="at",
)
PUSHED = StreamSource("pushed", schema=SCHEMA, timestamp_field="at", stream_config=PushConfig())
SHOPS = BatchSource("sales", schema=[Field("shop", Int64), Field("at", Timestamp), UNITS], timestamp_field="at")
USER, SHOP = Entity("user", join_keys=[Field("user", String)]), Entity("shop", join_keys=[Field("shop", Int64)])
NOW = day(3.5)


def _spend() -> FeatureView:
    wanted = [(None, "count"), (UNITS, "sum"), (AMOUNT, "mean"), (LABEL, "last"), (UNITS, first(2)), (LABEL, last_distinct(2))]

    @batch_feature_view(
        source=EVENTS,
        entities=[USER],
        mode="polars",
        feature_start_time=START,
        description="what users spend",
        features=[
            Aggregate(
                input_column=column,
                function=function,
                time_window=TimeWindow(3 * DAY),
                description=f"number {number}",
                tags={"owner": "shop"},
            )
            for number, (column, function) in enumerate(wanted)
        ],
    )
    def spend(events: pl.LazyFrame) -> pl.LazyFrame:
        return events

    return spend


def _sales() -> FeatureView:
    @batch_feature_view(
        source=SHOPS,
        entities=[SHOP],
        mode="polars",
        feature_start_time=START,
        features=[Aggregate(input_column=UNITS, function="sum", time_window=TimeWindow(3 * DAY))],
    )
    def sold(sales: pl.LazyFrame) -> pl.LazyFrame:
        return sales

    return sold


def _clicks() -> FeatureView:
    @stream_feature_view(
        source=PUSHED,
        entities=[USER],
        mode="polars",
        feature_start_time=START,
        features=[Aggregate(input_column=UNITS, function=each, time_window=TimeWindow(DAY)) for each in ("sum", "count")],
    )
    def clicks(pushed: pl.LazyFrame) -> pl.LazyFrame:
        return pushed

    return clicks


def definitions() -> list[object]:
    """Views of users and of shops, batch and stream, and services over them."""
    spend, sold, clicks = _spend(), _sales(), _clicks()
    both = FeatureService("both", features=[spend[["units_sum_3d"]], sold, clicks[["units_count_1d"]]])
    return [spend, sold, clicks, both]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """The workspace, with three days of events, compacted."""
    root: Path = tmp_path_factory.mktemp("served")
    with Workspace(root, definitions(), online=online_url, stream=stream_url, clock=Clock(NOW), name="prod") as ws:
        ws.append(
            "events", frame([("ann", 0.5, 7), ("ann", 1.5, 9), ("ann", 2.5, None), ("bob", 2, 2**62), ("bob", 2.1, 2**62)])
        )
        ws.append("events", [{"user": "cat", "at": day(2), "amount": float("nan"), "units": 1, "label": "l1"}])
        sales = [{"shop": 1, "at": day(1), "units": 5}, {"shop": 2**60, "at": day(2), "units": 6}]
        ws.append("sales", sales)  # type: ignore[arg-type] # records
        for view in ("spend", "sold"):
            ws.materialize(view, day(3))
        ws.ingest("pushed", [{"user": "ann", "at": day(3.4), "units": 4}], wait_for="visible")
        yield ws


@pytest.fixture(scope="session")
def client(shop: Workspace) -> Iterator[httpx.Client]:
    """A client of the served workspace."""
    with served(shop, cache_ttl_s=60.0) as made:
        yield made
