"""The desk of a source: who takes the stream, who folds which shard, and when events are visible."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines import day
from tests.streams import opened, record, source, view_of
from tilefold import Aggregate, LifetimeWindow, Workspace
from tilefold.errors import StoreUnavailableError
from tilefold.serving import stream_desk

COUNT = [Aggregate(function="count", time_window=LifetimeWindow())]
VIEW, OTHER = view_of(source(), features=COUNT), view_of(source(), "other", features=COUNT)
SHARDS = 4
LEASE_MS = 60_000


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A workspace with two views of a stream."""
    with opened(tmp_path, online_url, stream_url, VIEW, OTHER) as workspace:
        yield workspace


def count(ws: Workspace, user: str = "a", view: str = "spend") -> int:
    """How many events a read counts."""
    found: int = ws.get_features(view, {"user": user}).values[f"{view}.count_lifetime"]
    return found


def own_all(ws: Workspace) -> None:
    """Let another process own every shard."""
    assert len(ws.online_store.streams.claim("pushed", b"another", SHARDS, LEASE_MS)) == SHARDS


def test_views_take_an_empty_source_from_its_end(ws: Workspace) -> None:
    """All views of a source that never had an event take its stream, once."""
    desk = ws.stream_desk("pushed")
    assert not desk.takes(VIEW)
    for _ in range(2):
        desk.register()
        assert desk.takes(VIEW)
        assert desk.takes(OTHER)
    taken = [ws.online_store.streams.taken(view.name, view.version) for view in (VIEW, OTHER)]
    assert [each and each.places for each in taken] == [desk.log.ends()] * 2


def test_a_source_with_history_is_not_taken(ws: Workspace) -> None:
    """Neither with events in the stream log nor in the event log: there the first sync seeds."""
    ws._parts.events("pushed").ingest([record("a", 9)], day(9.5))
    ws.stream_desk("pushed").register()
    assert not ws.stream_desk("pushed").takes(VIEW)
    assert ws.stream_desk("pushed").written() is None


def test_several_views_fold_the_same_events(ws: Workspace) -> None:
    """Each view has its own parts and places; what several read is decoded once."""
    ws.ingest("pushed", [record("a", 9.1), record("a", 9.2), record("b", 9.3)])
    assert [count(ws, user, view) for user in "ab" for view in ("spend", "other")] == [2, 2, 1, 1]
    desk = ws.stream_desk("pushed")
    assert desk.written() == {shard: place.position for shard, place in desk.log.ends().items()}
    assert desk.writer.lag() == 0


def test_owned_shards_are_left_to_their_owner(ws: Workspace) -> None:
    """Nothing is folded here while another process owns all shards; what it leaves is folded by the next push."""
    ws.ingest("pushed", [record("b", 9)])
    own_all(ws)
    ws.ingest("pushed", [record("a", 9.1)])
    assert count(ws) == 0
    assert ws.stream_desk("pushed").writer.lag() > 0
    ws.online_store.streams.release("pushed", b"another", SHARDS)
    ws.ingest("pushed", [record("a", 9.1)])
    assert count(ws) == 1


def test_waiting_for_an_owner(ws: Workspace, tmp_path: Path, online_url: str, stream_url: str) -> None:
    """`wait_for="visible"` returns when the owner of the shards has folded the events, and not before."""
    ws.ingest("pushed", [record("b", 9)])
    own_all(ws)
    folded = threading.Event()

    def write() -> None:
        with opened(tmp_path, online_url, stream_url, VIEW, OTHER, name=ws.name) as other:
            writer = other.stream_desk("pushed").writer
            while not writer.step(wait_ms=100).entries:
                pass
            folded.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        ws.ingest("pushed", [record("a", 9.1)], wait_for="visible")
    finally:
        thread.join()
    assert folded.is_set()
    assert count(ws) == count(ws, view="other") == 1


def test_an_owner_that_is_late_is_told(ws: Workspace) -> None:
    """Waiting ends with an error that names the writer; the events are durable, and visible once it works again."""
    ws.ingest("pushed", [record("b", 9)])
    own_all(ws)
    ws._parts.events("pushed").ingest([record("a", 9.1)], day(9.5))
    desk = ws.stream_desk("pushed")
    ends = {shard: place.position for shard, place in desk.log.ends().items()}
    with pytest.raises(StoreUnavailableError, match=r"source 'pushed'.*write-stream.*durable"):
        desk.make_visible(ends, wait=True, timeout_s=0.05)
    desk.writer.step()
    desk.make_visible(ends, wait=True, timeout_s=0.05)
    assert count(ws) == 1


def test_an_owner_that_died_while_somebody_waits(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """When its lease ends, the one who waits folds the shards itself."""
    monkeypatch.setattr(stream_desk, "_OWNERS_S", 0.02)
    ws.ingest("pushed", [record("b", 9)])
    assert ws.online_store.streams.claim("pushed", b"killed", SHARDS, 150)
    ws.ingest("pushed", [record("a", 9.1)], wait_for="visible")
    assert count(ws) == 1


def test_threads_push_side_by_side(ws: Workspace) -> None:
    """Each sees its own events straight after, and all are counted once in the end."""
    seen: list[bool] = []

    def push(thread: int) -> None:
        for number in range(5):
            ws.ingest("pushed", [record(f"u{thread}", 9, number), record("all", 9, 1, f"{thread}-{number}")])
            seen.append(count(ws, f"u{thread}") == number + 1)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 20
    assert count(ws, "all") == 20


def test_refused_events_move_the_places_too(ws: Workspace) -> None:
    """Entries without an event for any view are passed: a writer never waits at them."""
    receipt = ws.ingest("pushed", [record(None, 9), record("a", 9.1) | {"unknown": 1}])
    assert len(receipt.refused) == 2
    desk = ws.stream_desk("pushed")
    desk.fold({shard: place.position for shard, place in desk.log.ends().items()})
    assert desk.writer.lag() == 0
    assert count(ws) == 0


def test_the_store_comes_back_while_a_push_is_folded(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A push whose folding failed is durable: sent again it is a duplicate and visible."""
    ws.ingest("pushed", [record("b", 9)])
    streams, pushed = ws.online_store.streams, [record("a", 9.1, 1, "one")]
    with monkeypatch.context() as broken:

        def fail(*_: object) -> None:
            raise StoreUnavailableError("no answer")

        broken.setattr(streams, "write", fail)
        with pytest.raises(StoreUnavailableError):
            ws.ingest("pushed", pushed)
    assert count(ws) == 0
    assert ws.ingest("pushed", pushed).duplicate == 1
    assert count(ws) == 1
