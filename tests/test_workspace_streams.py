"""The stream path through the workspace, sentence by sentence of what it promises."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import DAY, HOUR, START, Clock, day
from tests.streams import NOW, USER, opened, record, source, view_of
from tilefold import (
    Aggregate,
    BatchSource,
    Entity,
    FeatureService,
    Field,
    LifetimeWindow,
    TimeWindow,
    TimeWindowSeries,
    Workspace,
    batch_feature_view,
    stream_feature_view,
)
from tilefold.aggregation_functions import last_distinct
from tilefold.errors import InputError, NotOnlineError, ReadTimeError, StoreUnavailableError
from tilefold.serving.read import FeatureVector, Status
from tilefold.types import Float64, Int64, String, Timestamp

UNITS = Field("units", Int64)
COUNT = Aggregate(function="count", time_window=LifetimeWindow())


def counting(*windows: Any, **parameters: Any) -> Any:
    """A view that counts over these windows."""
    features = [Aggregate(function="count", time_window=window) for window in windows]
    return view_of(parameters.pop("source", source()), features=features, **parameters)


def history(*records: dict[str, Any]) -> pl.DataFrame:
    """Events to append."""
    return pl.DataFrame(list(records)).with_columns(amount=pl.lit(None, pl.Float64()))


def move(ws: Workspace, to: datetime) -> None:
    """Set the workspace's clock."""
    clock = ws._clock
    assert isinstance(clock, Clock)
    clock.now = to


def read(ws: Workspace, user: str = "a", at: datetime | None = None, view: str = "spend") -> FeatureVector:
    """The features of a user."""
    return ws.get_features(view, {"user": user}, at=at)


def values(ws: Workspace, user: str = "a", at: datetime | None = None) -> list[Any]:
    """The values of a user, in the view's order."""
    return list(read(ws, user, at).values.values())


def statuses(ws: Workspace, user: str = "a", at: datetime | None = None, view: str = "spend") -> set[Status]:
    """The statuses of a user's values."""
    return set(read(ws, user, at, view).statuses.values())


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A workspace with a view that counts over a day and for ever."""
    with opened(tmp_path, online_url, stream_url, counting(DAY, LifetimeWindow())) as workspace:
        yield workspace


# --- visible


def test_a_read_straight_after_sees_what_was_pushed(ws: Workspace) -> None:
    """On a source without history the view is ready at once; shards that nobody owns are folded before `ingest` returns."""
    assert values(ws) == [0, 0]
    assert statuses(ws) == {Status.MISSING_DATA}
    for number in range(1, 4):
        ws.ingest("pushed", [record("a", 9.4, number, f"{number}")])
        assert values(ws) == [number, number]
    assert statuses(ws) == {Status.PRESENT}
    assert set(read(ws).effective_times.values()) == {NOW}


def test_an_event_after_the_read_is_not_counted(ws: Workspace) -> None:
    """An event stamped after `t` is in no window until then."""
    ws.ingest("pushed", [record("a", NOW + timedelta(minutes=2)), record("a", NOW)])
    assert values(ws) == [1, 1]
    assert values(ws, at=NOW + timedelta(minutes=2)) == [2, 2]


def test_before_the_feature_start(ws: Workspace) -> None:
    """Events before the view's start are stored and in no window."""
    assert ws.ingest("pushed", [record("a", -1), record("a", 0)]).accepted == 2
    assert values(ws) == [0, 1]


def test_ids_are_counted_once_by_whichever_way(ws: Workspace) -> None:
    """Twice in a push, in two pushes, appended before or after: one event each; later values change nothing."""
    ws.ingest("pushed", [record("a", 9.3, 1, "one"), record("a", 9.3, 9, "one")])
    assert ws.ingest("pushed", [record("a", 9.4, 5, "one")]).duplicate == 1
    assert values(ws) == [1, 1]
    ws.append("pushed", history(record("a", 9.3, 1, "one"), record("a", 9.2, 1, "two")))
    assert ws.ingest("pushed", [record("a", 9.2, 1, "two")]).duplicate == 1
    move(ws, day(10.5))
    ws.materialize("spend")
    assert values(ws) == [0, 2]


