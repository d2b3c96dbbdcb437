"""What a plan says of changed definitions, and what it costs."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import DAY, LABEL, START, UNITS, Clock, day, declare, frame
from tilefold import Aggregate, Entity, Field, TimeWindow, Workspace, batch_feature_view
from tilefold.aggregation_functions import last
from tilefold.cli.show_plan import planned as shown
from tilefold.declaration import FeatureView
from tilefold.serving.planning import Change, as_json
from tilefold.types import String

ROWS = frame([("a", 0.5, 2), ("a", 1.5, 3), ("a", 2.5, 4), ("b", 2.25, 5)])
SUM = Aggregate(input_column=UNITS, function="sum", time_window=DAY)
OLD = declare(wanted=[SUM])


def doubled(events: pl.LazyFrame) -> pl.LazyFrame:
    """Another function than the sample's."""
    return events.with_columns(pl.col("units") * 2)


def opened(root: Path, url: str, *views: FeatureView) -> Workspace:
    """A process of the one workspace of a test."""
    return Workspace(root, list(views), online=url, clock=Clock(day(3.5)), name=f"p{root.name}")


CHANGES: list[tuple[dict[str, Any], str]] = [
    (
        {"wanted": [SUM, Aggregate(input_column=LABEL, function=last(2), time_window=TimeWindow(2 * DAY))]},
        "feature label_last_2_2d is added: last(n=2) of label over 2d",
    ),
    (
        {"wanted": [Aggregate(input_column=UNITS, function="max", time_window=DAY, name="units_sum_1d")]},
        "feature units_sum_1d is changed: sum of units over 1d -> max of units over 1d",
    ),
    (
        {"wanted": [Aggregate(input_column=UNITS, function="sum", time_window=TimeWindow(2 * DAY, offset=-DAY))]},
        "feature units_sum_1d is removed: sum of units over 1d",
    ),
    ({"batch_schedule": timedelta(hours=12)}, "batch_schedule: 1d -> 12h"),
    ({"compaction_enabled": False}, "compaction_enabled: True -> False"),
    ({"feature_start_time": day(1)}, "feature_start_time: 2024-01-01 00:00 -> 2024-01-02 00:00"),
    ({"entities": [Entity("label", join_keys=[Field("label", String)])]}, "join keys: user String -> label String"),
]


@pytest.mark.parametrize(("changed", "line"), CHANGES, ids=[line.split(":")[0] for _, line in CHANGES])
def test_what_changed(tmp_path: Path, online_url: str, changed: dict[str, Any], line: str) -> None:
    """Each change of a definition is a line of plain words."""
    with opened(tmp_path, online_url, OLD) as old:
        old.append("events", ROWS)
        old.materialize("spend", day(3))
    with opened(tmp_path, online_url, declare(**({"wanted": [SUM]} | changed))) as new:
        (found,) = new.plan().views
    assert (found.change, found.old) == (Change.CHANGED, OLD.version)
    assert line in found.differences


def test_a_changed_function(tmp_path: Path, online_url: str) -> None:
    """Of a function the lines that differ are shown."""
    sample: dict[str, Any] = {"name": "spend", "source": OLD.source, "entities": [Entity("user", [Field("user", String)])]}
    other = batch_feature_view(**sample, features=[SUM], feature_start_time=START)(doubled)
    with opened(tmp_path, online_url, OLD) as old, opened(tmp_path, online_url, other) as new:
        old.append("events", ROWS)
        old.materialize("spend", day(3))
        (line,) = new.plan().views[0].differences
    assert line.startswith("transformation: -")
    assert "+    return events.with_columns(pl.col('units') * 2)" in line


def test_what_it_costs(tmp_path: Path, online_url: str) -> None:
    """Events and days are counted; keys, bytes and time are estimated from the version before; then it waits for the switch."""
    new = declare(wanted=[SUM, Aggregate(input_column=UNITS, function="max", time_window=TimeWindow(2 * DAY))])
    with opened(tmp_path, online_url, OLD) as before, opened(tmp_path, online_url, new) as after:
        before.append("events", ROWS)
        before.materialize("spend", day(3))
        (found,) = after.plan().views
        assert found.cost is not None
        assert (found.cost.events, found.cost.build_days, found.cost.import_days, found.cost.keys) == (3, 2, 0, 2)
        assert found.cost.size_bytes is not None
        assert found.cost.seconds is not None
        assert not found.ready
        report = after.materialize("spend", day(3), switch=False)
        assert report.compaction is not None
        assert (report.compaction.events, len(report.compaction.rebuilt_days), report.compaction.keys) == (3, 2, 2)
        (found,) = after.plan().views
        assert (found.ready, found.cost and found.cost.events) == (True, 0)
        assert "waits for the switch" in shown(after.plan())
        after.switch("spend")
        assert after.plan().changes == []
        assert "Nothing changed" in shown(after.plan())


def test_added_and_removed(tmp_path: Path, online_url: str) -> None:
    """A view that was never made is added; one that is not declared any more is removed, and named by its version."""
    with opened(tmp_path, online_url, OLD) as ws:
        ws.append("events", ROWS)
        (added,) = ws.plan().views
        assert (added.change, added.old, added.new) == (Change.ADDED, None, OLD.version)
        assert added.cost is not None
        assert (added.cost.events, added.cost.keys) == (2, None)
        ws.materialize("spend", day(3))
    with opened(tmp_path, online_url, declare("other", wanted=[SUM])) as ws:
        plans = {each.view: each for each in ws.plan().views}
        assert (plans["other"].change, plans["spend"].change) == (Change.ADDED, Change.REMOVED)
        assert (plans["spend"].old, plans["spend"].new) == (OLD.version, None)
        assert [each.view for each in ws.plan(["other"]).views] == ["other"]
        assert {each["view"]: each["change"] for each in as_json(ws.plan())} == {"other": "added", "spend": "removed"}


def test_a_plan_changes_nothing(tmp_path: Path, online_url: str) -> None:
    """Neither the store nor a table is another one after a plan."""
    new = declare(wanted=[SUM, Aggregate(input_column=UNITS, function="max", time_window=DAY)])
    with opened(tmp_path, online_url, OLD) as before, opened(tmp_path, online_url, new) as after:
        before.append("events", ROWS)
        before.materialize("spend", day(3))
        files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        keys = sorted(after.online_client().scan_iter(f"{after.name}:*"))
        assert after.plan().changes
        assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == files
        assert sorted(after.online_client().scan_iter(f"{after.name}:*")) == keys
