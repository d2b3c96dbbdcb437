"""Draining: each accepted event comes into the event log once, each refused one into the dead letters once."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import Clock, day
from tests.stores.logs import everything
from tests.streams import NOW, SCHEMA, logged, opened, push, record, source
from tilefold import Field, Workspace
from tilefold.serving import drain as draining
from tilefold.serving.drain import drain
from tilefold.serving.reports import DrainReport
from tilefold.stores import small_files
from tilefold.stores.stream_log import Entry, Place
from tilefold.stores.valkey_log import ValkeyLog
from tilefold.types import String


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A workspace with a source that no view uses yet."""
    with opened(tmp_path, online_url, stream_url) as workspace:
        yield workspace


def drained(ws: Workspace, **options: Any) -> DrainReport:
    """Drain with options that the facade does not have."""
    return drain(ws.event_log("pushed"), ws.stream_log("pushed"), ws.dead_letters("pushed"), NOW, **options)


def test_events_come_into_the_event_log(ws: Workspace) -> None:
    """A row has its values, place, time of arrival and epoch; the report counts days, late ones and refused ones."""
    push(ws, "a", at=9.25, refused=2)
    push(ws, "b", "c", at=4)
    report = ws.drain("pushed")
    assert (report.days, report.accepted, report.refused) == ({day(4).date(): 2, day(9).date(): 1}, 3, 2)
    assert (report.late_days, report.caught_up, report.missed) == ((day(4).date(),), True, {})
    assert report.places == ws.stream_log("pushed").ends()
    rows = ws.event_log("pushed").snapshot().scan().sort("event_id").collect()
    entry = {entry.event_id: (shard, entry) for shard, some in everything(ws.stream_log("pushed")).items() for entry in some}
    assert rows.select("user", "at", "units", "tf_ingested_at", "tf_epoch", "tf_origin").rows() == [
        ("a", day(9.25), 0, NOW, 1, "stream"),
        ("b", day(4), 0, NOW, 1, "stream"),
        ("c", day(4), 1, NOW, 1, "stream"),
    ]
    for event_id, shard, position in rows.select("event_id", "tf_shard", "tf_position").rows():
        assert entry[event_id] == (shard, Entry(position, *entry[event_id][1][1:]))


def test_draining_again_brings_nothing(ws: Workspace) -> None:
    """Without new entries no commit is made; by another process neither."""
    push(ws, "a", refused=1)
    ws.drain("pushed")
    version = ws.event_log("pushed").snapshot().version
    again = ws.drain("pushed")
    assert (again.accepted, again.refused, again.caught_up, again.days) == (0, 0, True, {})
    assert (ws.event_log("pushed").snapshot().version, ws.dead_letters("pushed").count()) == (version, 1)


def test_an_empty_stream_drains(ws: Workspace) -> None:
    """A stream that nothing was pushed to is caught up."""
    assert (ws.drain("pushed").caught_up, ws.event_log("pushed").snapshot().version) == (True, -1)


def test_refused_events_become_dead_letters(ws: Workspace) -> None:
    """Each has its reason, record, id, day of arrival and place, and they can be counted by day."""
    bad = record("a", day(2), "bad", "one")
    ws.ingest("pushed", [bad, record("b", 9, 1) | {"typo": 1}])
    ws.drain("pushed")
    rows = ws.dead_letters("pushed").scan().sort("event_id").collect()
    assert rows["event_id"].to_list() == ["", "one"]
    assert rows["tf_date"].to_list() == [NOW.date()] * 2
    assert rows["tf_ingested_at"].to_list() == [NOW] * 2
    assert rows["reason"][1].startswith("column 'units' must be of type Int64; got 'bad'")
    assert rows["record"][1] == '{"user": "a", "at": "2024-01-03 00:00:00+00:00", "units": "bad", "event_id": "one"}'
    assert rows["tf_position"].n_unique() == 2
    assert ws.dead_letters("pushed").counts() == {NOW.date(): 2}


