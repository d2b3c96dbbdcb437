"""Workspaces beside each other, owners of shards, replaced logs, and views of every kind."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines import DAY, Clock, day
from tests.streams import NOW, opened, record, source, view_of
from tests.workspace_streams.reads import COUNT, UNITS, counting, move, read, values
from tilefold import Aggregate, Entity, Field, LifetimeWindow, TimeWindowSeries, Workspace, stream_feature_view
from tilefold.aggregation_functions import last_distinct
from tilefold.errors import NotOnlineError, StoreUnavailableError
from tilefold.types import Float64, Int64, String, Timestamp


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
