"""Values through the facade that depend on no layout: NaN among floats, and compaction switched off."""

from pathlib import Path

import polars as pl

from tests.pipelines import DAY, day, declare, frame, opened, wide_features
from tilefold import Aggregate, BatchSource, Entity, Field, batch_feature_view
from tilefold.engine.reference import agree
from tilefold.types import Float64, String, Timestamp


def test_without_compaction(tmp_path: Path, online_url: str) -> None:
    """With compaction switched off the store holds plain cells, and values are the same."""
    plain, compacted = declare("plain", wide_features(), compaction_enabled=False), declare("compacted", wide_features())
    object.__setattr__(compacted, "few_cells", 0)
    rows = frame([("a", number / 4, number, f"{number}") for number in range(60)])
    with opened(tmp_path, online_url, plain, compacted, now=day(15.5)) as ws:
        ws.append("events", rows)
        reports = {name: ws.materialize(name, day(15)).compaction for name in ("plain", "compacted")}
        values = {name: ws.get_features(name, {"user": "a"}).values for name in reports}
        tiles = {name: report.tiles_after for name, report in reports.items() if report}
        assert tiles["plain"] == 15
        assert tiles["compacted"] < tiles["plain"]
        for name, value in values["plain"].items():
            assert agree(value, values["compacted"][name.replace("plain", "compacted")], scale=1e3)


def test_float_column(tmp_path: Path, online_url: str) -> None:
    """NaN is a value for last, makes a sum NaN, and is skipped by min and max."""
    columns = [Field("user", String), Field("at", Timestamp), Field("x", Float64)]
    source = BatchSource("floats", schema=columns, timestamp_field="at")
    wanted = [
        Aggregate(input_column=columns[2], function=name, time_window=DAY) for name in ("last", "sum", "max", "min", "count")
    ]

    @batch_feature_view(
        source=source, entities=[Entity("user", join_keys=[columns[0]])], features=wanted, feature_start_time=day(0)
    )
    def nans(floats: pl.LazyFrame) -> pl.LazyFrame:
        return floats

    with opened(tmp_path, online_url, nans, now=day(3)) as ws:
        ws.append("floats", [{"user": "a", "at": day(2.1), "x": 1.0}, {"user": "a", "at": day(2.2), "x": float("nan")}])
        ws.materialize("nans", day(3))
        found = ws.get_features("nans", {"user": "a"}).values
        assert str(found) == (
            "{'nans.x_last_1d': nan, 'nans.x_sum_1d': nan, 'nans.x_max_1d': 1.0, 'nans.x_min_1d': 1.0, 'nans.x_count_1d': 2}"
        )
