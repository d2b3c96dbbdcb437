"""Sync: which keys are written, what a loss or a crash does to the next one, how long keys live."""

from pathlib import Path
from typing import Any

import pytest

from tests.pipelines import DAY, Clock, assert_all_equal_reference, day, declare, features, frame, opened, wide_features
from tilefold import TimeWindow, Workspace
from tilefold.engine.mark import Mark
from tilefold.errors import StoreFullError, StoreUnavailableError
from tilefold.serving.read import Status
from tilefold.stores.embedded import open_embedded
from tilefold.stores.online_store import OnlineStore

QUIET = "bcdefgh"
ROWS = [("a", n + 0.5, n, f"a{n}") for n in range(20)] + [(user, 0.5, 1, user) for user in QUIET]


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Any:
    """`a` is active each day, the others on the first; every kind of window, a lifetime too."""
    with opened(tmp_path, online_url, declare(wanted=wide_features()), now=day(25)) as workspace:
        workspace.append("events", frame(ROWS))
        yield workspace


def counts(report: Any) -> tuple[int, int, int]:
    """What a sync did."""
    return report.written, report.unchanged, report.removed


def step(ws: Workspace, number: int) -> Any:
    """The sync of a day's materialization."""
    return ws.materialize("spend", day(number)).sync


def test_the_first_writes_all(ws: Workspace) -> None:
    """The first sync writes every key."""
    report = step(ws, 3)
    assert (counts(report), report.full) == ((8, 0, 0), True)


def test_only_active_keys(ws: Workspace) -> None:
    """A day later only the keys that something happened to are written."""
    step(ws, 3)
    report = step(ws, 4)
    assert (counts(report), report.full) == ((1, 7, 0), False)
    assert_all_equal_reference(ws, ws.definitions.view("spend"), frame(ROWS), ["a", *QUIET], day(4))


def test_busy_keys_are_written(ws: Workspace) -> None:
    """A busy key's edges move, so it is written although nothing happened to it."""
    object.__setattr__(ws.definitions.view("spend"), "few_cells", 3)
    ws.append(
        "events",
        frame(
            [],
        ),
        replace=(day(12), day(20)),
    )
    assert [counts(step(ws, number)) for number in (12, 13, 14)][1:] == [(1, 7, 0), (1, 7, 0)]
    assert_all_equal_reference(ws, ws.definitions.view("spend"), frame(ROWS[:12] + ROWS[20:]), ["a", *QUIET], day(14))


def test_an_unchanged_watermark(ws: Workspace) -> None:
    """Syncing the same compaction again writes nothing."""
    step(ws, 3)
    assert counts(ws.sync("spend", day(3))) == (0, 8, 0)


def test_a_healed_key(ws: Workspace) -> None:
    """A late event rewrites its key alone."""
    step(ws, 3)
    ws.append("events", frame([("c", 1.5, 5, "late")]))
    assert counts(step(ws, 3)) == (1, 7, 0)
    assert ws.get_features("spend", {"user": "c"}).values["spend.units_sum_lifetime"] == 6


def test_a_removed_key(ws: Workspace) -> None:
    """A key without events any more is emptied, and deleted by a later sync."""
    step(ws, 3)
    ws.append("events", frame([("b", 0.5, 1, "kept")]), replace=(day(0), day(1)))
    assert counts(step(ws, 3)) == (2, 0, 6)
    key = ws.online_key("spend", {"user": "c"})
    assert ws.online_client().exists(key) == 1
    assert ws.get_features("spend", {"user": "c"}).values["spend.count_lifetime"] == 0
    step(ws, 4)
    assert ws.online_client().exists(key) == 0
    assert ws.get_features("spend", {"user": "c"}).values["spend.count_lifetime"] == 0


def test_a_key_comes_back(ws: Workspace) -> None:
    """A key that was emptied and has events again is written again, and not deleted."""
    step(ws, 3)
    ws.append("events", frame([("b", 0.5, 1, "kept")]), replace=(day(0), day(1)))
    step(ws, 3)
    ws.append("events", frame([("c", 3.5, 9, "back")]))
    step(ws, 4)
    step(ws, 5)
    assert ws.get_features("spend", {"user": "c"}).values["spend.units_sum_lifetime"] == 9


def test_a_lost_store(ws: Workspace) -> None:
    """A store that lost its data is noticed: until the next sync it is NOT_READY, which writes every key."""
    step(ws, 3)
    client = ws.online_client()
    for key in client.scan_iter(f"{ws.name}:*"):
        client.delete(key)
    ws._parts.marks._known.clear()  # as a second later, or another process
    assert set(ws.get_features("spend", {"user": "a"}).statuses.values()) == {Status.NOT_READY}
    report = step(ws, 3)
    assert (counts(report), report.full) == ((8, 0, 0), True)
    assert_all_equal_reference(ws, ws.definitions.view("spend"), frame(ROWS), ["a", *QUIET], day(3))


