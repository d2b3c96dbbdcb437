"""An aggregate of one's own through the workspace: reads, training sets, explanations and the expressions say the same."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tests.functions.own import GeometricMean
from tests.pipelines import AMOUNT, DAY, LABEL, assert_same, day, declare, expected, frame
from tests.pipelines import opened as opened_batch
from tests.streams import opened, record, source, view_of
from tilefold import Aggregate, Field, LifetimeWindow, TimeWindow
from tilefold.engine.reference import agree
from tilefold.serving.explained import Verdict
from tilefold.types import Int64

WINDOWS: list[Any] = [DAY, TimeWindow(2 * DAY, offset=-DAY), LifetimeWindow()]


def test_of_a_batch_view(tmp_path: Path, online_url: str, seed: int) -> None:
    """As of each watermark, with and without plain Python of its own."""
    chance = random.Random(seed)
    pairs = [(AMOUNT, "geometric_mean"), (LABEL, "longest_text")]
    view = declare(wanted=[Aggregate(input_column=c, function=f, time_window=w) for c, f in pairs for w in WINDOWS])
    events = frame([("a", chance.uniform(0, 6), chance.choice([None, chance.randint(-9, 90)]), f"{n}") for n in range(150)])
    with opened_batch(tmp_path, online_url, view, now=day(6)) as ws:
        ws.append("events", events)
        for number in (3, 6):
            at = day(number)
            ws.materialize("spend", at)
            wanted = expected(view, events, "a", at)
            assert_same(dict(ws.get_features("spend", {"user": "a"}, at=at).values), wanted)
            spine = pl.DataFrame({"user": ["a"], "when": [at]}).with_columns(pl.col("when").dt.convert_time_zone("UTC"))
            trained = ws.get_features_for_events("spend", spine, timestamp="when").drop("user", "when")
            assert_same({name.replace("__", ".", 1): value for name, value in trained.row(0, named=True).items()}, wanted)
            explained = ws.explain("spend", {"user": "a"}, reference=True)
            assert explained.reference is not None
            assert set(explained.reference.verdicts.values()) == {Verdict.AGREES}


def test_of_a_stream(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Pushed events are in the value at once, and still after a compaction."""
    feature = Aggregate(input_column=Field("units", Int64), function="geometric_mean", time_window=DAY)
    with opened(tmp_path, online_url, stream_url, view_of(source(), features=[feature])) as ws:
        now = ws._clock()
        ws.ingest("pushed", [record("a", now - timedelta(hours=n), 2**n, f"{n}") for n in range(5)])
        for _ in range(2):
            (found,) = ws.get_features("spend", {"user": "a"}).values.values()
            assert agree(found, 4.0)
            assert ws.get_features("spend", {"user": "nobody"}).values == {"spend.units_geometric_mean_1d": GeometricMean.empty}
            ws.materialize("spend")
