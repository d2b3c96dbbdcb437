"""Merged reads for an event loop: the same values as plain reads, and what came in time where not all did."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines import day, declare, frame
from tests.streams import opened, record, source, view_of
from tilefold import AggregationLeadingEdge, FeatureService, Workspace
from tilefold.engine.time import to_us
from tilefold.serving.read import ServiceReader, Status
from tilefold.serving.read_cache import ReadCache
from tilefold.serving.read_joined import JoinedReader, Reading, ReadOptions
from tilefold.stores.joined_link import Waiter
from tilefold.stores.joined_reads import JoinedReads
from tilefold.stores.round_trips import packed

USERS = [{"user": user} for user in ("ann", "bob", "nobody")]


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A service over a batch view, a stream view that ends now, and one that ends at the newest event."""
    pushed = source()
    newest = view_of(pushed, "newest", aggregation_leading_edge=AggregationLeadingEdge.LATEST_EVENT_TIME)
    views = [view_of(pushed, "wall"), newest, declare()]
    root: Path = tmp_path_factory.mktemp("joined")
    with opened(root, online_url, stream_url, *views, FeatureService("all", features=views)) as made:
        made.append("events", frame([("ann", 7.5, 7), ("bob", 8.5, 9)]))
        made.materialize("spend", day(9))
        made.ingest("pushed", [record("ann", 8.2, 3), record("bob", 8.3, 4)], wait_for="visible")
        yield made


def read(
    ws: Workspace,
    keys: list[dict[str, Any]],
    cut: int | None = None,
    meanwhile: Callable[[], object] = dict,
    **options: Any,
) -> tuple[ServiceReader, Reading]:
    """A joined read of the service `all`: of its replies the first `cut` come in time, and `meanwhile` happens behind them."""

    class Cut(JoinedReads):
        async def arrived(self, waiter: Waiter) -> None:
            await super().arrived(waiter)
            waiter.replies = waiter.replies[:cut]
            meanwhile()

    async def run() -> Reading:
        joined = ws.online_store.joined()
        await joined.arrived(joined.ask(packed(b"PING"), 1))  # a connection that is opened meanwhile would make it read again
        joined.__class__ = Cut
        reader = JoinedReader(ws.online_store, joined)
        try:
            return await reader.read(service, service.asked(keys), ReadOptions(to_us(ws.now()), **options))
        finally:
            reader.close()

    service = ws._parts.reader("all")
    return service, asyncio.run(run())


def test_as_plain_reads(ws: Workspace) -> None:
    """Values, statuses and times are those of `get_features_batch`."""
    service, reading = read(ws, USERS)
    assert reading.complete
    for row, vector in zip(reading.rows, ws.get_features_batch("all", USERS), strict=True):
        assert list(service.values_of(row)) == list(vector.values.values())
        assert [row[view].status(number) for view, number in service.sources] == list(vector.statuses.values())
        assert [row[view].effective_time() for view, _ in service.sources] == list(vector.effective_times.values())


def test_edges(ws: Workspace) -> None:
    """A view that ends at the newest event does so, and at the read time where that is asked for."""
    service, reading = read(ws, USERS)
    ends = [part.effective_time() for part in reading.rows[0]]
    assert ends == [day(9.5), day(8.3), day(9)]
    _, asked = read(ws, USERS, wall_clock=True)
    assert [part.effective_time() for part in asked.rows[0]] == [day(9.5), day(9.5), day(9)]
    assert (service.values_of(reading.rows[1])[4], service.values_of(asked.rows[1])[4]) == (4, None)


def test_every_cut(ws: Workspace) -> None:
    """Whatever replies have come: a row of a view is whole and right, or timed out; and the first rows come first."""
    service, whole = read(ws, USERS)
    for cut in range(3 * len(USERS) + 8):
        _, reading = read(ws, USERS, cut=cut)
        came = 0
        for row, wanted in zip(reading.rows, whole.rows, strict=True):
            for part, other in zip(row, wanted, strict=True):
                assert part.arrived or {part.status(0), *part.values} == {Status.TIME_OUT, None}
                assert not part.arrived or list(part.values) == list(other.values)
                came += part.arrived
        for column in zip(*reading.rows, strict=True):
            arrived = [part.arrived for part in column]
            assert arrived == sorted(arrived, reverse=True)
        assert reading.complete == (came == len(USERS) * len(service.readers))
    assert reading.complete


def test_cached_rows_are_not_asked_for(ws: Workspace) -> None:
    """A row that is in the cache comes from there, the others from the store, each in its place."""

    async def run() -> tuple[Reading, Reading]:
        joined = ws.online_store.joined()
        reader = JoinedReader(ws.online_store, joined, ReadCache(60, 100))
        service, now = ws._parts.reader("all"), to_us(ws.now())
        await reader.read(service, service.asked([USERS[1]]), ReadOptions(now, to_cache=True))
        mixed = await reader.read(service, service.asked(USERS), ReadOptions(now, from_cache=True, sizes=True))
        joined.close()  # nothing is asked any more
        alone = await reader.read(service, service.asked([USERS[1]]), ReadOptions(now, from_cache=True))
        return mixed, alone

    mixed, alone = asyncio.run(run())
    assert [[part.cached for part in row] for row in mixed.rows] == [[False] * 3, [True] * 3, [False] * 3]
    assert [size > 0 for size in mixed.sizes] == [True, False, False]
    vectors = ws.get_features_batch("all", USERS)
    service = ws._parts.reader("all")
    assert [list(service.values_of(row)) for row in mixed.rows] == [list(each.values.values()) for each in vectors]
    assert list(service.values_of(alone.rows[0])) == list(vectors[1].values.values())
    assert alone.store_s is None