def test_a_sync_that_ended_half_way(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that a crashed sync wrote are right after the next one, also where that one's part is as before the crash."""
    step(ws, 3)
    ws.append("events", frame([("c", 2.5, 5, "wrong"), ("d", 2.5, 5, "wrong too")]))
    monkeypatch.setattr(OnlineStore, "commit", _dies)
    with pytest.raises(StoreUnavailableError):
        step(ws, 3)
    monkeypatch.undo()
    ws.append("events", frame([("a", 2.5, 2, "a2")]), replace=(day(2), day(3)))
    step(ws, 3)
    assert_all_equal_reference(ws, ws.definitions.view("spend"), frame(ROWS), ["a", *QUIET], day(3))


def _dies(*_: Any, **__: Any) -> bool:
    raise StoreUnavailableError


def test_a_begun_sync_of_an_unknown_compaction(ws: Workspace) -> None:
    """Where a begun sync's compaction is not known any more, every key is written."""
    step(ws, 3)
    view = ws.definitions.view("spend")
    assert ws.online_store.begin("spend", view.version, Mark(int(day(3).timestamp() * 1e6), 2))
    ws.event_log("events").take_barrier()
    report = step(ws, 4)
    assert (counts(report), report.full) == ((8, 0, 0), True)


def _once(ws: Workspace) -> None:
    step(ws, 3)


def _not_committed(ws: Workspace) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(OnlineStore, "commit", _dies)
        with pytest.raises(StoreUnavailableError):
            step(ws, 3)


def _of_an_unknown_compaction(ws: Workspace) -> None:
    step(ws, 3)
    version = ws.definitions.view("spend").version
    assert ws.online_store.begin("spend", version, Mark(int(day(3).timestamp() * 1e6), 2))
    ws.event_log("events").take_barrier()


def _broken(ws: Workspace) -> None:
    step(ws, 3)
    ws.online_client().hset(ws.online_key("spend", {"user": "c"}), "b", b"broken")


@pytest.mark.parametrize(
    ("before", "full"), [(_once, True), (_not_committed, False), (_of_an_unknown_compaction, False), (_broken, True)]
)
def test_where_all_is_written_what_is_gone_is_emptied(ws: Workspace, before: Any, full: bool) -> None:
    """Where it is not known what the store holds, keys without events any more are emptied too, and no others."""
    before(ws)
    ws.append("events", frame([("b", 0.5, 1, "kept")]), replace=(day(0), day(1)))
    report = ws.materialize("spend", day(4), full=full).sync
    assert report is not None
    assert (counts(report), report.full) == ((2, 0, 6), True)
    assert_all_equal_reference(
        ws, ws.definitions.view("spend"), frame([*ROWS[1:20], ("b", 0.5, 1, "kept")]), ["a", *QUIET], day(4)
    )
    assert counts(ws.materialize("spend", day(5), full=True).sync) == (2, 0, 0)


def test_superseded_by_a_later_begun_sync(ws: Workspace) -> None:
    """A sync below one that has begun is superseded, and changes nothing."""
    ws.compact("spend", day(3))
    view = ws.definitions.view("spend")
    ws.online_store.begin("spend", view.version, Mark(int(day(9).timestamp() * 1e6), 99))
    report = ws.sync("spend", day(3))
    assert (report.superseded, counts(report)) == (True, (0, 0, 0))
    assert ws.online_store.mark("spend", view.version) is None


def test_keys_without_a_lifetime_expire(tmp_path: Path, online_url: str) -> None:
    """Keys live as long as their longest window reaches and their part is valid; with a lifetime window they stay."""
    short = declare("short", features(DAY, TimeWindow(3 * DAY, offset=-2 * DAY)))
    long = declare("long", wide_features())
    with opened(tmp_path, online_url, short, long, now=day(3)) as ws:
        ws.append("events", frame(ROWS[:3]))
        for view in ("short", "long"):
            ws.materialize(view, day(3))
        lives_ms = ws.online_client().pttl(ws.online_key("short", {"user": "a"}))
        assert 7 * 86_400_000 - 60_000 < lives_ms <= 7 * 86_400_000 + 1
        assert ws.online_client().pttl(ws.online_key("long", {"user": "a"})) == -1
        assert ws.online_client().pttl(ws.online_store.mark_key("short", short.version)) == -1


def test_a_store_that_is_down(tmp_path: Path) -> None:
    """A store that goes away is an error of its own, on reads and syncs; once it is back, the same call goes through."""
    root, clock = tmp_path / "root", Clock(day(5))
    server = open_embedded(tmp_path / "server")
    ws = Workspace(root, [declare()], online=server.url, clock=clock)
    ws.append("events", frame(ROWS))
    ws.materialize("spend", day(3))
    server.close()
    for call in (lambda: ws.get_features("spend", {"user": "a"}), lambda: ws.materialize("spend", day(4))):
        with pytest.raises(StoreUnavailableError, match=r"online store 127\.0\.0\.1"):
            call()
    ws.close()
    assert ws.event_log("events").snapshot().scan().collect().height == len(ROWS)


def test_a_full_store(tmp_path: Path) -> None:
    """A store that is full is an error of its own; what was served still is, and with room the same call goes through."""
    with open_embedded(tmp_path / "server") as server, opened(tmp_path / "root", server.url, declare(), now=day(5)) as ws:
        ws.append("events", frame(ROWS))
        ws.materialize("spend", day(3))
        before = ws.get_features("spend", {"user": "a"}).values
        ws.online_client().config_set("maxmemory", "1mb")
        with pytest.raises(StoreFullError, match="memory is used up"):
            ws.materialize("spend", day(4))
        assert ws.get_features("spend", {"user": "a"}).values == before
        assert set(ws.get_features("spend", {"user": "a"}).effective_times.values()) == {day(3)}
        ws.online_client().config_set("maxmemory", "0")
        ws.materialize("spend", day(4))
        assert_all_equal_reference(ws, ws.definitions.view("spend"), frame(ROWS), "a", day(4))
