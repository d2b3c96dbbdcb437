"""Services of batch and stream views, and what `explain` says of a stream part."""

from datetime import timedelta
from pathlib import Path

import polars as pl

from tests.pipelines import DAY, START, day
from tests.streams import NOW, USER, opened, record
from tests.workspace_streams.reads import counting, history
from tilefold import Aggregate, BatchSource, FeatureService, Field, LifetimeWindow, Workspace, batch_feature_view
from tilefold.serving.read import Status
from tilefold.types import Int64, String, Timestamp


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
