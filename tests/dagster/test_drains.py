"""The drain sensor with real ticks: what it brings into the log, what it reports, and what it remembers."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pytest

from orchestration import definitions
from orchestration.drains import DrainCursor, said
from resources.settings import DRAIN_INTERVAL_S, HEAL_INTERVAL_S, REFUSED_SHARE_MAX
from tests.dagster.clicking import ALL, MIDNIGHT, click, partition, push
from tests.dagster.shopping import Shop, metadata_of
from tilefold import Workspace
from tilefold.errors import InputError
from tilefold.serving.reports import DrainReport

LOG = dg.AssetKey(["clicks", "event_log"])
SENSOR = "clicks_drain"


@pytest.fixture
def ws(shop: Shop) -> Iterator[Workspace]:
    """The shop's workspace, beside Dagster; it owns the servers, so that ticks attach to them."""
    with shop.open() as opened:
        opened.open_streams()
        yield opened


def materialized(shop: Shop) -> Mapping[str, Mapping[str, Any]]:
    """The newest metadata of each partition of the event log."""
    records = shop.instance.fetch_materializations(LOG, limit=100).records
    events = [record.asset_materialization for record in reversed(records)]
    return {str(each.partition): {name: value.value for name, value in each.metadata.items()} for each in events if each}


def checked(shop: Shop, name: str) -> list[bool]:
    """What a check of the event log was reported to say, oldest first."""
    history = shop.instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(LOG, name), limit=100)
    events = [record.event.dagster_event for record in reversed(history) if record.event]
    return [event.asset_check_evaluation_data.passed for event in events if event]


def test_a_tick_drains_and_reports_each_day(shop: Shop, ws: Workspace) -> None:
    """Pushed events are in the log after the tick; each day that it touched has a materialization with its numbers."""
    push(ws, [click("u1", 1.5), click("u2", 1.25), click("u1", -0.000001)], refused=2)
    ticked = shop.tick(SENSOR)
    assert {day: files.rows for day, files in ws.event_log("clicks").snapshot().days().items()} == {
        (MIDNIGHT.date()): 1,
        click("u1", 1.5)["timestamp"].date(): 2,
    }
    found = materialized(shop)
    assert list(found) == [partition(2), partition(0)]
    old, new = found[partition(2)], found[partition(0)]
    assert (old["events"], old["events_drained"], old["late"]) == (2, 2, True)
    assert (new["events"], new["late"], new["run_events_drained"], new["run_events_refused"]) == (1, False, 3, 2)
    assert str(ticked.skip_message).startswith("3 events of 2 days drained, 2 refused, in ")
    assert ticked.run_requests == []


def test_a_tick_without_news_says_so(shop: Shop, ws: Workspace) -> None:
    """Where nothing was pushed the tick skips with that reason and reports nothing."""
    push(ws, [click("u1", 1.5)])
    first = shop.tick(SENSOR)
    again = shop.tick(SENSOR, first.cursor)
    assert (again.skip_message, again.asset_events) == ("Nothing was pushed since the last tick.", [])


def test_late_days_are_marked_until_they_are_healed(shop: Shop, ws: Workspace) -> None:
    """A day that a compaction had covered is kept in the cursor and told with each tick, until its tiles are built again."""
    push(ws, [click("u1", 1.5)])
    assert shop.run(ALL, partition(1)).success
    push(ws, [click("u1", 1.6), click("u1", -0.000001)])
    first = shop.tick(SENSOR)
    assert DrainCursor.of(first.cursor).late == [partition(2)]
    assert f"Late days that want healing: {partition(2)}." in str(first.skip_message)
    assert DrainCursor.of(shop.tick(SENSOR, first.cursor).cursor).late == [partition(2)]
    assert shop.run(["user_clicks/tiles"], partition(2)).success
    assert DrainCursor.of(shop.tick(SENSOR, first.cursor).cursor).late == []


def test_days_before_the_first_partition_are_drained_and_not_reported(shop: Shop, ws: Workspace) -> None:
    """An event of a year before any view begins is in the log; there is no partition to report it for."""
    push(ws, [click("u1", 5000.5)])
    shop.tick(SENSOR)
    assert materialized(shop) == {}
    assert sum(files.rows for files in ws.event_log("clicks").snapshot().days().values()) == 1


