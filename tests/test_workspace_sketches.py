"""Sketches through the workspace: what is served and what is trained on are the same number, to the last bit."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import DAY, HOUR, declare, expected, frame
from tests.pipelines import opened as opened_batch
from tests.streams import day, opened, source, view_of
from tilefold import Aggregate, Field, LifetimeWindow, TimeWindow, TimeWindowSeries, Workspace
from tilefold.aggregation_functions import approx_count_distinct, approx_percentile
from tilefold.types import Float64, Int64, String

WINDOWS: list[Any] = [
    DAY,
    TimeWindow(3 * DAY),
    TimeWindow(DAY, offset=-DAY),
    TimeWindowSeries(series_start=-2 * DAY, step_size=DAY),
    LifetimeWindow(),
]
USERS = ["a", "b"]


def sketches(*columns: Field) -> list[Aggregate]:
    """Sketches of all kinds of these columns, and of a window the exact count beside them."""
    functions = [approx_count_distinct(), approx_count_distinct(12), approx_percentile(0.5), approx_percentile(0.9, 20)]
    return [
        Aggregate(input_column=column, function=function, time_window=window)
        for column in columns
        for window in WINDOWS
        for function in functions
        if column.dtype != pl.String or function.name == "approx_count_distinct"
    ]


def served_and_trained(ws: Workspace, at: datetime) -> tuple[list[Any], list[Any]]:
    """What reads of all users give at a time, and what a training set says of it."""
    served = [list(each.values.values()) for each in ws.get_features_batch("spend", [{"user": user} for user in USERS], at=at)]
    spine = pl.DataFrame({"user": USERS, "when": [at] * len(USERS)}).with_columns(pl.col("when").dt.convert_time_zone("UTC"))
    trained = ws.get_features_for_events("spend", spine, timestamp="when").drop("user", "when")
    return served, [list(row) for row in trained.rows()]


@pytest.mark.parametrize("trailing_edge", ["exact", "auto", timedelta(hours=1)])
def test_of_a_stream(tmp_path: Path, online_url: str, stream_url: str, seed: int, trailing_edge: Any) -> None:
    """Before, between and after compactions, with late events: over every kind of window, floats and integers."""
    chance = random.Random(seed)
    view = view_of(
        source(),
        features=sketches(Field("units", Int64), Field("amount", Float64)),
        trailing_edge=trailing_edge,
    )
    with opened(tmp_path, online_url, stream_url, view) as ws:
        for step in range(4):
            now = ws._clock()
            rows = [
                {
                    "user": chance.choice(USERS),
                    "at": now - timedelta(seconds=chance.randint(0, 3 * 86_400)),
                    "units": chance.choice([None, chance.randint(-50, 50)]),
                    "amount": chance.lognormvariate(0, 3),
                    "event_id": f"{step}-{number}",
                }
                for number in range(150)
            ]
            ws.ingest("pushed", rows)
            ws.drain("pushed")
            served, trained = served_and_trained(ws, now)
            assert served == trained
            if step:
                ws.materialize("spend")
                assert served_and_trained(ws, now)[0] == served
            ws._clock.now = now + 7 * HOUR  # type: ignore[attr-defined] # a clock of ours


def test_of_a_batch_view(tmp_path: Path, online_url: str, seed: int) -> None:
    """Over compactions of few and many cells: the reference, the read and the training set agree."""
    chance = random.Random(seed)
    view = declare(wanted=sketches(Field("units", Int64), Field("amount", Float64), Field("label", String)))
    events = frame([(chance.choice(USERS), chance.uniform(0, 6), chance.randint(-9, 90), f"{n}") for n in range(600)])
    with opened_batch(tmp_path, online_url, view, now=day(6.5)) as ws:
        ws.append("events", events)
        for number in (3, 4, 6):
            ws.materialize("spend", day(number))
            served, trained = served_and_trained(ws, day(number))
            assert served == trained
            for user, values in zip(USERS, served, strict=True):
                assert values == list(expected(view, events, user, day(number)).values())


def test_a_small_sketch_is_small(tmp_path: Path, online_url: str) -> None:
    """The part of a key with ten different values in a day, seven days long, takes a few hundred bytes."""
    windows = [Aggregate(input_column=Field("units", Int64), function=f, time_window=TimeWindow(7 * DAY)) for f in ("count",)]
    sketch = [Aggregate(input_column=Field("units", Int64), function=approx_count_distinct(), time_window=TimeWindow(7 * DAY))]
    events = frame([("a", at + n / 10, n, f"{at}{n}") for at in range(7) for n in range(10)])
    sizes = []
    for name, wanted in (("plain", windows), ("sketched", windows + sketch)):
        view = declare(wanted=wanted)
        with opened_batch(tmp_path / name, online_url, view, now=day(7.5)) as ws:
            ws.append("events", events)
            ws.materialize("spend", day(7))
            sizes.append(ws.explain("spend", {"user": "a"}, at=day(7)).part_bytes)
    assert 7 * 18 <= sizes[1] - sizes[0] <= 7 * 21 + 3
