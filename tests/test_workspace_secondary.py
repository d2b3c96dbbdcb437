"""Secondary keys through the workspace: lists that belong together, online and in training sets."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import DAY, HOUR, LABEL, UNITS, assert_same, declare, expected, frame
from tests.pipelines import opened as opened_batch
from tests.serving.clicks import CLICKS
from tests.streams import day, opened, view_of
from tilefold import Aggregate, LifetimeWindow, TimeWindow, TimeWindowSeries, Workspace
from tilefold.aggregation_functions import approx_count_distinct, approx_percentile, last_distinct
from tilefold.serving.read import Status

WINDOWS: list[Any] = [
    DAY,
    TimeWindow(3 * DAY),
    TimeWindow(DAY, offset=-DAY),
    TimeWindowSeries(series_start=-2 * DAY, step_size=DAY),
    LifetimeWindow(),
]
FUNCTIONS: list[tuple[Any, Any]] = [
    (None, "count"),
    (UNITS, "sum"),
    (UNITS, "max"),
    (UNITS, "stddev_pop"),
    (LABEL, "last"),
    (UNITS, last_distinct(2)),
    (UNITS, approx_count_distinct()),
    (UNITS, approx_percentile(0.5)),
]
FEATURES = [Aggregate(input_column=c, function=f, time_window=window) for window in WINDOWS for c, f in FUNCTIONS]
USERS = ["a", "b", "nobody"]


def served(ws: Workspace, at: datetime, user: str = "a") -> dict[str, Any]:
    """What a read gives."""
    return dict(ws.get_features("spend", {"user": user}, at=at).values)


def trained(ws: Workspace, at: datetime, user: str = "a") -> dict[str, Any]:
    """What a training set says."""
    spine = pl.DataFrame({"user": [user], "when": [at]}).with_columns(pl.col("when").dt.convert_time_zone("UTC"))
    found = ws.get_features_for_events("spend", spine, timestamp="when").drop("user", "when")
    return {name.replace("__", ".", 1): value for name, value in found.row(0, named=True).items()}


def test_the_lists_belong_together(tmp_path: Path, online_url: str) -> None:
    """Keys in order, a value for each; a key is listed though all its values are null, and a null key is not."""
    features = [Aggregate(input_column=UNITS, function=function, time_window=3 * DAY) for function in ("sum", "count")]
    view = declare(wanted=features, aggregation_secondary_key="label")
    events = pl.concat([frame([("a", 1.5, 7), ("a", 1.25, 2), ("a", 1.75, 2), ("a", 1.1, None), ("b", 1.5, None)])])
    nulls = pl.DataFrame(
        [{"user": "a", "at": day(1.6), "label": "empty", "units": None}],
        schema_overrides={"units": pl.Int64, "at": pl.Datetime("us", "UTC")},
    )
    with opened_batch(tmp_path, online_url, view, now=day(9.5)) as ws:
        ws.append("events", pl.concat([events, nulls], how="diagonal"))
        ws.materialize("spend", day(2))
        found = ws.get_features("spend", {"user": "a"}, at=day(2))
        wanted = {
            "spend.label_keys_3d": ["empty", "l2"],
            "spend.units_sum_3d": [None, 11],
            "spend.units_count_3d": [0, 3],
        }
        assert dict(found.values) == trained(ws, day(2)) == wanted
        assert set(found.statuses.values()) == {Status.PRESENT}
        for user in ("b", "nobody"):
            nothing = ws.get_features("spend", {"user": user}, at=day(2))
            assert set(map(str, nothing.values.values())) == {"[]"}
            assert set(nothing.statuses.values()) == {Status.MISSING_DATA}


def test_a_sum_that_does_not_fit(tmp_path: Path, online_url: str) -> None:
    """Is null among the values of the other keys, and the feature says so."""
    view = declare(wanted=[Aggregate(input_column=UNITS, function="sum", time_window=DAY)], aggregation_secondary_key="label")
    with opened_batch(tmp_path, online_url, view, now=day(9.5)) as ws:
        rows = frame([("a", 1.1, 2**62, "1"), ("a", 1.2, 2**62, "2"), ("a", 1.3, 7, "3")])
        ws.append("events", rows.with_columns(label=pl.Series(["x", "x", "y"])))
        ws.materialize("spend", day(2))
        found = ws.get_features("spend", {"user": "a"}, at=day(2))
        assert found.values["spend.units_sum_1d"] == trained(ws, day(2))["spend.units_sum_1d"] == [None, 7]
        assert found.statuses["spend.units_sum_1d"] == Status.OVERFLOW


@pytest.mark.parametrize("few", [0, 64])
def test_of_a_batch_view(tmp_path: Path, online_url: str, seed: int, few: int) -> None:
    """Every family over every kind of window, over compactions: the reference, the read and the training set agree."""
    chance = random.Random(seed)
    view = declare(wanted=FEATURES, aggregation_secondary_key="label")
    object.__setattr__(view, "few_cells", few)
    given = [("ab"[n % 2], chance.uniform(0, 6), chance.choice([None, chance.randint(-9, 90)]), f"{n}") for n in range(300)]
    events = frame(given)
    with opened_batch(tmp_path, online_url, view, now=day(6.5)) as ws:
        ws.append("events", events)
        for number in (3, 4, 6):
            ws.materialize("spend", day(number))
            for user in USERS:
                wanted = expected(view, events, user, day(number))
                assert_same(served(ws, day(number), user), wanted)
                assert_same(trained(ws, day(number), user), wanted)


@pytest.mark.parametrize("trailing_edge", ["exact", timedelta(hours=1)])
def test_of_a_stream(tmp_path: Path, online_url: str, stream_url: str, seed: int, trailing_edge: Any) -> None:
    """Before, between and after compactions, with late events, reads are what training sets say."""
    chance = random.Random(seed)
    view = view_of(CLICKS, features=FEATURES, trailing_edge=trailing_edge, aggregation_secondary_key="label")
    with opened(tmp_path, online_url, stream_url, view) as ws:
        for step in range(3):
            now = ws._clock()
            rows = [
                {
                    "user": chance.choice("ab"),
                    "at": now - timedelta(seconds=chance.randint(0, 3 * 86_400)),
                    "units": chance.choice([None, chance.randint(-50, 50)]),
                    "label": chance.choice([None, "", "x", "y", "ß"]),
                    "event_id": f"{step}-{number}",
                }
                for number in range(100)
            ]
            ws.ingest("events", rows)
            ws.drain("events")
            wanted = {user: trained(ws, now, user) for user in USERS}
            for _ in range(2 if step else 1):
                for user in USERS:
                    assert_same(served(ws, now, user), wanted[user])
                if step:
                    ws.materialize("spend")
            ws._clock.now = now + 7 * HOUR  # type: ignore[attr-defined] # a clock of ours
