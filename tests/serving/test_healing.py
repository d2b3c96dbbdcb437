"""Which days want healing."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.pipelines import day
from tests.streams import opened, record, source, view_of
from tilefold import Workspace
from tilefold.serving.healing import days_to_heal

VIEW = view_of(source())


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A view that was compacted over nine days, of which the eighth has no event."""
    with opened(tmp_path, online_url, stream_url, VIEW) as workspace:
        workspace.ingest("pushed", [record("u", number + 0.5) for number in range(9) if number != 7])
        workspace.materialize("spend", day(9))
        yield workspace


def wounds(ws: Workspace) -> list[date]:
    """The days that want healing, after what was pushed is drained."""
    ws.drain("pushed")
    return days_to_heal(ws.context("spend"))


def test_after_a_compaction_nothing_wants_healing(ws: Workspace) -> None:
    """What it was built from is what the log holds; events of the day that is not over go into the next one."""
    ws.ingest("pushed", [record("u", 9.2)])
    assert wounds(ws) == []


def test_late_events_are_told_by_day(ws: Workspace) -> None:
    """Each day before the watermark that got an event since, one that had none before too; healed, they are not told."""
    ws.ingest("pushed", [record("u", 2.6), record("u", 4.6), record("u", 4.7), record("u", 7.1)])
    assert wounds(ws) == [day(2).date(), day(4).date(), day(7).date()]
    ws.build_tiles("spend", day(2), day(5))
    assert wounds(ws) == [day(7).date()]
    ws.materialize("spend", day(9))
    assert wounds(ws) == []


def test_a_day_that_was_replaced_is_told(ws: Workspace) -> None:
    """A correction wants healing as a late event does, also one that leaves nothing of the day."""
    ws.append("pushed", [record("u", 3.5, 9) | {"amount": 1.0}], replace=(day(3), day(4)))
    assert wounds(ws) == [day(3).date()]


def test_what_was_never_compacted_wants_no_healing(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Before its first compaction a view has no wounds, nor do days that no window of it reaches."""
    with opened(tmp_path, online_url, stream_url, VIEW) as fresh:
        fresh.ingest("pushed", [record("u", 3.5)])
        assert wounds(fresh) == []


def test_days_that_no_window_reaches_want_no_healing(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """A day that was never built, since it lies further back than any window, is history and no wound."""
    with opened(tmp_path, online_url, stream_url, VIEW, now=day(60.5)) as old:
        old.ingest("pushed", [record("u", 1.5), record("u", 59.5)])
        old.materialize("spend", day(60))
        assert wounds(old) == []
        old.ingest("pushed", [record("u", 2.5), record("u", 58.5)])
        assert wounds(old) == [day(58).date()]
