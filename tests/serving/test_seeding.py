"""Seeding: stream parts written anew from the event log, wherever a view does not take its log or holds wrong parts."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import DAY, Clock, day
from tests.streams import opened, record, source, view_of
from tilefold import Aggregate, LifetimeWindow, TimeWindow, Workspace
from tilefold.engine.stream_part import StreamPart
from tilefold.engine.time import to_us
from tilefold.serving import seeding
from tilefold.serving.read import Status
from tilefold.serving.sync_frames import takes_stream
from tilefold.stores import tile_table
from tilefold.stores.stream_parts import StreamParts

WINDOWS = [DAY, TimeWindow(10 * DAY), LifetimeWindow()]
COUNTS = [Aggregate(function="count", time_window=window) for window in WINDOWS]
VIEW = view_of(source(), features=COUNTS)
LATE = view_of(source(), "late", features=COUNTS)


def history(*records: dict[str, Any]) -> pl.DataFrame:
    """Events to append."""
    return pl.DataFrame(list(records)).with_columns(amount=pl.lit(None, pl.Float64()))


def values(ws: Workspace, user: str = "a", view: str = "spend") -> list[Any]:
    """What a read counts in each window."""
    return list(ws.get_features(view, {"user": user}).values.values())


def move(ws: Workspace, to: datetime) -> None:
    """Set the workspace's clock."""
    clock = ws._clock
    assert isinstance(clock, Clock)
    clock.now = to


def part_of(ws: Workspace, user: str, view: str = "spend") -> StreamPart | None:
    """An entity's stream part."""
    (data,) = ws.online_store.streams.read([ws.online_key(view, {"user": user})])
    return None if data is None else ws.context(view).stream_codec.decode(data)


