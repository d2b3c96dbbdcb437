"""Compaction: what it may start from, and that it then yields what it would have from scratch."""

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import DAY, LABEL, UNITS, Clock, assert_all_equal_reference, day, declare, frame, opened
from tilefold import Aggregate, LifetimeWindow, TimeWindow, Workspace
from tilefold.aggregation_functions import last_distinct
from tilefold.errors import ConflictError
from tilefold.serving import compaction, ground
from tilefold.serving.compaction import run_compaction

USERS = "abcdefgh"


def whole_features(*, lifetime: bool) -> list[Aggregate]:
    """Functions whose states hold no floats, so that parts are the same to the byte."""
    windows: list[Any] = [DAY, TimeWindow(5 * DAY), *([LifetimeWindow()] if lifetime else [])]
    wanted: list[Any] = [(None, "count"), (UNITS, "sum"), (LABEL, "min"), (LABEL, "last"), (LABEL, last_distinct(2))]
    return [Aggregate(input_column=c, function=f, time_window=w) for w in windows for c, f in wanted]


def parts(ws: Workspace, number: int) -> pl.DataFrame:
    """The newest compaction of a day."""
    as_of_us = int(day(number).timestamp() * 1_000_000)
    table = ws.context("spend").compacted
    return table.scan(as_of_us, table.latest(as_of_us) or 0).collect().sort("tf_key_hash")


@pytest.mark.parametrize("lifetime", [True, False])
@pytest.mark.parametrize("few", [0, 3, 64])
@pytest.mark.parametrize("seed", [1, 2])
def test_from_a_predecessor_as_from_scratch(tmp_path: Path, online_url: str, seed: int, few: int, lifetime: bool) -> None:
    """Day after day, late events and corrections among them, a compaction equals, to the byte, one made from nothing."""
    drawn = random.Random(seed)
    view = declare(wanted=whole_features(lifetime=lifetime))
    object.__setattr__(view, "few_cells", few)
    clock = Clock(day(20))
    with Workspace(tmp_path / "one", [view], online=online_url, clock=clock, name=f"c{seed}{few}{lifetime}") as ws:
        started = 0
        for number in range(1, 10):
            _happen(ws, drawn, number)
            report = ws.compact("spend", day(number))
            started += report.predecessor is not None
            assert parts(ws, number).equals(_from_scratch(ws, number)), f"seed {seed}, day {number}"
        assert started > 2, "some of them start from a predecessor"


def _happen(ws: Workspace, drawn: random.Random, number: int) -> None:
    active = drawn.sample(USERS, drawn.choice([1, 2, 8]))
    rows = [(user, number - 1 + drawn.random(), drawn.randrange(9), f"{number}{user}{n}") for user in active for n in range(3)]
    ws.append("events", frame(rows))
    if drawn.random() < 0.2:
        ws.append("events", frame([(drawn.choice(USERS), drawn.uniform(0, number), 5, f"late{number}")]))
    if drawn.random() < 0.2:
        gone = drawn.randrange(number)
        ws.append("events", frame([("a", gone + 0.5, 7, f"new{number}")]), replace=(day(gone), day(gone + 1)))


def _from_scratch(ws: Workspace, number: int) -> pl.DataFrame:
    """The same compaction where no predecessor is to be found."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compaction, "find_base", lambda *_: None)
        ws.compact("spend", day(number))
    return parts(ws, number)


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Any:
    """Ten days; `a` has events on each of them, the others on the first."""
    with opened(tmp_path, online_url, declare(wanted=whole_features(lifetime=True)), now=day(20)) as workspace:
        workspace.append("events", frame([("a", n + 0.5, n, f"a{n}") for n in range(10)] + [(u, 0.1, 1, u) for u in "bcdef"]))
        yield workspace


def test_costs_what_changed(ws: Workspace) -> None:
    """The next day's compaction computes the keys that something happened to, and takes over the others."""
    assert ws.compact("spend", day(6)).keys_computed == 6
    report = ws.compact("spend", day(7))
    assert (report.keys, report.keys_computed) == (6, 1)
    assert report.predecessor == (int(day(6).timestamp() * 1e6), 1)