def test_positions_pass_barriers_and_refused_events(ws: Workspace) -> None:
    """Where nothing but barriers and refused events stands, the places advance all the same."""
    ws.stream_log("pushed").append_barrier(4)
    ws.ingest("pushed", [record("r", 9, "bad")])
    report = ws.drain("pushed")
    assert (report.accepted, report.refused) == (0, 1)
    assert report.places == ws.stream_log("pushed").ends()
    assert {place.epoch for place in report.places.values()} == {5}
    assert ws.event_log("pushed").snapshot().drained(ws.stream_log("pushed").incarnation, range(4)) == report.places


def test_an_event_has_the_epoch_of_its_place(ws: Workspace) -> None:
    """Events between barriers have the epoch that is in force there, however late they are drained."""
    log = ws.stream_log("pushed")
    for number in range(3):
        push(ws, *(f"{number}-{each}" for each in range(8)))
        log.append_barrier(number + 1)
    push(ws, "last")
    ws.drain("pushed")
    rows = ws.event_log("pushed").snapshot().scan(columns=["event_id", "tf_epoch"]).collect()
    assert {(event_id[0], epoch) for event_id, epoch in rows.rows()} == {("0", 1), ("1", 2), ("2", 3), ("l", 4)}


def test_many_commits_take_little_memory(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit into one commit comes in several, each with its own places; the dates of all are reported."""
    for number in range(40):
        push(ws, str(number), at=9 if number < 30 else 3)
    sizes: list[int] = []
    real = draining._gathered

    def counted(*arguments: Any) -> Any:
        entries = real(*arguments)
        sizes.append(sum(map(len, entries.values())))
        return entries

    monkeypatch.setattr(draining, "_gathered", counted)
    report = drained(ws, per_commit=2)
    assert report.days == {day(3).date(): 10, day(9).date(): 30}
    assert len(sizes) > 1
    assert len(logged(ws)) == len(set(logged(ws))) == 40


def test_a_deadline_ends_it_early(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time no further commit is made; the report says so, and the next drain goes on from there."""
    push(ws, *(str(number) for number in range(60)))
    real = ValkeyLog.read
    monkeypatch.setattr(ValkeyLog, "read", lambda self, after, limit: real(self, dict([*after.items()][:1]), limit))
    report = drained(ws, per_commit=1, within_s=0)
    monkeypatch.undo()
    assert not report.caught_up
    assert 0 < report.accepted < 60
    assert ws.drain("pushed").accepted == 60 - report.accepted
    assert len(logged(ws)) == len(set(logged(ws))) == 60


def test_small_files_of_a_day_become_one(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many drains do not leave as many files; the rows stay, and days without new events keep their files."""
    monkeypatch.setattr(small_files, "FILES_MAX", 4)
    push(ws, "old", at=2)
    ws.drain("pushed")
    before = ws.event_log("pushed").snapshot().days()[day(2).date()]
    for number in range(11):
        push(ws, f"{number:02}", refused=1)
        ws.drain("pushed")
    snapshot = ws.event_log("pushed").snapshot()
    assert logged(ws) == [*(f"{number:02}" for number in range(11)), "old"]
    assert snapshot.pinned.files.filter(pl.col("tf_date") == day(9).date()).height <= 4
    assert snapshot.days()[day(2).date()] == before
    assert ws.dead_letters("pushed").count() == 11
    assert ws.dead_letters("pushed").scan().collect()["tf_position"].n_unique() == 11
    assert ws.dead_letters("pushed")._table.snapshot().files.height <= 4


def test_the_log_is_trimmed_behind_both_readers(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Only what is in Delta and was written by the stream writers is trimmed, and only once it is old enough."""
    with opened(tmp_path, online_url, stream_url) as ws:
        push(ws, *(str(number) for number in range(8)))
        log = ws.stream_log("pushed")
        assert isinstance(log, ValkeyLog)
        assert (ws.drain("pushed").left, log.starts()) == (8, dict.fromkeys(range(4), 0)), "kept for an hour"
        log._keep_s = 0
        assert drained(ws, written=lambda: dict.fromkeys(range(4), 0)).left == 8
        ends = log.ends()
        assert 0 < drained(ws, written=lambda: {0: ends[0].position, 1: 0, 2: ends[2].position, 3: 0}).left < 8
        assert drained(ws).left == 0
        push(ws, "later")
        assert ws.drain("pushed").accepted == 1
        assert len(logged(ws)) == 9


def test_what_a_foreign_hand_trimmed_is_told(ws: Workspace) -> None:
    """Entries that are gone before they were drained are reported as missed, and the drain goes on behind them."""
    push(ws, *(str(number) for number in range(12)))
    log = ws.stream_log("pushed")
    assert isinstance(log, ValkeyLog)
    log._keep_s = 0
    log.append_barrier(3)
    log.trim({0: log.ends()[0].position, 1: 0, 2: 0, 3: 0})
    end = log.ends()[0].position
    push(ws, *(f"more {number}" for number in range(12)))
    report = ws.drain("pushed")
    assert report.missed == {0: (0, end)}
    assert report.caught_up
    assert report.accepted == len(logged(ws)) < 24
    assert {epoch for (epoch,) in ws.event_log("pushed").snapshot().scan(columns=["tf_epoch"]).collect().rows()} == {1, 4}
    assert ws.drain("pushed").missed == {}


def test_a_new_log_begins_in_the_epoch_in_force(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """After the stream log was lost, events of the new one have an epoch above the last barrier, and all are drained."""
    with opened(tmp_path, online_url, stream_url, name="lost") as ws:
        push(ws, "before")
        ws.drain("pushed")
        for _ in range(3):
            ws.event_log("pushed").take_barrier()
        log = ws.stream_log("pushed")
        assert isinstance(log, ValkeyLog)
        for key in log._link.client.keys("lost:pushed:log*"):
            log._link.client.delete(key)
    with opened(tmp_path, online_url, stream_url, name="lost") as ws:
        assert ws.stream_log("pushed").incarnation != log.incarnation
        push(ws, "after")
        ws.drain("pushed")
        rows = ws.event_log("pushed").snapshot().scan(columns=["event_id", "tf_epoch"]).sort("event_id").collect()
        assert rows.rows() == [("after", 4), ("before", 1)]


def test_columns_added_later_are_drained(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Events pushed before a column was added, and after, are drained together; the old ones hold null there."""
    with opened(tmp_path, online_url, stream_url, name="grown") as ws:
        push(ws, "old")
    grown = source(schema=[*SCHEMA, Field("shop", String)])
    with opened(tmp_path, online_url, stream_url, grown, name="grown") as ws:
        ws.ingest("pushed", [record("n", 9, 1, "new") | {"shop": "s"}])
        ws.drain("pushed")
        rows = ws.event_log("pushed").snapshot().scan(columns=["event_id", "shop"]).sort("event_id").collect()
        assert rows.rows() == [("new", "s"), ("old", None)]


def test_ids_that_came_twice_count_once(ws: Workspace) -> None:
    """An id beyond the horizon stands twice in the log and counts once: the row of the smaller position."""
    clock = ws._clock
    assert isinstance(clock, Clock)
    push(ws, "a", at=1)
    clock.now += timedelta(days=5)
    ws.ingest("pushed", [record("a", 1, 99, "a")])
    assert ws.drain("pushed").accepted == 2
    snapshot = ws.event_log("pushed").snapshot()
    assert snapshot.scan_unique(day(1).date(), ["units"]).collect().rows() == [(0,)]
    assert logged(ws) == ["a", "a"]


def test_places_are_those_of_a_version(ws: Workspace) -> None:
    """A pinned snapshot tells the places of its version, whatever was drained since."""
    push(ws, "a")
    ws.drain("pushed")
    pinned, incarnation = ws.event_log("pushed").snapshot(), ws.stream_log("pushed").incarnation
    before = pinned.drained(incarnation, range(4))
    push(ws, "b", "c", "d", "e", "f")
    ws.drain("pushed")
    assert pinned.drained(incarnation, range(4)) == before
    assert pinned.drained("another", [0]) == {0: Place(0, 1)}
    assert ws.event_log("pushed").snapshot().drained(incarnation, range(4)) != before
