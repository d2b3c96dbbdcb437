"""Decayed functions through the workspace: values fade while nothing happens, and are what training sets say."""

import random
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.pipelines import DAY, HOUR, assert_same, declare, expected, frame
from tests.pipelines import opened as opened_batch
from tests.streams import NOW, day, opened, record, source, view_of
from tilefold import Aggregate, Field, LifetimeWindow, TimeWindow, TimeWindowSeries
from tilefold.aggregation_functions import decayed_count, decayed_mean, decayed_sum
from tilefold.types import Int64

UNITS = Field("units", Int64)
WINDOWS = [
    LifetimeWindow(),
    TimeWindow(2 * DAY),
    TimeWindow(DAY, offset=-DAY),
    TimeWindowSeries(series_start=-2 * DAY, step_size=DAY),
]
FEATURES = [
    Aggregate(input_column=UNITS, function=function, time_window=window)
    for function in (decayed_sum(DAY), decayed_count(6 * HOUR), decayed_mean(DAY))
    for window in WINDOWS
]


def test_a_value_fades(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """By half in each half-life, before and after a compaction; the mean stays."""
    features = [
        Aggregate(input_column=UNITS, function=f(DAY), time_window=LifetimeWindow()) for f in (decayed_sum, decayed_mean)
    ]
    with opened(tmp_path, online_url, stream_url, view_of(source(), features=features)) as ws:
        ws.ingest("pushed", [record("a", NOW, 8)])
        for days in range(4):
            ws._clock.now = NOW + days * DAY  # type: ignore[attr-defined] # a clock of ours
            found = list(ws.get_features("spend", {"user": "a"}).values.values())
            assert found == pytest.approx([8 / 2**days, 8.0], rel=1e-9)
            if days == 1:
                ws.materialize("spend")


def test_of_a_batch_view(tmp_path: Path, online_url: str, seed: int) -> None:
    """As of the watermark, whenever it is read: the reference, the read and the training set agree."""
    chance = random.Random(seed)
    view = declare(wanted=FEATURES)
    events = frame([("a", chance.uniform(0, 6), chance.choice([None, chance.randint(-9, 90)]), f"{n}") for n in range(200)])
    with opened_batch(tmp_path, online_url, view, now=day(6.5)) as ws:
        ws.append("events", events)
        for number in (3, 6):
            ws.materialize("spend", day(number))
            wanted = expected(view, events, "a", day(number))
            for at in (day(number), day(number) + 5 * HOUR):
                assert_same(dict(ws.get_features("spend", {"user": "a"}, at=at).values), wanted)
                spine = pl.DataFrame({"user": ["a"], "when": [at]}).with_columns(pl.col("when").dt.convert_time_zone("UTC"))
                trained = ws.get_features_for_events("spend", spine, timestamp="when").drop("user", "when")
                assert_same({name.replace("__", ".", 1): value for name, value in trained.row(0, named=True).items()}, wanted)


def test_of_a_stream(tmp_path: Path, online_url: str, stream_url: str, seed: int) -> None:
    """At any time, over both parts, reads are what training sets say."""
    chance = random.Random(seed)
    with opened(tmp_path, online_url, stream_url, view_of(source(), features=FEATURES)) as ws:
        for step in range(3):
            now = ws._clock()
            times = [now - timedelta(seconds=chance.randint(0, 3 * 86_400)) for _ in range(100)]
            ws.ingest("pushed", [record("a", at, chance.randint(-50, 50), f"{step}-{n}") for n, at in enumerate(times)])
            ws.drain("pushed")
            spine = pl.DataFrame({"user": ["a"], "when": [now]}).with_columns(pl.col("when").dt.convert_time_zone("UTC"))
            trained = ws.get_features_for_events("spend", spine, timestamp="when").drop("user", "when").row(0, named=True)
            wanted = {name.replace("__", ".", 1): value for name, value in trained.items()}
            for _ in range(2):
                assert_same(dict(ws.get_features("spend", {"user": "a"}, at=now).values), wanted)
                ws.materialize("spend")
            ws._clock.now = now + 7 * HOUR  # type: ignore[attr-defined] # a clock of ours
