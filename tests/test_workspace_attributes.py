"""Attributes through the workspace: the latest row per key, nulls included, as long as it is valid."""

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import DAY, HOUR, declare, frame
from tests.pipelines import opened as opened_batch
from tests.streams import NOW, day, opened, record, source, view_of
from tilefold import Aggregate, Attribute, FeatureService, Workspace
from tilefold.serving.read import Status
from tilefold.types import Float64, Int64, String, Timestamp

ATTRIBUTES = [Attribute("units", Int64), Attribute("label", String), Attribute("at", Timestamp)]
MICROSECOND = DAY / 86_400_000_000


def served(ws: Workspace, at: datetime, user: str = "a") -> list[Any]:
    """What a read gives."""
    return list(ws.get_features("spend", {"user": user}, at=at).values.values())


def trained(ws: Workspace, at: datetime, user: str = "a") -> list[Any]:
    """What a training set says."""
    spine = pl.DataFrame({"user": [user], "when": [at]}).with_columns(pl.col("when").dt.convert_time_zone("UTC"))
    return list(ws.get_features_for_events("spend", spine, timestamp="when").drop("user", "when").row(0))


def test_the_latest_row_of_a_batch_view(tmp_path: Path, online_url: str) -> None:
    """Below the watermark, with its nulls, until `ttl` after its own time, counted from the read; then there is none."""
    view = declare(features=ATTRIBUTES, ttl=2 * DAY)
    with opened_batch(tmp_path, online_url, view, now=day(5.5)) as ws:
        ws.append("events", frame([("a", 0.5, 1), ("a", 1.25, 7), ("b", 1.5, None), ("a", 2.5, 9)]))
        ws.materialize("spend", day(2))
        for at in (day(2), day(2.5), day(3.25) - MICROSECOND):
            assert served(ws, at) == trained(ws, min(at, day(3) - MICROSECOND)) == [7, "l2", day(1.25)]
            assert served(ws, at, "b") == [None, None, day(1.5)]
        assert served(ws, day(3.25)) == [None] * 3
        assert served(ws, day(3.5) - MICROSECOND, "b")[2] == day(1.5)
        assert served(ws, day(2), "nobody") == trained(ws, day(2), "nobody") == [None] * 3
        ws.materialize("spend", day(3))
        assert served(ws, day(4)) == trained(ws, day(4) - MICROSECOND) == [9, "l4", day(2.5)]
        assert trained(ws, day(3.25)) == [9, "l4", day(2.5)]
        assert (served(ws, day(4.5)), trained(ws, day(4.5))) == ([None] * 3, [None] * 3)


