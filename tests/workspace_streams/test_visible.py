"""What is pushed is seen by the next read, once, and nothing else is."""

from datetime import timedelta
from typing import Any

import pytest

from tests.pipelines import day
from tests.streams import NOW, record
from tests.workspace_streams.reads import history, move, read, statuses, values
from tilefold import Workspace
from tilefold.errors import InputError
from tilefold.serving.read import Status


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