def lose(ws: Workspace, *, store: bool = False, log: bool = False) -> None:
    """Empty the workspace's part of a server."""
    clients = [ws.online_client()] if store else []
    clients += [ws.stream_log("pushed")._link.client] if log else []  # type: ignore[attr-defined] # of a server
    for client in clients:
        for key in client.scan_iter(f"{ws.name}:*"):
            client.delete(key)


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A workspace with a view."""
    with opened(tmp_path, online_url, stream_url, VIEW) as workspace:
        yield workspace


def test_a_view_over_history(ws: Workspace) -> None:
    """What was appended counts from the first sync on: before the watermark in the batch part, at or after it in the stream."""
    ws.append("pushed", history(record("a", 5.5), record("a", 8.9), record("a", 9.2), record("b", 9.3)))
    ws.ingest("pushed", [record("a", 9.4)])
    assert set(ws.get_features("spend", {"user": "a"}).statuses.values()) == {Status.NOT_READY}
    ws.materialize("spend")
    assert values(ws) == [3, 4, 4]
    assert values(ws, "b") == [1, 1, 1]
    part = part_of(ws, "a")
    assert part is not None
    assert part.rows() == 2
    ws.ingest("pushed", [record("a", 9.45), record("a", 8.95)])
    assert values(ws) == [5, 6, 6]


def test_a_view_declared_late(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """It is seeded by its own first sync, while the others of the source go on; all count the same from then on."""
    with opened(tmp_path, online_url, stream_url, VIEW, name="seeded-late") as ws:
        ws.ingest("pushed", [record("a", 7.5), record("a", 9.2)])
        ws.materialize("spend")
    with opened(tmp_path, online_url, stream_url, VIEW, LATE, name="seeded-late") as ws:
        ws.ingest("pushed", [record("a", 9.3), record("a", 7.6)])
        assert values(ws) == [2, 4, 4]
        ws.materialize("late")
        ws.ingest("pushed", [record("a", 9.4), record("a", 7.7)])
        assert values(ws) == values(ws, view="late") == [3, 6, 6]
        move(ws, day(10.5))
        for view in ("spend", "late"):
            ws.materialize(view)
        assert values(ws) == values(ws, view="late") == [0, 6, 6]


def test_a_lost_online_store(ws: Workspace) -> None:
    """It is NOT_READY until the next sync, which writes both parts; nothing that was acknowledged is missing then."""
    ws.ingest("pushed", [record("a", 7.5), record("a", 9.2)])
    ws.materialize("spend")
    ws.ingest("pushed", [record("a", 9.3), record("a", 8.5)])
    lose(ws, store=True)
    ws._parts.marks._known.clear()
    assert set(ws.get_features("spend", {"user": "a"}).statuses.values()) == {Status.NOT_READY}
    ws.ingest("pushed", [record("a", 9.4)])
    assert not ws.materialize("spend").skipped
    assert values(ws) == [4, 5, 5]
    ws.ingest("pushed", [record("a", 9.45)])
    assert values(ws) == [5, 6, 6]


def test_a_lost_stream_log(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """What was not drained is lost with it and leaves the stream parts too; what comes counts after the next sync."""
    with opened(tmp_path, online_url, stream_url, VIEW, name="lost-log") as ws:
        ws.ingest("pushed", [record("a", 9.1)])
        ws.drain("pushed")
        ws.ingest("pushed", [record("a", 9.2), record("only here", 9.2)])
        lose(ws, log=True)
    with opened(tmp_path, online_url, stream_url, VIEW, name="lost-log") as ws:
        ws.ingest("pushed", [record("a", 9.3)])
        ws.materialize("spend")
        assert values(ws) == [2, 2, 2]
        assert values(ws, "only here") == [0, 0, 0]
        assert part_of(ws, "only here") is None
        ws.ingest("pushed", [record("a", 9.4), record("only here", 9.4)])
        assert values(ws) == [3, 3, 3]
        assert values(ws, "only here") == [1, 1, 1]


def test_full_mends_every_part(ws: Workspace) -> None:
    """With `full` wrong and broken stream parts are written anew, and those of keys without any event are removed."""
    ws.ingest("pushed", [record("a", 9.1), record("b", 9.1)])
    ws.materialize("spend")
    ws.ingest("pushed", [record("a", 9.2), record("c", 8.4)])
    part = part_of(ws, "b")
    assert part is not None
    wrong = ws.context("spend").stream_codec.encode(part)
    for user, data in (("a", b"broken"), ("stranger", wrong)):
        ws.online_client().hset(ws.online_key("spend", {"user": user}), "s", data)
    assert values(ws, "stranger") == [1, 1, 1]
    ws.materialize("spend", full=True)
    assert values(ws) == [2, 2, 2]
    assert values(ws, "b") == [1, 1, 1]
    assert values(ws, "c") == [0, 1, 1]
    assert values(ws, "stranger") == [0, 0, 0]
    assert not ws.online_client().exists(ws.online_key("spend", {"user": "stranger"}))
    ws.ingest("pushed", [record("stranger", 9.3)])
    assert values(ws, "stranger") == [1, 1, 1]


@pytest.mark.parametrize("batch", [1, 2_000])
def test_busy_keys_and_buckets(
    tmp_path: Path, online_url: str, stream_url: str, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """A bucket of the keys is in memory at a time, some keys of it are written at once; busy ones are settled."""
    monkeypatch.setattr(tile_table, "ROWS_PER_BUCKET", 1, raising=False)
    monkeypatch.setattr(seeding, "KEYS_PER_BATCH", batch)
    with opened(tmp_path, online_url, stream_url, VIEW) as ws:
        ws.context("spend").tile_table(buckets=4)
        busy = [record("busy", 9 + number / 1000, 1, f"{number}") for number in range(300)]
        ws.append("pushed", history(*busy, *(record(f"u{number}", 9.1) for number in range(9))))
        ws.materialize("spend")
        assert values(ws, "busy") == [300, 300, 300]
        assert [values(ws, f"u{number}")[0] for number in range(9)] == [1] * 9
        part = part_of(ws, "busy")
        assert part is not None
        settled = part.groups[1].settled
        assert settled is not None
        assert part.rows() < 300


def test_it_is_seeded_once(ws: Workspace) -> None:
    """A view that takes its log is not seeded again: its parts stay as the writer has them."""
    ws.append("pushed", history(record("a", 9.2)))
    ws.materialize("spend")
    before = part_of(ws, "a")
    ws.ingest("pushed", [record("b", 9.3)])
    move(ws, day(10.5))
    ws.materialize("spend")
    assert part_of(ws, "a") == before


def test_what_needs_a_seeding(ws: Workspace) -> None:
    """A view that takes no log, another log, or its own from behind its start."""
    context, side = ws.context("spend"), ws._stream_side(VIEW)
    assert side is not None
    assert not takes_stream(context, ws.online_store, side)
    ws.stream_desk("pushed").register()
    assert takes_stream(context, ws.online_store, side)
    state = ws.online_store.mark_key("spend", VIEW.version)
    log = ws.online_client().hget(state, "log")
    ws.online_client().hset(state, "log", b"\0" * 24)
    assert not takes_stream(context, ws.online_store, side)
    ws.online_client().hset(state, "log", log)
    ws.stream_log("pushed")._link.client.hset(f"{ws.name}:pushed:log", "start:0", "5")  # type: ignore[attr-defined]
    assert not takes_stream(context, ws.online_store, side)


def test_events_after_the_seeding_are_folded_behind_it(ws: Workspace) -> None:
    """The writer goes on from the drained places: what was pushed while parts were written is neither lost nor doubled."""
    ws.append("pushed", history(record("a", 9.1)))
    ws.ingest("pushed", [record("a", 9.2)])
    real = seeding.Seeding.write

    def pushed_meanwhile(self: seeding.Seeding) -> Any:
        ws.ingest("pushed", [record("a", 9.3), record("b", 9.3)])
        return real(self)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(seeding.Seeding, "write", pushed_meanwhile)
        ws.materialize("spend")
    ws.ingest("pushed", [record("a", 9.4)])
    assert values(ws) == [4, 4, 4]
    assert values(ws, "b") == [1, 1, 1]


def test_the_newest_event_is_noted_after_its_drain(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Windows that end at the newest event end at that of the parts: one that comes just before the seeding counts for it."""
    view = view_of(source(), features=COUNTS, aggregation_leading_edge="latest_event")
    with opened(tmp_path, online_url, stream_url, view) as ws, pytest.MonkeyPatch.context() as patched:
        ws.append("pushed", history(record("a", 9.1)))
        begin = StreamParts.begin_seed

        def pushed_meanwhile(self: StreamParts, *given: Any) -> None:
            ws.ingest("pushed", [record("a", 9.3)])
            begin(self, *given)

        patched.setattr(StreamParts, "begin_seed", pushed_meanwhile)
        ws.materialize("spend")
        assert ws.online_store.streams.latest("pushed") == to_us(day(9.3))
        assert values(ws) == [2, 2, 2]


def test_places_and_marks_come_together(ws: Workspace) -> None:
    """After a seeding the view stands at the drained places, with the mark of its sync."""
    ws.ingest("pushed", [record("a", 9.1)])
    ws.append("pushed", history(record("a", 5.0)))
    ws.materialize("spend", full=True)
    taken = ws.online_store.streams.taken("spend", VIEW.version)
    assert taken is not None
    log = ws.stream_log("pushed")
    assert taken.places == log.ends() == ws.event_log("pushed").snapshot().drained(log.incarnation, range(log.shards))
    mark = ws.online_store.mark("spend", VIEW.version)
    assert mark is not None
    assert mark.watermark_us == to_us(day(9))
