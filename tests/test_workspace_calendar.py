"""The day, week and month so far through the workspace: reads, training sets and explanations say the same."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tests.pipelines import HOUR, UNITS, assert_same, declare, expected, frame
from tests.pipelines import opened as opened_batch
from tests.streams import opened, record, source, view_of
from tilefold import Aggregate, CalendarWindow, Workspace

WINDOWS = [CalendarWindow("day", "America/New_York"), CalendarWindow("week", "Asia/Kathmandu"), CalendarWindow("month")]
FEATURES = [
    Aggregate(input_column=UNITS, function=function, time_window=each) for each in WINDOWS for function in ("sum", "max")
]
EVE = datetime(2024, 1, 31, 18, tzinfo=UTC)
"""The week and the month are under way; the day ends at 5 in the morning, the month at midnight."""


def trained(ws: Workspace, at: datetime) -> dict[str, Any]:
    """What a training set says."""
    spine = pl.DataFrame({"user": ["a"], "when": [at]}).with_columns(pl.col("when").dt.convert_time_zone("UTC"))
    found = ws.get_features_for_events("spend", spine, timestamp="when").drop("user", "when")
    return {name.replace("__", ".", 1): value for name, value in found.row(0, named=True).items()}


def test_of_a_batch_view(tmp_path: Path, online_url: str, seed: int) -> None:
    """As of the watermark, before and behind the ends of periods."""
    chance = random.Random(seed)
    view = declare(wanted=FEATURES, batch_schedule=6 * HOUR)
    events = frame([("a", chance.uniform(20, 32), chance.randint(-9, 90), f"{n}") for n in range(200)])
    with opened_batch(tmp_path, online_url, view, now=EVE + timedelta(days=3)) as ws:
        ws.append("events", events)
        for step in range(3):
            edge = EVE + step * 6 * HOUR
            ws.materialize("spend", edge)
            wanted = expected(view, events, "a", edge)
            assert_same(dict(ws.get_features("spend", {"user": "a"}, at=edge + HOUR).values), wanted)
            assert_same(trained(ws, edge + HOUR), wanted)
        assert wanted["spend.units_sum_this_month"] is not None


def test_of_a_stream(tmp_path: Path, online_url: str, stream_url: str, seed: int) -> None:
    """While a batch part is valid, periods end and begin; the windows that an explanation shows are theirs."""
    chance = random.Random(seed)
    with opened(tmp_path, online_url, stream_url, view_of(source(), features=FEATURES)) as ws:
        ws._clock.now = EVE  # type: ignore[attr-defined] # a clock of ours
        times = [EVE - timedelta(seconds=chance.randint(0, 12 * 86_400)) for _ in range(150)]
        ws.ingest("pushed", [record("a", at, chance.randint(-50, 50), f"{n}") for n, at in enumerate(times)])
        ws.drain("pushed")
        ws.materialize("spend")
        for hours in (0, 5, 6, 10.99, 11.01, 20):
            at = EVE + hours * HOUR
            ws._clock.now = at  # type: ignore[attr-defined] # a clock of ours
            assert_same(dict(ws.get_features("spend", {"user": "a"}).values), trained(ws, at))
        starts = {one.name: one.start for one in ws.explain("spend", {"user": "a"}).features}
    assert starts["spend.units_sum_this_day"] == datetime(2024, 2, 1, 5, tzinfo=UTC)
    assert starts["spend.units_sum_this_week"] == datetime(2024, 1, 28, 18, 15, tzinfo=UTC)
    assert starts["spend.units_sum_this_month"] == datetime(2024, 2, 1, tzinfo=UTC)
