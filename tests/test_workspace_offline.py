"""Views that are declared `online=False`: built and compacted, never synced, and no read pretends otherwise."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import assert_same, day, declare, expected, frame, opened
from tilefold import FeatureService, Workspace
from tilefold.errors import NotOnlineError
from tilefold.serving.read import Status

OFFLINE, ONLINE = declare("kept", online=False), declare()
BOTH = FeatureService("both", features=[ONLINE, OFFLINE])
EVENTS = frame([("a", 0.5, 4, "1"), ("a", 1.25, 5, "2"), ("b", 2.5, 6, "3")])
KEYS = {"user": "a"}


@pytest.fixture
def ws(tmp_path: Path, online_url: str) -> Any:
    """A workspace on the third day, with some events and both kinds of views."""
    with opened(tmp_path, online_url, OFFLINE, ONLINE, BOTH, now=day(3.5)) as workspace:
        workspace.append("events", EVENTS)
        yield workspace


def test_materialize_compacts_and_writes_nothing_online(ws: Workspace) -> None:
    """The newest watermark is compacted; the store holds no key of the view, no mark and no begun sync."""
    report = ws.materialize("kept")
    assert (report.skipped, report.sync) == (False, None)
    assert report.compaction is not None
    assert (report.compaction.keys, report.compaction.events) == (2, 3)
    assert ws.context("kept").compacted.latest(int(day(3).timestamp() * 1_000_000)) == report.compaction.epoch
    assert list(ws.online_client().scan_iter(f"{ws.name}:kept:*")) == []


def test_materialize_again_is_a_no_op_until_an_event_comes(ws: Workspace) -> None:
    """The newest compaction stands for the mark: nothing is compacted twice, and what changed is compacted again."""
    ws.materialize("kept")
    assert ws.materialize("kept").skipped
    ws.append("events", frame([("b", 1.5, 9, "late")]))
    report = ws.materialize("kept").compaction
    assert report is not None
    assert report.events == 4
    assert len(ws.context("kept").compacted.partitions()) == 2


@pytest.mark.parametrize(
    "read",
    [
        lambda ws: ws.get_features("kept", KEYS),
        lambda ws: ws.get_features_batch("kept", [KEYS]),
        lambda ws: ws.get_features("both", KEYS),
        lambda ws: ws.explain("kept", KEYS),
        lambda ws: ws.online_key("kept", KEYS),
        lambda ws: ws.sync("kept", day(3)),
    ],
    ids=["get_features", "get_features_batch", "service", "explain", "online_key", "sync"],
)
def test_a_read_or_sync_is_an_error(ws: Workspace, read: Callable[[Workspace], Any]) -> None:
    """Whoever asks the online store for it is told the view, the rule, the value and what to do."""
    ws.materialize("kept")
    with pytest.raises(NotOnlineError, match=r"view 'kept': only a view with online=True .*; got False\. Declare it with"):
        read(ws)


def test_training_sets_need_no_online_store(ws: Workspace) -> None:
    """Values for events come from the log as for any view, of the view alone and of a service with it."""
    spine = pl.DataFrame({"user": ["a"], "timestamp": [day(3)]})
    found = ws.get_features_for_events("both", spine).to_dicts()[0]
    mine = {f"kept.{name.removeprefix('kept__')}": value for name, value in found.items() if name.startswith("kept__")}
    assert_same(mine, expected(OFFLINE, EVENTS, "a", day(3)))


def test_a_view_that_is_switched_on_is_filled(ws: Workspace, online_url: str) -> None:
    """Declared online later, it has the same version, and the next materialization writes every key."""
    ws.materialize("kept")
    with Workspace(ws.root, [declare("kept")], online=online_url, clock=lambda: day(3.5), name=ws.name) as other:
        assert set(other.get_features("kept", KEYS).statuses.values()) == {Status.NOT_READY}
        report = other.materialize("kept").sync
        assert report is not None
        assert (report.written, report.full) == (2, True)
        assert_same(other.get_features("kept", KEYS).values, expected(OFFLINE, EVENTS, "a", day(3)))