def test_a_past_read_is_not_cached(ws: Workspace) -> None:
    """The cache is for reads of now alone."""

    async def run() -> tuple[int, bool]:
        cache = ReadCache(60, 100)
        reader = JoinedReader(ws.online_store, ws.online_store.joined(), cache)
        service = ws._parts.reader("all")
        keys, past = service.asked([USERS[0]]), to_us(day(9.2))
        await reader.read(service, keys, ReadOptions(past, now=False, to_cache=True))
        held = len(cache)
        await reader.read(service, keys, ReadOptions(to_us(ws.now()), to_cache=True))
        replayed = await reader.read(service, keys, ReadOptions(past, now=False, from_cache=True))
        reader.close()
        return held, any(part.cached for part in replayed.rows[0])

    assert asyncio.run(run()) == (0, False)


def test_a_view_without_a_mark(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Without history it is ready at once; with some that it never took in it is not, and has no values."""
    pushed, batch = view_of(source()), declare("plain")
    service = FeatureService("all", features=[pushed, batch])
    with opened(tmp_path, online_url, stream_url, pushed, batch, service) as ws:
        ws.ingest("pushed", [record("ann", 9.2, 3)], wait_for="visible")
        _, reading = read(ws, [USERS[0]])
        assert [part.status(0) for part in reading.rows[0]] == [Status.PRESENT, Status.MISSING_DATA]
        ws.append("events", frame([("ann", 7.5, 7)]))
        _, reading = read(ws, [USERS[0]])
        assert [part.status(0) for part in reading.rows[0]] == [Status.PRESENT, Status.NOT_READY]
        assert set(reading.rows[0][1].values) == {None}


def once(work: Callable[[], object]) -> Callable[[], object]:
    """Does it the first time alone."""
    left = [work]
    return lambda: left.pop()() if left else None


def test_the_first_sync_beside_a_read(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """A mark that is committed after the keys were read, the view's first, does not hide what was read."""
    pushed = source()
    view = view_of(pushed)
    with opened(tmp_path, online_url, stream_url, view, FeatureService("all", features=[view])) as ws:
        ws.ingest("pushed", [record("ann", 8.2, 3), record("ann", 9.2, 4)], wait_for="visible")
        for _ in range(2):  # the mark is asked for, then it is known that there is none
            service, reading = read(ws, [USERS[0]])
            assert service.values_of(reading.rows[0])[2:] == (7, 2)
        service, reading = read(ws, [USERS[0]], meanwhile=once(lambda: ws.materialize("spend", day(9))))
        assert service.values_of(reading.rows[0])[2:] == (7, 2)
        service, reading = read(ws, [USERS[0]])
        assert service.values_of(reading.rows[0])[2:] == (7, 2)


@pytest.mark.parametrize("known", [False, True])
def test_the_first_seeding_beside_a_read(tmp_path: Path, online_url: str, stream_url: str, *, known: bool) -> None:
    """A view that is seeded after the keys were read does not say that there is nothing: it is not ready, or complete."""
    pushed, name = source(), f"t-{tmp_path.name}"
    view = view_of(pushed)
    with opened(tmp_path, online_url, stream_url, pushed, name=name) as ws:
        ws.ingest("pushed", [record("ann", 8.2, 3), record("ann", 9.2, 4)])
    with opened(tmp_path, online_url, stream_url, view, FeatureService("all", features=[view]), name=name) as ws:
        if known:
            read(ws, [USERS[0]])
        _, reading = read(ws, [USERS[0]], meanwhile=once(lambda: ws.materialize("spend", day(9))))
        found = (reading.rows[0][0].status(2), list(reading.rows[0][0].values[2:]))
        assert found in ((Status.NOT_READY, [None, None]), (Status.PRESENT, [7, 2]))


def test_a_later_sync_beside_a_read(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """A mark that this process commits after the keys were read does not hide what was read, though one was asked for."""
    pushed = source()
    view = view_of(pushed)
    with opened(tmp_path, online_url, stream_url, view, FeatureService("all", features=[view])) as ws:
        ws.ingest("pushed", [record("ann", 8.2, 3), record("ann", 9.2, 4)], wait_for="visible")
        ws.materialize("spend", day(9))
        ws.ingest("pushed", [record("ann", 7.5, 5)], wait_for="visible")
        ws._parts.marks.forget("spend", view.version)
        service, reading = read(ws, [USERS[0]], meanwhile=once(lambda: ws.materialize("spend", day(9))))
        assert service.values_of(reading.rows[0])[2:] == (12, 3)
