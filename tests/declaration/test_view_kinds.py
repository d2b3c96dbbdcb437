"""What stream views are beside batch views."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tests.declaration.samples import (
    CLICKS,
    DAY,
    DAY_US,
    HOUR,
    HOUR_US,
    TRANSACTIONS,
    declare,
    declare_stream,
    moved,
    series,
    stream_refusal,
    total,
)
from tilefold import (
    Aggregate,
    AggregationLeadingEdge,
    Entity,
    Field,
    LifetimeWindow,
    StreamSource,
    TimeWindow,
    stream_feature_view,
)
from tilefold.aggregation_functions import last_distinct
from tilefold.declaration import Window

MINUTE = timedelta(minutes=1)


def test_kinds() -> None:
    """A view is of the kind of its decorator, and the rest of a declaration means the same."""
    batch, stream = declare(), declare_stream()
    assert (batch.kind, stream.kind) == ("batch", "stream")
    assert batch.columns == stream.columns
    assert [feature.name for feature in batch.features] == [feature.name for feature in stream.features]
    assert (stream.schedule_us, stream.cell_us, stream.online, stream.compaction_enabled) == (DAY_US, HOUR_US, True, True)


def test_the_listing_of_the_contract() -> None:
    """A stream view as it stands in the contract is declared."""
    transactions = StreamSource(
        name="transactions",
        schema=[
            Field("user_id", pl.String),
            Field("timestamp", pl.Datetime("us", "UTC")),
            Field("amount", pl.Float64),
            Field("merchant", pl.String),
        ],
        timestamp_field="timestamp",
    )
    user = Entity(name="user", join_keys=[Field("user_id", pl.String)])

    @stream_feature_view(
        source=transactions,
        entities=[user],
        mode="polars",
        features=[
            Aggregate(
                input_column=Field("amount", pl.Float64),
                function="sum",
                time_window=TimeWindow(window_size=timedelta(days=30)),
            ),
            Aggregate(input_column=Field("amount", pl.Float64), function="mean", time_window=LifetimeWindow()),
            Aggregate(input_column=Field("merchant", pl.String), function=last_distinct(3), time_window=timedelta(days=7)),
        ],
        feature_start_time=datetime(2022, 5, 1, tzinfo=UTC),
        compaction_enabled=True,
    )
    def user_spend(transactions: pl.LazyFrame) -> pl.LazyFrame:
        return transactions.select("user_id", "timestamp", "amount", "merchant")

    names = [feature.name for feature in user_spend.features]
    assert names == ["amount_sum_30d", "amount_mean_lifetime", "merchant_last_distinct_3_7d"]
    assert [feature.windows for feature in user_spend.features] == [
        (Window(30 * DAY_US, hop_us=HOUR_US),),
        (Window(None, hop_us=0),),
        (Window(7 * DAY_US, hop_us=HOUR_US),),
    ]
    assert repr(user_spend).startswith("<stream view 'user_spend'")


def test_wrong_source() -> None:
    """A stream view takes a StreamSource."""
    message = stream_refusal(source=TRANSACTIONS)
    assert message.startswith("view 'spend': a stream view takes a StreamSource, not a BatchSource; got 'transactions'")
    assert "source must be a StreamSource; got 5" in stream_refusal(source=5)


@pytest.mark.parametrize("given", ["latest_event", AggregationLeadingEdge.LATEST_EVENT_TIME])
def test_leading_edge(given: Any) -> None:
    """The leading edge is the read time unless the view asks for the newest event; on batch views it is not asked."""
    assert declare_stream(aggregation_leading_edge=given).leading_edge == "latest_event"
    assert declare_stream().leading_edge == declare_stream(aggregation_leading_edge="wall_clock").leading_edge == "wall_clock"
    assert declare().leading_edge == "wall_clock"


def test_wrong_leading_edge() -> None:
    """A leading edge that is not known is refused."""
    assert "view 'spend': aggregation_leading_edge must be known; got 'now'" in stream_refusal(aggregation_leading_edge="now")


def test_short_windows() -> None:
    """A window of a stream view may be shorter than its schedule."""
    assert declare_stream(features=[total(MINUTE)]).features[0].windows == (Window(60_000_000, hop_us=0),)


def test_valid_for() -> None:
    """A batch part of a stream view answers for two cadences and the delay."""
    assert declare_stream(batch_schedule=6 * HOUR, data_delay=HOUR).valid_for_us == 13 * HOUR_US


@pytest.mark.parametrize(
    ("features", "cell_us"),
    [
        ([total(30 * DAY)], HOUR_US),
        ([total(30 * DAY), total(DAY)], 300_000_000),
        ([total(DAY, trailing_edge=8 * HOUR)], 8 * HOUR_US),
        ([total(35 * HOUR, trailing_edge=7 * HOUR)], HOUR_US),
        ([total(moved(30 * DAY, MINUTE))], HOUR_US),
        ([total(series(30 * DAY, DAY, window_size=10 * DAY))], HOUR_US),
        ([total(LifetimeWindow())], DAY_US),
        ([total(30 * DAY), total(MINUTE)], 1),
        ([total(30 * DAY, trailing_edge="exact")], 1),
        ([total(DAY, trailing_edge="tecton")], 1),
    ],
)
def test_cell(features: list[Aggregate], cell_us: int) -> None:
    """The cell holds the schedule and every grid; it is a microsecond where a window has no grid."""
    assert declare_stream(features=features).cell_us == cell_us


def test_aggregation_interval_is_no_schedule() -> None:
    """Tecton's interval sets the trailing edge of a stream view, not its schedule."""
    view = declare_stream(aggregation_interval=HOUR)
    assert (view.schedule_us, view.features[0].windows[0].hop_us) == (DAY_US, HOUR_US)


@pytest.mark.parametrize(
    "parameters",
    [
        {"trailing_edge": "exact"},
        {"trailing_edge": HOUR / 2},
        {"trailing_edge": "tecton"},
        {"aggregation_leading_edge": "latest_event"},
        {"features": [total(DAY)]},
        {"batch_schedule": HOUR},
    ],
)
def test_other_version(parameters: dict[str, Any]) -> None:
    """What changes stored values changes the version of a stream view."""
    assert declare_stream(**parameters).version != declare_stream().version


@pytest.mark.parametrize(
    "parameters", [{"trailing_edge": HOUR}, {"trailing_edge": "auto"}, {"aggregation_interval": HOUR}, {"data_delay": HOUR}]
)
def test_same_version(parameters: dict[str, Any]) -> None:
    """What means the same has the same version, however it is written."""
    assert declare_stream(**parameters).version == declare_stream().version


def test_kinds_have_versions_of_their_own() -> None:
    """A batch and a stream view of equal declarations have two versions."""
    assert declare_stream().version != declare(source=TRANSACTIONS).version
    assert CLICKS.name == declare_stream().source.name