def test_checks_are_reported_when_they_say_something_else(shop: Shop, ws: Workspace) -> None:
    """The first tick reports them, a second one does not repeat it; refused events above the threshold are news."""
    push(ws, [click("u1", -0.000001)])
    cursor = shop.tick(SENSOR).cursor
    cursor = shop.tick(SENSOR, cursor).cursor
    assert (checked(shop, "few_are_refused"), checked(shop, "stream_is_written")) == ([True], [True])
    push(ws, [], refused=1)
    shop.tick(SENSOR, cursor)
    assert (checked(shop, "few_are_refused"), checked(shop, "stream_is_written")) == ([True, False], [True])
    old = json.loads(str(cursor))
    old["told"] = {name: [passed, at_s - 601] for name, (passed, at_s) in old["told"].items()}
    shop.tick(SENSOR, json.dumps(old))
    assert len(checked(shop, "stream_is_written")) == 2


def test_a_writer_that_is_behind_is_told(shop: Shop, ws: Workspace) -> None:
    """Events that wait without a living writer, or with one that waits itself, are a warning with what to do."""
    push(ws, [click("u1", -0.000001)])
    ws.stream_desk("clicks").claim(b"asleep", 600_000, b'{"host": "h", "process": 1, "waiting": "the store is away"}')
    assert shop.tick(SENSOR).asset_events[-1].description == "A writer waits: the store is away"
    ws.stream_desk("clicks").claim(b"asleep", 600_000, b'{"host": "h", "process": 1, "behind_s": 11}')
    assert "has been behind for 11 s" in shop.tick(SENSOR).asset_events[-1].description
    push(ws, [click("u1", -0.000001, "other")])
    ws.stream_desk("clicks").release(b"asleep")
    told = shop.tick(SENSOR).asset_events[-1]
    assert "1 events wait and no writer lives" in told.description
    facts = {name: value.value for name, value in told.metadata.items()}
    assert (facts["lag_events"], facts["shards_owned"], facts["writers"]) == (1, 0, "none")


def test_the_event_log_of_a_pushed_source_drains(shop: Shop, ws: Workspace) -> None:
    """Materializing a partition drains the stream and reports the day's counts, refused events among them."""
    push(ws, [click("u1", 0.5), click("u2", 0.25), click("u1", 3.5)], refused=1)
    result = shop.run(["clicks/event_log"], partition(1))
    facts = metadata_of(result, "clicks/event_log")[partition(1)]
    assert (facts["events"], facts["events_drained"], facts["late"], facts["refused_events"]) == (2, 2, True, 0)
    assert (facts["run_events_drained"], facts["run_events_refused"], facts["run_late_days"]) == (3, 1, 2)
    evaluated = {each.check_name: each for each in result.get_asset_check_evaluations()}
    assert {name: each.passed for name, each in evaluated.items()} == {"few_are_refused": False, "stream_is_written": True}
    assert evaluated["few_are_refused"].severity is dg.AssetCheckSeverity.WARN
    assert result.success


def test_a_drain_that_was_cut_short_says_so() -> None:
    """What waits for the next tick is told."""
    report = DrainReport({}, 0, 3, (), {}, caught_up=False, missed={}, left=7, duration_s=0.5)
    assert said(report, []) == "0 events of 0 days drained, 3 refused, in 0.50 s. More waits for the next tick."


@pytest.mark.parametrize("given", ["4", "soon", "nan", "inf", "-1"])
@pytest.mark.parametrize("setting", [DRAIN_INTERVAL_S, HEAL_INTERVAL_S])
def test_a_wrong_setting_stops_the_loading(monkeypatch: pytest.MonkeyPatch, setting: Any, given: str) -> None:
    """An interval that is no number, or too short, is named, and nothing is loaded."""
    monkeypatch.setenv(setting.variable, given)
    with pytest.raises(InputError, match=setting.variable):
        setting.value()
    monkeypatch.setenv("TILEFOLD_DEFINITIONS", "tests/dagster/shop")
    with pytest.raises(dg.DagsterInvalidDefinitionError, match=setting.variable):
        definitions.load()


def test_settings_come_from_the_environment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a variable the default counts; a sensor ticks as often as the variable says."""
    assert (DRAIN_INTERVAL_S.value(), HEAL_INTERVAL_S.value(), REFUSED_SHARE_MAX.value()) == (10, 3600, 0.01)
    monkeypatch.setenv(DRAIN_INTERVAL_S.variable, "7")
    again = Shop(shop.root).definitions.get_repository_def()
    assert again.get_sensor_def(SENSOR).minimum_interval_seconds == 7
