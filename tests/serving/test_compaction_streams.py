"""Compaction of stream views: what it may start from, how far it reaches, and that it yields what it would from scratch."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import DAY, HOUR, START, day, frame, opened
from tests.serving.clicks import declared
from tilefold import LifetimeWindow, TimeWindow, TimeWindowSeries, Workspace
from tilefold.engine.compact import CELLS, PART, TILES
from tilefold.engine.plan import ReadSpan
from tilefold.engine.time import to_us
from tilefold.serving import compaction
from tilefold.serving.compaction_reach import built_reads, days_in_reach, is_current, reads_of

USERS = "abcdefgh"
NESTED = [DAY, TimeWindow(3 * DAY), timedelta(hours=2)]
MOVED = [TimeWindow(DAY, offset=-HOUR), TimeWindowSeries(series_start=-2 * DAY, step_size=DAY)]


def parts(ws: Workspace, at: datetime) -> pl.DataFrame:
    """The newest compaction of a watermark."""
    table = ws.context("spend").compacted
    return table.scan(to_us(at), table.latest(to_us(at)) or 0).collect().sort("tf_key_hash")


@pytest.mark.parametrize("few", [0, 5])
@pytest.mark.parametrize(
    "view",
    [
        pytest.param({"windows": NESTED}, id="nested"),
        pytest.param({"windows": [*NESTED, *MOVED, LifetimeWindow()]}, id="all kinds"),
        pytest.param({"windows": NESTED, "trailing_edge": "exact"}, id="exact"),
        pytest.param({"windows": NESTED, "aggregation_leading_edge": "latest_event"}, id="latest event"),
        pytest.param({"windows": NESTED, "batch_schedule": 6 * HOUR, "trailing_edge": HOUR}, id="every six hours"),
    ],
)
def test_from_a_predecessor_as_from_scratch(tmp_path: Path, online_url: str, view: dict[str, Any], few: int) -> None:
    """Step after step, late events and corrections among them, a compaction equals, to the byte, one made from nothing."""
    drawn = random.Random(few)
    spend = declared(**view)
    object.__setattr__(spend, "few_cells", few)
    step_days = spend.schedule_us / to_us(datetime(1970, 1, 2, tzinfo=START.tzinfo))
    started = 0
    with opened(tmp_path, online_url, spend, now=day(20)) as ws:
        for number in range(1, 7):
            _happen(ws, drawn, number, step_days)
            at = day(number * step_days)
            started += ws.compact("spend", at).predecessor is not None
            assert parts(ws, at).equals(_from_scratch(ws, at)), f"few {few}, step {number}"
    assert started, "some of them start from a predecessor"


def _happen(ws: Workspace, drawn: random.Random, number: int, step_days: float) -> None:
    active = drawn.sample(USERS, drawn.choice([1, 2, 8]))
    names = [(user, f"{number}{user}{n}") for user in active for n in range(4)]
    rows = [(user, (number - 1 + drawn.random()) * step_days, drawn.randrange(9), name) for user, name in names]
    ws.append("events", frame(rows))
    if drawn.random() < 0.2:
        ws.append("events", frame([(drawn.choice(USERS), drawn.uniform(0, number * step_days), 5, f"late{number}")]))
    if drawn.random() < 0.2:
        gone = int(drawn.randrange(number) * step_days)
        ws.append("events", frame([("a", gone + 0.1, 7, f"new{number}")]), replace=(day(gone), day(gone + 1)))


def _from_scratch(ws: Workspace, at: datetime) -> pl.DataFrame:
    """The same compaction where no predecessor is to be found."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compaction, "find_base", lambda *_: None)
        ws.compact("spend", at)
    return parts(ws, at)


def test_reach_of_the_newest_event(tmp_path: Path, online_url: str) -> None:
    """Where windows end at the newest event, a part reaches a window back from the newest one in the log at its barrier."""
    view = declared([DAY], aggregation_leading_edge="latest_event")
    with opened(tmp_path, online_url, view, now=day(40)) as ws:
        ws.append("events", frame([("a", 2.5, 1, "one"), ("a", 3.25, 1, "two")]))
        ws.compact("spend", day(30))
        context, epoch = ws.context("spend"), 1
        assert built_reads(context, to_us(day(30)), epoch) == ReadSpan(to_us(day(30)), to_us(day(3.25)), to_us(day(32)))
        assert days_in_reach(context, built_reads(context, to_us(day(30)), epoch))[0] == day(2).date()
        assert parts(ws, day(30))["tf_events"].to_list() == [2]
        ws.append("events", frame([("b", 35.5, 1, "three")]))
        assert is_current(context, context.log.snapshot(), to_us(day(30)), epoch), "what came lies behind the watermark"
        assert reads_of(context, context.log.snapshot(), to_us(day(30))).from_us == to_us(day(30))
        ws.compact("spend", day(30))
        assert parts(ws, day(30)).height == 0


def test_a_newest_event_that_is_gone(tmp_path: Path, online_url: str) -> None:
    """A correction that takes the newest event away makes a part reach further back than the one before: it is no base."""
    view = declared([DAY], aggregation_leading_edge="latest_event")
    with opened(tmp_path, online_url, view, now=day(40)) as ws:
        ws.append("events", frame([("a", 2.5, 1, "one"), ("b", 25.5, 1, "two")]))
        ws.compact("spend", day(20))
        assert parts(ws, day(20)).height == 0
        ws.append("events", frame([("b", 2.7, 1, "three")]).clear(), replace=(day(25), day(26)))
        assert ws.compact("spend", day(21)).predecessor is None
        assert parts(ws, day(21))["tf_events"].to_list() == [1]


def test_a_correction_within_reach_is_synced(tmp_path: Path, online_url: str) -> None:
    """A sync compares parts as far back as reads at the newest event reach, and such keys do not expire meanwhile."""
    view = declared([DAY], aggregation_leading_edge="latest_event")
    with opened(tmp_path, online_url, view, now=day(40)) as ws:
        ws.append("events", frame([("a", 2.5, 1, "one"), ("b", 3.25, 1, "two")]))
        ws.materialize("spend", day(30))
        key = ws.online_key("spend", {"user": "a"})
        assert ws.online_client().ttl(key) == -1
        ws.append("events", frame([("a", 2.5, 1, "one")]).clear(), replace=(day(2), day(3)))
        ws.compact("spend", day(31))
        report = ws.sync("spend", day(31))
        assert (report.removed, report.unchanged) == (1, 1)


def test_busy_and_quiet(tmp_path: Path, online_url: str) -> None:
    """A quiet key's part stays the same from day to day, a busy one's has one tile for each segment of the plan."""
    view = declared([TimeWindow(10 * DAY), LifetimeWindow()])
    with opened(tmp_path, online_url, view, now=day(40)) as ws:
        busy = [("a", number / 24, 1, f"a{number}") for number in range(20 * 24)]
        ws.append("events", frame([*busy, ("b", 1.5, 1, "b")]))
        ws.compact("spend", day(20))
        first = parts(ws, day(20))
        ws.compact("spend", day(21))
        other = parts(ws, day(21))
        quiet = {"user": "b"}
        assert first.filter(**quiet)[PART].to_list() == other.filter(**quiet)[PART].to_list()
        assert first.filter(user="a").select(CELLS, TILES).rows() == [(480, 50)]
