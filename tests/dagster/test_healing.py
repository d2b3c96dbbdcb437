"""The heal sensor with real ticks and the runs that it asks for."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from orchestration.healing import ATTEMPTS, HEAL_TAG, HealCursor
from orchestration.partitions import RANGE_END, RANGE_START
from tests.dagster.clicking import ALL, click, counted, partition, push
from tests.dagster.shopping import Shop, metadata_of
from tilefold import Workspace

TILES = "user_clicks/tiles"


@pytest.fixture
def ws(shop: Shop) -> Iterator[Workspace]:
    """The shop's workspace, beside Dagster, with clicks of nine days that were compacted."""
    with shop.open() as opened:
        opened.open_streams()
        push(opened, [click("u1", number + 0.5) for number in range(9)])
        assert shop.run(ALL, partition(9), partition(1)).success
        yield opened


def late(shop: Shop, ws: Workspace, *days_ago: float) -> None:
    """Late clicks, drained."""
    push(ws, [click("u1", each) for each in days_ago])
    shop.tick("clicks_drain")


def later(cursor: str | None) -> str:
    """The cursor as it is an interval later."""
    return json.dumps(json.loads(cursor or "{}") | {"next_s": 0})


def assets(request: dg.RunRequest) -> list[str]:
    """What a request selects."""
    return sorted(key.to_user_string() for key in request.asset_selection or ())


def only_request(ticked: SensorExecutionData) -> dg.RunRequest:
    """The one run that a tick asks for."""
    (request,) = ticked.run_requests or ()
    assert isinstance(request, dg.RunRequest)
    return request


def run_of(shop: Shop, key: str, status: dg.DagsterRunStatus) -> None:
    """A run that was asked for by this key, and how it stands."""
    job = shop.definitions.resolve_implicit_global_asset_job_def()
    shop.instance.create_run_for_job(job, tags={HEAL_TAG: key}, status=status)


def newest(at: datetime, hours: int) -> str:
    """The key of the newest partition of so many hours that is over."""
    start = datetime.fromtimestamp((at.timestamp() // (hours * 3600) - 1) * hours * 3600, UTC)
    return start.strftime("%Y-%m-%d" if hours == 24 else "%Y-%m-%d-%H:%M")


def test_late_events_are_healed_in_one_run_and_then_served(shop: Shop, ws: Workspace) -> None:
    """All days that late events touched are one range of tiles; after it the newest day is compacted and served, once."""
    late(shop, ws, 5.7, 2.7, 2.8)
    assert counted(ws) == 12
    first = shop.tick("heal")
    request = only_request(first)
    assert assets(request) == [TILES]
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == (partition(6), partition(3))
    result = shop.launch(request)
    rebuilt = {day: facts["rebuilt"] for day, facts in metadata_of(result, TILES).items()}
    assert rebuilt == {partition(6): True, partition(5): False, partition(4): False, partition(3): True}
    second = shop.tick("heal", first.cursor)
    served = only_request(second)
    assert (assets(served), served.partition_key) == (["user_clicks/compacted", "user_clicks/online"], partition(1))
    assert shop.launch(served).success
    assert counted(ws) == 12
    third = shop.tick("heal", second.cursor)
    assert str(third.skip_message).startswith("Looks for days to heal at ")
    assert shop.tick("heal", later(third.cursor)).skip_message == "No day wants healing."


def test_a_correction_shows_in_reads_after_it_was_healed(shop: Shop, ws: Workspace) -> None:
    """A day that was replaced is built again, and the value that is served changes with the compaction that follows."""
    assert counted(ws) == 9
    nothing = ws.event_log("clicks").snapshot().scan(columns=["user_id", "timestamp", "page", "event_id"]).head(0).collect()
    ws.append("clicks", nothing, replace=(click("u1", 4)["timestamp"], click("u1", 3)["timestamp"]))
    first = shop.tick("heal")
    assert shop.launch(only_request(first)).success
    assert shop.launch(only_request(shop.tick("heal", first.cursor))).success
    assert counted(ws) == 8


def test_it_waits_for_its_run(shop: Shop, ws: Workspace) -> None:
    """While the run goes on nothing else is asked for; one that never came is not waited for."""
    late(shop, ws, 2.7)
    first = shop.tick("heal")
    run_of(shop, HealCursor.of(first.cursor).asked, dg.DagsterRunStatus.STARTED)
    waiting = shop.tick("heal", first.cursor)
    assert (waiting.run_requests, "Waits for the run" in str(waiting.skip_message)) == ([], True)
    gone = shop.tick("heal", json.dumps(json.loads(first.cursor or "") | {"asked": "another"}))
    assert "is gone" in str(gone.skip_message)


def test_the_same_wounds_have_the_same_key(shop: Shop, ws: Workspace) -> None:
    """A tick that is repeated asks for the same run; another late event of the same day is another one."""
    late(shop, ws, 2.7)
    one, again = (only_request(shop.tick("heal")).run_key for _ in range(2))
    late(shop, ws, 2.8)
    other = only_request(shop.tick("heal")).run_key
    assert one == again
    assert one != other


def test_a_run_that_fails_is_tried_three_times(shop: Shop, ws: Workspace) -> None:
    """Each attempt is a run of its own; then it says that somebody must look, until the wounds are others."""
    late(shop, ws, 2.7)
    cursor, keys = None, []
    for _ in range(ATTEMPTS):
        ticked = shop.tick("heal", cursor)
        request = only_request(ticked)
        keys.append(request.run_key)
        run_of(shop, request.tags[HEAL_TAG], dg.DagsterRunStatus.FAILURE)
        failed = shop.tick("heal", ticked.cursor)
        assert "has failed" in str(failed.skip_message)
        cursor = failed.cursor
    assert len(set(keys)) == ATTEMPTS
    given_up = shop.tick("heal", cursor)
    assert (given_up.run_requests, f"could not be healed in {ATTEMPTS} runs" in str(given_up.skip_message)) == ([], True)
    late(shop, ws, 3.7)
    assert only_request(shop.tick("heal", later(given_up.cursor))).run_key not in keys


def test_views_of_other_schedules_are_served_by_their_own_partitions(shop: Shop) -> None:
    """What follows is a run for each newest partition that is over and due, of all views that have it."""
    views = ("merchant_sales", "user_spend", "user_visits")
    run_of(shop, "heal-x-1", dg.DagsterRunStatus.SUCCESS)
    began = datetime.now(UTC)
    with shop.open() as ws:
        ws.open_streams()
        ticked = shop.tick("heal", HealCursor(asked="heal-x-1", views=views).to_text())
    keys = {asset: str(each.partition_key) for each in ticked.run_requests or () for asset in assets(each)}
    assert keys == {
        **dict.fromkeys(["merchant_sales/compacted", "merchant_sales/online"], newest(began, hours=6)),
        **dict.fromkeys(["user_spend/compacted", "user_spend/online"], newest(began, hours=24)),
        "user_visits/compacted": newest(began - timedelta(hours=2), hours=24),
    }
    assert len({each.run_key for each in ticked.run_requests or ()}) == len(set(keys.values()))


def test_nothing_is_healed_that_was_never_compacted(shop: Shop) -> None:
    """A fresh shop has no wounds."""
    with shop.open() as ws:
        ws.open_streams()
        assert shop.tick("heal").skip_message == "No day wants healing."