def test_a_healed_day_is_no_base(ws: Workspace) -> None:
    """A predecessor built from a day that changed since is not used."""
    ws.compact("spend", day(6))
    ws.append("events", frame([("b", 2.5, 1, "late")]))
    report = ws.compact("spend", day(7))
    assert (report.predecessor, report.keys_computed) == (None, 6)
    assert [each.day for each in report.rebuilt_days] == [3, 7]


def test_a_later_watermark_is_no_base(ws: Workspace) -> None:
    """A past date does not start from a later one."""
    ws.compact("spend", day(7))
    assert ws.compact("spend", day(6)).predecessor is None


def test_a_range_reuses_the_one_before(ws: Workspace) -> None:
    """Several watermarks from one barrier: each starts from the one before."""
    reports = list(ws.compact_range("spend", [day(8), day(6), day(7)]))
    assert [report.as_of for report in reports] == [day(6), day(7), day(8)]
    assert [report.epoch for report in reports] == [1, 1, 1]
    assert [report.predecessor is not None for report in reports] == [False, True, True]


def test_later_epochs_are_left_out(ws: Workspace) -> None:
    """A compaction holds nothing that was logged behind its barrier, and is no base for others."""
    context = ws.context("spend")
    barrier = context.log.take_barrier()
    ws.append("events", frame([("b", 2.5, 9, "late")]))
    run_compaction(context, int(day(6).timestamp() * 1e6), barrier)
    ws.sync("spend", day(6))
    assert ws.get_features("spend", {"user": "b"}).values["spend.units_sum_lifetime"] == 1
    ws.materialize("spend", day(6))
    assert ws.get_features("spend", {"user": "b"}).values["spend.units_sum_lifetime"] == 10


def test_never_overwritten(ws: Workspace) -> None:
    """A compaction of a watermark and number that exists is not written again."""
    context = ws.context("spend")
    barrier = context.log.take_barrier()
    run_compaction(context, int(day(6).timestamp() * 1e6), barrier)
    with pytest.raises(ConflictError):
        run_compaction(context, int(day(6).timestamp() * 1e6), barrier)


def test_another_builder_in_between(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles that another process rebuilds from a later correction, just before they are read, are not half taken."""
    context, real = ws.context("spend"), ground.build_days

    def overtaken(*arguments: Any, **named: Any) -> Any:
        report = real(*arguments, **named)
        if not context.log.snapshot().scan().filter(pl.col("event_id") == "new").collect().height:
            ws.append("events", frame([("b", 0.2, 50, "new")]), replace=(day(0), day(1)))
            ws.build_tiles("spend", day(0), day(1))
        return report

    ws.build_tiles("spend", day(0), day(6))
    monkeypatch.setattr(ground, "build_days", overtaken)
    ws.compact("spend", day(6))
    ws.sync("spend", day(6))
    assert ws.get_features("spend", {"user": "b"}).values["spend.units_sum_lifetime"] == 1
    ws.materialize("spend", day(6))
    assert ws.get_features("spend", {"user": "b"}).values["spend.units_sum_lifetime"] == 50


def test_counts(ws: Workspace) -> None:
    """Tiles before and after are counted, and events are conserved."""
    report = ws.compact("spend", day(10))
    assert (report.events, report.keys, report.tiles_before, report.tiles_after) == (15, 6, 15, 15)
    view = ws.definitions.view("spend")
    object.__setattr__(view, "few_cells", 0)
    busy = ws.compact("spend", day(10))
    assert (busy.events, busy.tiles_before, busy.tiles_after) == (15, 15, 8)
    assert busy.largest_part_bytes <= busy.size_bytes


def test_past_as_of_reads_as_of_then(ws: Workspace, tmp_path: Path, online_url: str) -> None:
    """A fresh store filled from a past watermark serves the reference of then."""
    view = ws.definitions.view("spend")
    with opened(tmp_path, online_url, view, now=day(20), name="then") as then:
        then.materialize("spend", day(4))
        logged = then.event_log("events").snapshot().scan().collect()
        assert_all_equal_reference(then, view, logged, "abcdef", day(4))
