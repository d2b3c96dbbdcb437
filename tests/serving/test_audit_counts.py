"""Audits of counts: they pass on what was built, fail on what was tampered with, and compare nothing that is only due."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import day, declare, frame, opened
from tilefold import Workspace
from tilefold.engine.time import to_us
from tilefold.serving.audit_counts import CountAudit, audit_compactions, audit_tiles

ROWS = [(user, at / 7, at) for at in range(21) for user in "abc"]  # seven events a user and day, for three days
DAYS = [date(2024, 1, number) for number in (1, 2, 3)]
WATERMARKS_US = [to_us(day(number)) for number in (1, 2, 3)]


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Any:
    """A workspace with three days of events, which are compacted."""
    with opened(tmp_path, online_url, declare(), now=day(4)) as workspace:
        workspace.append("events", frame(ROWS))
        workspace.build_tiles("spend", day(0), day(3))
        list(workspace.compact_range("spend", [day(1), day(2), day(3)]))
        yield workspace


def lose_rows(table: str, where: str) -> None:
    """Take the first row out of every file of a table whose path holds a text."""
    for path in Path(table).rglob("*.parquet"):
        if where in str(path):
            rows = pl.read_parquet(path, hive_partitioning=False)
            rows[1:].write_parquet(path, metadata=pl.read_parquet_metadata(path))


def test_tiles_hold_the_events_of_their_day(ws: Workspace) -> None:
    """Each day is compared with its own events."""
    assert audit_tiles(ws.context("spend"), DAYS) == dict.fromkeys(DAYS, CountAudit(21, 21, current=True))


def test_tiles_that_lost_a_row_fail(ws: Workspace) -> None:
    """A key that is missing in the tiles of a day is found, and no other day is blamed."""
    lose_rows(ws.context("spend").tile_table().uri, f"tf_date={DAYS[1]}")
    audits = audit_tiles(ws.context("spend"), DAYS)
    assert [audits[each].passed for each in DAYS] == [True, False, True]
    assert audits[DAYS[1]].found == 14


def test_tiles_of_a_day_with_later_events_are_not_compared(ws: Workspace) -> None:
    """Events that came after a day was built make it due, not wrong."""
    ws.append("events", frame([("d", 1.5, 1)]))
    audit = audit_tiles(ws.context("spend"), DAYS)[DAYS[1]]
    assert (audit.current, audit.passed, audit.expected, audit.found) == (False, True, 22, 21)


def test_days_before_the_feature_start_hold_nothing(tmp_path: Path, online_url: str) -> None:
    """Events before the feature start are in no tile, and none are expected there; the day that it cuts is counted in part."""
    view = declare(feature_start_time=day(1) + (day(1) - day(0)) / 2)
    with opened(tmp_path, online_url, view, now=day(4)) as workspace:
        workspace.append("events", frame(ROWS))
        workspace.build_tiles("spend", day(0), day(3))
        audits = audit_tiles(workspace.context("spend"), DAYS)
    assert audits == {DAYS[0]: CountAudit(0, 0, True), DAYS[1]: CountAudit(9, 9, True), DAYS[2]: CountAudit(21, 21, True)}


def test_compactions_hold_the_events_in_reach(ws: Workspace) -> None:
    """Windows of up to three days reach one, two and three days of events."""
    audits = audit_compactions(ws.context("spend"), WATERMARKS_US)
    assert [audits[each] for each in WATERMARKS_US] == [CountAudit(count, count, current=True) for count in (21, 42, 63)]


def test_a_compaction_that_lost_a_key_fails(ws: Workspace) -> None:
    """A key that is missing in one compaction is found there alone."""
    lose_rows(ws.context("spend").compacted.uri, f"tf_as_of_us={WATERMARKS_US[1]}/")
    audits = audit_compactions(ws.context("spend"), WATERMARKS_US)
    assert [audits[each].passed for each in WATERMARKS_US] == [True, False, True]


def test_a_compaction_from_before_later_events_is_not_compared(ws: Workspace) -> None:
    """Events that came after a compaction make it due, not wrong; those that reach further back are compared still."""
    ws.append("events", frame([("d", 1.5, 1)]))
    audits = audit_compactions(ws.context("spend"), WATERMARKS_US)
    assert [audits[each].current for each in WATERMARKS_US] == [True, False, False]
    assert all(audit.passed for audit in audits.values())


def test_a_watermark_without_a_compaction_is_not_compared(ws: Workspace) -> None:
    """Where nothing was compacted there is nothing to be wrong."""
    assert not audit_compactions(ws.context("spend"), [to_us(day(4))])[to_us(day(4))].current
