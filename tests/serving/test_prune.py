"""Prune: which compactions stay, and that no step which is reading one notices."""

from pathlib import Path
from typing import Any

import pytest

from tests.pipelines import assert_all_equal_reference, day, declare, frame, opened
from tilefold import Workspace
from tilefold.engine.mark import Mark
from tilefold.engine.time import to_datetime, to_us
from tilefold.errors import ConflictError, InputError
from tilefold.serving import compaction_base
from tilefold.stores.online_store import OnlineStore

USERS = "abcdefgh"
ROWS = [("a", n + 0.5, n, f"a{n}") for n in range(12)] + [(user, 6.5, 1, user) for user in USERS[1:]] + [("h", 5.5, 2, "h5")]


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Any:
    """`a` is active each day, the others on the seventh, `h` on the day before too."""
    with opened(tmp_path, online_url, declare(), now=day(20)) as workspace:
        workspace.append("events", frame(ROWS))
        yield workspace


def days(ws: Workspace) -> list[int]:
    """The watermarks of the compactions there are, in days from the start."""
    return [(to_datetime(as_of_us) - day(0)).days for as_of_us, _ in ws.context("spend").compacted.partitions()]


def remove_all(ws: Workspace) -> None:
    """What a prune in another process may do that has seen no begun sync."""
    ws.context("spend").compacted.prune(lambda *_: False)


def assert_right(ws: Workspace, number: int) -> None:
    """Every key reads as the reference says."""
    assert_all_equal_reference(ws, ws.definitions.view("spend"), frame(ROWS), USERS, day(number))


def test_the_newest_watermarks_stay_whole(ws: Workspace) -> None:
    """Of the newest watermarks every compaction stays, several of one watermark too; the report names the others."""
    for number in (3, 4, 5, 5, 6):
        ws.compact("spend", day(number))
    report = ws.prune("spend", 2)
    assert report.removed == ((day(3), 1), (day(4), 2))
    assert (report.kept, report.served, days(ws)) == (3, None, [5, 5, 6])
    assert ws.prune("spend", 2).removed == ()
    assert ws.prune("spend", 9).kept == 3


def test_the_served_one_stays(ws: Workspace) -> None:
    """The compaction behind the mark stays however old it is, so the next sync still writes changed keys alone."""
    ws.materialize("spend", day(8))
    for number in (9, 10, 11):
        ws.compact("spend", day(number))
    report = ws.prune("spend", 1)
    assert (report.served, days(ws)) == ((day(8), 1), [8, 11])
    assert not ws.sync("spend", day(11)).full
    assert_right(ws, 11)


def test_begun_ones_stay(ws: Workspace) -> None:
    """A sync that was killed has keys of its compaction in the store: it stays, and no full sync is needed."""
    view = ws.definitions.view("spend")
    ws.materialize("spend", day(8))
    for number in (9, 10, 11):
        ws.compact("spend", day(number))
    assert ws.online_store.begin(view.name, view.version, Mark(to_us(day(9)), 2))
    ws.prune("spend", 1)
    assert days(ws) == [8, 9, 11]
    assert not ws.sync("spend", day(11)).full
    assert_right(ws, 11)


@pytest.mark.parametrize("keep", [0, -1])
def test_none_cannot_be_kept(ws: Workspace, keep: int) -> None:
    """Fewer than one is refused, and nothing is removed."""
    ws.compact("spend", day(3))
    with pytest.raises(InputError, match=rf"view 'spend': a whole number of watermarks must be kept; got {keep}\. Keep 1"):
        ws.prune("spend", keep)
    assert days(ws) == [3]


def test_nothing_to_prune(ws: Workspace) -> None:
    """A view that was never compacted has nothing to remove."""
    assert (ws.prune("spend", 7).removed, ws.prune("spend", 7).kept) == ((), 0)


def test_a_sync_reads_on_while_its_compaction_is_pruned(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is pruned while it is synced is written whole: no key reads as one without events."""
    ws.materialize("spend", day(8))
    real = OnlineStore.begun

    def begun(store: OnlineStore, view: str, version: str) -> list[Mark]:
        remove_all(ws)
        return real(store, view, version)

    ws.compact("spend", day(9))
    monkeypatch.setattr(OnlineStore, "begun", begun)
    ws.sync("spend", day(9))
    monkeypatch.undo()
    assert (days(ws), set(ws.get_features("spend", {"user": "b"}).effective_times.values())) == ([], {day(9)})
    assert_right(ws, 9)


def test_a_sync_of_a_pruned_compaction_writes_nothing(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pruned before its first key: an error of its own kind, the old values stay, and the next materialization heals."""
    ws.materialize("spend", day(8))
    real = OnlineStore.begin

    def begin(store: OnlineStore, view: str, version: str, mark: Mark) -> bool:
        remove_all(ws)
        return real(store, view, version, mark)

    ws.compact("spend", day(9))
    monkeypatch.setattr(OnlineStore, "begin", begin)
    with pytest.raises(ConflictError, match="must stay while it is synced, but was pruned"):
        ws.sync("spend", day(9))
    monkeypatch.undo()
    assert_right(ws, 8)
    ws.materialize("spend", day(9))
    assert_right(ws, 9)


def test_a_compaction_reads_on_while_its_base_is_pruned(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pruned base costs no key: `h`, of which a day falls out of reach, is among those to compute."""
    ws.compact("spend", day(8))
    real = compaction_base._newer

    def newer(*arguments: Any) -> Any:
        remove_all(ws)
        return real(*arguments)

    monkeypatch.setattr(compaction_base, "_newer", newer)
    report = ws.compact("spend", day(9))
    monkeypatch.undo()
    assert (report.predecessor, report.keys, report.keys_computed) == ((to_us(day(8)), 1), 8, 2)
    ws.sync("spend", day(9))
    assert_right(ws, 9)