def test_the_latest_row_of_a_stream_view(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """At once, over compactions, a late row without a change, and gone a microsecond after it expired."""
    view = view_of(source(), features=[Attribute("units", Int64), Attribute("amount", Float64)], ttl=DAY)
    with opened(tmp_path, online_url, stream_url, view) as ws:
        assert served(ws, NOW) == [None, None]
        ws.ingest("pushed", [record("a", 9.25, 5), record("a", 9.0, 4)])
        assert served(ws, NOW) == [5, None]
        ws.ingest("pushed", [record("a", 8.75, 1)])
        ws.drain("pushed")
        for _ in range(2):
            assert served(ws, NOW) == trained(ws, NOW) == [5, None]
            ws.materialize("spend")
        ws._clock.now = day(11.5)  # type: ignore[attr-defined] # a clock of ours
        for _ in range(2):
            assert served(ws, day(10.25) - MICROSECOND) == [5, None]
            ws.drain("pushed")
            assert trained(ws, day(10.25) - MICROSECOND) == [5, None]
            assert (served(ws, day(10.25)), trained(ws, day(10.25))) == ([None, None], [None, None])
        ws.ingest("pushed", [record("a", 11.25, None)])
        found = ws.get_features("spend", {"user": "a"})
        assert list(found.values.values()) == [None, None]
        ws.materialize("spend")
        assert served(ws, day(11.5)) == [None, None]


def test_without_a_ttl_it_is_valid_for_ever(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """However long ago its row was; its key in the store has no end either."""
    view = view_of(source(), features=[Attribute("units", Int64)])
    with opened(tmp_path, online_url, stream_url, view, now=day(400)) as ws:
        ws.ingest("pushed", [record("a", 1, 5)])
        ws.drain("pushed")
        for _ in range(2):
            assert served(ws, day(400)) == trained(ws, day(400)) == [5]
            assert ws.online_client().pttl(ws.online_key("spend", {"user": "a"})) == -1
            ws.materialize("spend")


def test_a_key_whose_row_expired_leaves_the_store(tmp_path: Path, online_url: str) -> None:
    """It ends by itself once no read of any watermark finds the row valid, and compactions hold it no more by then."""
    view = declare(features=ATTRIBUTES, ttl=2 * DAY)
    with opened_batch(tmp_path, online_url, view, now=day(9.5)) as ws:
        ws.append("events", frame([("a", 1.5, 1), ("b", 7.5, 1)]))
        for number, keys in ((2, 1), (3, 1), (4, 0), (8, 1)):
            assert ws.materialize("spend", day(number)).compaction.keys == keys
            assert served(ws, day(number)) == ([1, "l1", day(1.5)] if number < 4 else [None] * 3)
        left_ms = ws.online_client().pttl(ws.online_key("spend", {"user": "a"}))
        assert 0 < left_ms <= (2 * DAY).total_seconds() * 1000 + view.valid_for_us // 1000 + 1


def test_a_correction_takes_an_attribute_back(tmp_path: Path, online_url: str) -> None:
    """When the day of the latest row is replaced, the row before it counts again, and none where there is none."""
    view = declare(features=ATTRIBUTES, ttl=3 * DAY)
    with opened_batch(tmp_path, online_url, view, now=day(9.5)) as ws:
        ws.append("events", frame([("a", 1.5, 1), ("a", 3.5, 2), ("b", 3.5, 3)]))
        ws.materialize("spend", day(4))
        assert served(ws, day(4)) == [2, "l2", day(3.5)]
        ws.append("events", frame([("b", 3.5, 3)]), replace=(day(3), day(4)))
        ws.materialize("spend", day(4))
        assert served(ws, day(4)) == trained(ws, day(4)) == [1, "l1", day(1.5)]
        ws.materialize("spend", day(5))
        assert served(ws, day(5)) == trained(ws, day(5)) == [None] * 3


def test_beside_aggregates_and_in_a_service(tmp_path: Path, online_url: str) -> None:
    """A view may have both, and a service any of them; a key keeps a tile per cell then."""
    count = Aggregate(function="count", time_window=DAY)
    view = declare(features=[count, *ATTRIBUTES], ttl=5 * DAY)
    service = FeatureService("all", features=[view[["label", "count_1d"]]])
    with opened_batch(tmp_path, online_url, view, service, now=day(5.5)) as ws:
        ws.append("events", frame([("a", 0.5, 1), ("a", 1.5, 2), ("a", 1.75, None)]))
        ws.materialize("spend", day(2))
        assert served(ws, day(2)) == [2, None, None, day(1.75)]
        found = ws.get_features("all", {"user": "a"}, at=day(2))
        assert dict(found.values) == {"spend.label": None, "spend.count_1d": 2}
        assert found.statuses["spend.label"] == Status.MISSING_DATA


def test_many_rows_become_one_tile(tmp_path: Path, online_url: str) -> None:
    """Of attributes alone one tile per key is kept, whatever the number of its rows."""
    view = declare(features=ATTRIBUTES, ttl=30 * DAY)
    with opened_batch(tmp_path, online_url, view, now=day(20.5)) as ws:
        ws.append("events", frame([("a", at / 4, at, f"{at}") for at in range(80)]))
        ws.materialize("spend", day(20))
        explained = ws.explain("spend", {"user": "a"}, at=day(20))
        assert len(explained.tiles) == 1
        assert served(ws, day(20)) == [79, "l4", day(19.75)]


@pytest.mark.parametrize("hours", [0, 1, 47, 48, 49])
def test_ttl_that_lies_on_no_grid(tmp_path: Path, online_url: str, hours: int) -> None:
    """A ttl of any length is kept to the microsecond, and needs no finer cells."""
    view = declare(features=ATTRIBUTES, ttl=2 * DAY + 3 * MICROSECOND)
    assert view.cell_us == DAY.total_seconds() * 1e6
    with opened_batch(tmp_path, online_url, view, now=day(9.5)) as ws:
        ws.append("events", frame([("a", 1.5, 1)]))
        ws.materialize("spend", day(2))
        at = day(2) + hours * HOUR
        expires = day(3.5) + 3 * MICROSECOND
        for each in (at, expires - MICROSECOND, expires):
            assert (served(ws, each)[0] == 1) is (each < expires)