def test_a_push_that_was_cut_off_is_visible_when_it_is_sent_again(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Durable, not folded, and killed: sent again it is a duplicate, and seen straight after."""
    ws.ingest("pushed", [record("b", 9)])
    pushed = [record("a", 9.4, 1, "one")]
    with monkeypatch.context() as killed:
        killed.setattr(ws._parts.streams("pushed"), "make_visible", lambda *_, **__: None)
        ws.ingest("pushed", pushed)
    assert values(ws) == [0, 0]
    assert ws.ingest("pushed", pushed).duplicate == 1
    assert values(ws) == [1, 1]


@pytest.mark.parametrize("wait_for", ["", "durable", "VISIBLE", True, 5])
def test_what_can_be_waited_for(ws: Workspace, wait_for: Any) -> None:
    """Anything but None and "visible" is refused before an event is accepted."""
    with pytest.raises(InputError, match=r"wait_for.*None or 'visible'"):
        ws.ingest("pushed", [record("a", 9)], wait_for=wait_for)
    assert ws.stream_log("pushed").events() == 0


def test_waiting_where_nobody_owns_a_shard(ws: Workspace) -> None:
    """Then "visible" is what happens in any case."""
    ws.ingest("pushed", [record("a", 9.4)], wait_for="visible")
    assert values(ws) == [1, 1]


def test_unknown_keys(ws: Workspace) -> None:
    """Counts of an unknown key are 0, before and after a compaction, with the status MISSING_DATA."""
    ws.ingest("pushed", [record("a", 9.4)])
    for _ in range(2):
        assert values(ws, "nobody") == [0, 0]
        assert statuses(ws, "nobody") == {Status.MISSING_DATA}
        ws.materialize("spend")


# --- late, once


def test_a_late_event_is_seen_at_once_and_counted_once(ws: Workspace) -> None:
    """`ts < E`: visible straight away, and still once after the next compaction, and the one after that."""
    ws.ingest("pushed", [record("a", 8.6), record("a", 9.4)])
    ws.materialize("spend")
    assert values(ws) == [2, 2]
    ws.ingest("pushed", [record("a", 8.9)])
    assert values(ws) == [3, 3]
    for at in (9.6, 10.2):
        move(ws, day(at))
        ws.materialize("spend")
        assert values(ws)[1] == 3
    ws.compact("spend", day(10))
    assert values(ws)[1] == 3


def test_a_compaction_that_is_never_synced(ws: Workspace) -> None:
    """It takes a number and changes no read; events before and after it are counted once."""
    for number, at in enumerate((8.7, 9.1, 9.2)):
        ws.ingest("pushed", [record("a", at, number)])
        ws.compact("spend", day(9))
        assert values(ws)[1] == number + 1
    ws.materialize("spend")
    assert values(ws) == [3, 3]


def test_an_older_sync_is_superseded(ws: Workspace) -> None:
    """It reports so, raises nothing and changes nothing."""
    ws.ingest("pushed", [record("a", 7.5), record("a", 8.7), record("a", 9.2)])
    ws.compact("spend", day(8))
    ws.materialize("spend")
    assert ws.sync("spend", day(8)).superseded
    assert values(ws) == [2, 3]


def test_a_correction_heals_with_the_next_sync(ws: Workspace) -> None:
    """`append(replace=...)` takes the place of pushed events of its days too, drained or not."""
    ws.ingest("pushed", [record("a", 8.2, 1, "wrong"), record("a", 8.4, 1, "wrong too"), record("a", 9.2, 1, "right")])
    ws.materialize("spend")
    ws.ingest("pushed", [record("a", 8.5, 1, "late and wrong")])
    assert values(ws)[1] == 4
    ws.append("pushed", history(record("a", 8.3, 1, "corrected")), replace=(day(8), day(9)))
    ws.materialize("spend")
    assert values(ws)[1] == 2


@pytest.mark.parametrize("harm", ["lost", "doubled", "altered", "foreign"])
def test_the_batch_mends_what_the_stream_had_wrong(ws: Workspace, harm: str) -> None:
    """A stream part that lost, doubled or altered rows is wrong until a compaction covers them, and right from then on."""
    ws.ingest("pushed", [record("a", 9.1), record("a", 9.2), record("b", 9.1)])
    streams, context = ws.online_store.streams, ws.context("spend")
    key = ws.online_key("spend", {"user": "a"})
    (data,) = streams.read([key])
    assert data is not None
    part = context.stream_codec.decode(data)
    rows = part.groups[1].loose
    if harm == "lost":
        del rows[0]
    elif harm == "doubled":
        rows[0] = rows[0]._replace(components=context.stream_folder.join(rows[0].components, rows[0].components))
    elif harm == "altered":
        rows[0] = rows[0]._replace(first_us=rows[0].first_us - 10**9, last_us=rows[0].last_us - 10**9)
    else:
        part.groups[1].loose = [*rows, rows[-1]._replace(first_us=rows[-1].first_us + 5, last_us=rows[-1].last_us + 5)]
    ws.online_client().hset(key, "s", context.stream_codec.encode(part))
    assert values(ws)[1] == {"lost": 1, "doubled": 3, "altered": 2, "foreign": 3}[harm]
    move(ws, day(10.5))
    ws.materialize("spend")
    assert values(ws) == [0, 2]
    assert values(ws, "b") == [0, 1]


# --- NOT_READY, STALE, OVERFLOW


def test_history_makes_a_view_wait(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Appended, or streamed before the view was declared: NOT_READY with null values, not the partial sum of what it saw."""
    pushed = source()
    first, late = counting(DAY), counting(DAY, name="late")
    with opened(tmp_path, online_url, stream_url, pushed, first, name="late-view") as ws:
        ws.ingest("pushed", [record("a", 9.2)])
        assert values(ws) == [1]
    with opened(tmp_path, online_url, stream_url, first, late, name="late-view") as ws:
        assert values(ws) == [1]
        assert statuses(ws, view="late") == {Status.NOT_READY}
        assert list(read(ws, view="late").values.values()) == [None]
        assert list(read(ws, view="late").effective_times.values()) == [None]
        ws.ingest("pushed", [record("a", 9.3)])
        assert statuses(ws, view="late") == {Status.NOT_READY}
        ws.materialize("late")
        assert list(read(ws, view="late").values.values()) == values(ws) == [2]
        ws.ingest("pushed", [record("a", 9.4)])
        assert list(read(ws, view="late").values.values()) == values(ws) == [3]


def test_appending_makes_a_ready_view_wait(ws: Workspace) -> None:
    """A view that was ready for lack of history is not, from the moment that some was appended until its first sync."""
    ws.ingest("pushed", [record("a", 9.4)])
    assert values(ws) == [1, 1]
    ws.append("pushed", history(record("a", 5.0)))
    assert statuses(ws) == {Status.NOT_READY}
    ws.materialize("spend")
    assert values(ws) == [1, 2]
    ws.append("pushed", history(record("a", 6.0)))
    assert statuses(ws) == {Status.PRESENT}
    assert values(ws) == [1, 2]


def test_materialize_of_nothing(ws: Workspace) -> None:
    """On a source without events the mark is committed and the view stays ready; doing it again is a no-op."""
    assert not ws.materialize("spend").skipped
    assert ws.materialize("spend").skipped
    assert ws.online_store.mark("spend", ws.definitions.view("spend").version) is not None
    ws.ingest("pushed", [record("a", 9.4)])
    assert values(ws) == [1, 1]


def test_a_batch_part_that_is_too_old_says_so(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Past `E + L` a window whose start cuts a stored tile is STALE, value still given; one that no tile straddles is exact."""
    view = counting(TimeWindow(3 * DAY), LifetimeWindow(), trailing_edge=HOUR)
    object.__setattr__(view, "few_cells", 0)
    with opened(tmp_path, online_url, stream_url, view, now=day(9.5)) as ws:
        ws.ingest("pushed", [record("a", at / 24, 1, f"{at}") for at in range(6 * 24, 9 * 24)])
        ws.materialize("spend")
        assert values(ws) == [60, 72]
        for later in (11.0, 11.5, 12.0):
            move(ws, day(later))
            found = read(ws)
            late = later > 11
            assert list(found.statuses.values()) == [Status.STALE if late and later < 12 else _kind(found), Status.PRESENT]
            assert list(found.values.values())[1] == 72


def _kind(found: FeatureVector) -> Status:
    """What a value that is exact has as its status."""
    return Status.PRESENT if next(iter(found.values.values())) else Status.MISSING_DATA


def test_a_sum_that_does_not_fit(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Null with status OVERFLOW, never a wrap: over both parts together, each of which fits."""
    view = view_of(source(), features=[Aggregate(input_column=UNITS, function="sum", time_window=LifetimeWindow())])
    with opened(tmp_path, online_url, stream_url, view) as ws:
        ws.ingest("pushed", [record("a", 8.2, 2**62)])
        ws.materialize("spend")
        assert values(ws) == [2**62]
        ws.ingest("pushed", [record("a", 9.2, 2**62)])
        assert values(ws) == [None]
        assert statuses(ws) == {Status.OVERFLOW}
        ws.ingest("pushed", [record("a", 9.3, -1)])
        assert values(ws) == [2**63 - 1]
        assert statuses(ws) == {Status.PRESENT}


def test_a_read_before_the_watermark_is_refused(ws: Workspace) -> None:
    """`at` lies at or after the key's stamp; before any compaction every time may be read."""
    ws.ingest("pushed", [record("a", 8.7), record("a", 9.2)])
    assert values(ws, at=day(8.8)) == [1, 1]
    ws.materialize("spend")
    with pytest.raises(ReadTimeError, match=r"watermark.*get_features_for_events"):
        read(ws, at=day(8.99))
    assert values(ws, at=day(9)) == [1, 1]
    assert values(ws, at=day(9.2)) == [2, 2]
    assert values(ws, at=day(9.2) - timedelta(microseconds=1)) == [1, 1]


# --- the newest event as leading edge


LATEST: dict[str, Any] = {"aggregation_leading_edge": "latest_event"}


def test_windows_end_at_the_newest_event(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Of whichever key it is; with no new event nothing changes, however long that takes."""
    with opened(tmp_path, online_url, stream_url, counting(HOUR, **LATEST)) as ws:
        ws.ingest("pushed", [record("a", 9.0), record("a", 9.02)])
        assert values(ws) == [2]
        assert set(read(ws).effective_times.values()) == {day(9.02)}
        move(ws, day(30))
        assert (values(ws), statuses(ws)) == ([2], {Status.PRESENT})
        ws.ingest("pushed", [record("b", 9.05)])
        assert (values(ws), statuses(ws)) == ([1], {Status.PRESENT})
        ws.ingest("pushed", [record("b", 9.04)])
        assert values(ws, "b") == [2]


def test_an_old_stream_with_windows_at_its_newest_event(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """A replay of years ago is exact from its first event on: nothing expires or is dropped by the wall clock."""
    with opened(tmp_path, online_url, stream_url, counting(HOUR, **LATEST), now=day(4000)) as ws:
        ws.ingest("pushed", [record("a", 1 + number / 100, 1, f"{number}") for number in range(3)])
        assert (values(ws), statuses(ws)) == ([3], {Status.PRESENT})
        assert ws.online_client().pttl(ws.online_key("spend", {"user": "a"})) == -1
        ws.ingest("pushed", [record("a", 1 + number / 2000, 1, f"more {number}") for number in range(150)])
        assert (values(ws), statuses(ws)) == ([84], {Status.PRESENT})


def test_the_newest_event_is_known_in_delta_too(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """After a first sync over appended history, and after the store was lost, windows end at the newest event of the log."""
    with opened(tmp_path, online_url, stream_url, counting(HOUR, **LATEST), now=day(30)) as ws:
        ws.append("pushed", history(record("a", 8.0), record("b", 8.01), record("a", 8.02)))
        ws.materialize("spend")
        assert (values(ws), statuses(ws)) == ([2], {Status.PRESENT})
        assert set(read(ws, "b").effective_times.values()) == {day(8.02)}
        for key in ws.online_client().scan_iter(f"{ws.name}:*"):
            ws.online_client().delete(key)
        ws._parts.marks._known.clear()
        assert statuses(ws) == {Status.NOT_READY}
        ws.materialize("spend")
        assert (values(ws), statuses(ws)) == ([2], {Status.PRESENT})
        ws.append("pushed", history(record("a", 20.0)))
        move(ws, day(31))
        ws.materialize("spend")
        assert values(ws) == [1]
        assert values(ws, "b") == [0]


def test_past_reads_at_the_newest_event(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Which event was the newest at a past time is not kept: such a read says STALE."""
    with opened(tmp_path, online_url, stream_url, counting(HOUR, **LATEST)) as ws:
        ws.ingest("pushed", [record("a", 9.0), record("a", 9.02)])
        assert statuses(ws, at=day(9.3)) == {Status.PRESENT}
        assert statuses(ws, at=day(9.01)) == {Status.STALE}


# --- several views, explained


def test_a_service_of_batch_and_stream_views(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """One read of both: each with its own values, statuses and effective times."""
    history = BatchSource(
        "history", schema=[Field("user", String), Field("at", Timestamp), Field("units", Int64)], timestamp_field="at"
    )
    daily = batch_feature_view(
        name="daily",
        source=history,
        entities=[USER],
        features=[Aggregate(function="count", time_window=DAY)],
        feature_start_time=START,
    )(lambda events: events)
    spend = counting(DAY, LifetimeWindow())
    service = FeatureService("both", features=[daily, spend[["count_lifetime"]]])
    with opened(tmp_path, online_url, stream_url, daily, spend, service) as ws:
        ws.append("history", pl.DataFrame([{"user": "a", "at": day(8.5), "units": 1}]))
        ws.ingest("pushed", [record("a", 9.4), record("b", 9.4)])
        found = ws.get_features("both", {"user": "a"})
        assert found.values == {"daily.count_1d": None, "spend.count_lifetime": 1}
        assert list(found.statuses.values()) == [Status.NOT_READY, Status.PRESENT]
        ws.materialize("daily")
        found = ws.get_features("both", {"user": "a"})
        assert found.values == {"daily.count_1d": 1, "spend.count_lifetime": 1}
        assert found.effective_times == {"daily.count_1d": day(9), "spend.count_lifetime": NOW}
        many = ws.get_features_batch("both", [{"user": "b"}, {"user": "nobody"}, {"user": "a"}])
        assert [list(each.values.values()) for each in many] == [[0, 1], [0, 0], [1, 1]]


def test_explain(ws: Workspace) -> None:
    """The tiles of both parts behind each value, with their epochs, and those that the batch part covers by now."""
    ws.ingest("pushed", [record("a", 8.25), record("a", 8.75), record("a", 9.25)])
    ws.materialize("spend")
    ws.ingest("pushed", [record("a", 8.5), record("b", 9.4)])
    explained = ws.explain("spend", {"user": "a"})
    assert (explained.watermark, explained.epoch) == (day(9), 1)
    assert explained.online_key == ws.online_key("spend", {"user": "a"})
    assert explained.part_bytes > 0
    assert explained.stream_bytes > 0
    streamed = [(tile.first, tile.epoch, tile.events, tile.counts) for tile in explained.tiles if tile.epoch is not None]
    assert streamed == [(day(9.25), 1, 1, True), (day(8.5), 2, 1, True)]
    short, whole = explained.features
    assert (short.value, short.status, short.end) == (3, Status.PRESENT, NOW + timedelta(microseconds=1))
    assert short.start == day(8.5)
    assert [sum(tile.events for tile in each.tiles) for each in (short, whole)] == [3, 4]
    assert (whole.value, whole.start) == (4, None)


def test_explain_before_it_is_ready(ws: Workspace) -> None:
    """What is stored is shown, and counts for nothing."""
    ws.append("pushed", history(record("a", 5.0)))
    explained = ws.explain("spend", {"user": "a"})
    assert explained.watermark is None
    assert {(each.value, each.status) for each in explained.features} == {(None, Status.NOT_READY)}
    assert explained.tiles == ()


# --- several processes


def test_another_workspace_reads_and_writes(ws: Workspace, tmp_path: Path, online_url: str, stream_url: str) -> None:
    """One that attaches sees what was pushed, pushes itself, and each sees the other's events straight after."""
    ws.ingest("pushed", [record("a", 9.1)])
    with opened(tmp_path, online_url, stream_url, counting(DAY, LifetimeWindow()), name=ws.name) as other:
        assert values(other) == [1, 1]
        for number in range(3):
            other.ingest("pushed", [record("a", 9.2, number)])
            ws.ingest("pushed", [record("a", 9.3, number)])
            assert values(other) == values(ws) == [3 + 2 * number, 3 + 2 * number]
        other.materialize("spend")
        ws.ingest("pushed", [record("a", 9.4)])
        assert values(other) == values(ws) == [8, 8]
    ws.ingest("pushed", [record("a", 9.45)])
    assert values(ws) == [9, 9]


def test_an_embedded_workspace(tmp_path: Path) -> None:
    """Without URLs the servers are its own; all that was acknowledged is there when the root is opened again."""
    view = counting(DAY, LifetimeWindow())
    with Workspace(tmp_path, [view], clock=Clock(NOW)) as ws:
        ws.ingest("pushed", [record("a", 9.1), record("b", 9.2)])
        ws.materialize("spend")
        ws.ingest("pushed", [record("a", 9.3)])
        assert values(ws) == [2, 2]
    with Workspace(tmp_path, [view], clock=Clock(NOW)) as ws:
        assert values(ws) == [2, 2]
        ws.ingest("pushed", [record("a", 9.4)])
        assert values(ws) == [3, 3]
        assert ws.ingest("pushed", [record("a", 9.1)]).duplicate == 1


def test_a_shard_with_an_owner_is_left_to_it(ws: Workspace) -> None:
    """Where a writer process owns the shards, `ingest` returns once events are durable; its writer makes them visible."""
    ws.ingest("pushed", [record("b", 9)])
    ws.online_store.streams.claim("pushed", b"writer", 4, 60_000)
    ws.ingest("pushed", [record("a", 9.4)])
    assert values(ws) == [0, 0]
    ws.stream_desk("pushed").writer.step()
    assert values(ws) == [1, 1]


def test_a_view_that_is_not_online(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """It takes no stream, is compacted without a sync, and says so where it is read."""
    with opened(tmp_path, online_url, stream_url, counting(DAY, online=False)) as ws:
        ws.ingest("pushed", [record("a", 8.5)], wait_for="visible")
        assert ws.materialize("spend").sync is None
        assert ws.materialize("spend").skipped
        with pytest.raises(NotOnlineError):
            read(ws)


def test_a_replaced_stream_log(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """A log that was lost begins anew: what was drained is still counted, and after `materialize` all that comes."""
    view = counting(DAY, LifetimeWindow())
    with opened(tmp_path, online_url, stream_url, view, name="relogged") as ws:
        ws.ingest("pushed", [record("a", 9.1, 1, "kept")])
        ws.materialize("spend")
        ws.ingest("pushed", [record("a", 9.2, 1, "lost")])
        log = ws.stream_log("pushed")
        for key in log._link.client.scan_iter("relogged:*"):
            log._link.client.delete(key)
        with pytest.raises(StoreUnavailableError, match="emptied or replaced"):
            ws.ingest("pushed", [record("a", 9.3)])
    with opened(tmp_path, online_url, stream_url, view, name="relogged") as ws:
        assert ws.materialize("spend").skipped is False
        assert values(ws) == [1, 1]
        ws.ingest("pushed", [record("a", 9.2, 1, "lost"), record("a", 9.3, 1, "new")])
        assert values(ws) == [3, 3]
        assert ws.materialize("spend").skipped


def test_functions_of_every_kind_over_both_parts(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Sums, means, extremes, spreads and lists go over the watermark without a seam."""
    wanted: list[Any] = ["sum", "mean", "min", "max", "var_pop", "last", last_distinct(2)]
    features = [Aggregate(input_column=UNITS, function=function, time_window=LifetimeWindow()) for function in wanted]
    steps = TimeWindowSeries(series_start=-2 * DAY, step_size=DAY)
    features.append(Aggregate(input_column=UNITS, function="sum", time_window=steps))
    with opened(tmp_path, online_url, stream_url, view_of(source(), features=features)) as ws:
        ws.ingest("pushed", [record("a", 7.75, 4), record("a", 8.75, 2)])
        ws.materialize("spend")
        ws.ingest("pushed", [record("a", 9.25, 6), record("a", 8.9, None)])
        found: Mapping[str, Any] = read(ws).values
        assert list(found.values()) == [12, 4.0, 2, 6, pytest.approx(8 / 3), 6, [2, 6], [4, 8]]


def test_keys_of_several_columns(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Entities of two keys, of which one is a number, are told apart."""
    schema = [Field("user", String), Field("at", Timestamp), Field("shop", Int64), Field("amount", Float64)]
    pushed = source(schema=schema)
    pair = Entity("pair", join_keys=[Field("user", String), Field("shop", Int64)])
    view = stream_feature_view(
        name="spend", source=pushed, entities=[pair], features=[COUNT], feature_start_time=datetime(2024, 1, 1, tzinfo=UTC)
    )(lambda events: events)
    with opened(tmp_path, online_url, stream_url, view) as ws:
        at = day(9)
        ws.ingest(
            "pushed", [{"user": u, "shop": s, "at": at, "event_id": f"{u}{s}"} for u, s in [("a", 1), ("a", 2), ("b", 1)]]
        )
        ws.ingest("pushed", [{"user": "a", "shop": 1, "at": at, "event_id": "again"}])
        for _ in range(2):
            asked = [{"user": "a", "shop": 1}, {"user": "a", "shop": 2}, {"user": "b", "shop": 2}]
            assert [list(each.values.values()) for each in ws.get_features_batch("spend", asked)] == [[2], [1], [0]]
            move(ws, day(10.5))
            ws.materialize("spend")
