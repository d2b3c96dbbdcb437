"""Windows that end at the newest event of the source."""

from pathlib import Path
from typing import Any

from tests.pipelines import HOUR, day
from tests.streams import opened, record
from tests.workspace_streams.reads import counting, history, move, read, statuses, values
from tilefold.serving.read import Status

LATEST: dict[str, Any] = {"aggregation_leading_edge": "latest_event"}


def test_windows_end_at_the_newest_event(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Of whichever key it is; with no new event nothing changes, however long that takes."""
    with opened(tmp_path, online_url, stream_url, counting(HOUR, **LATEST)) as ws:
        ws.ingest("pushed", [record("a", 9.0), record("a", 9.02)])
        assert values(ws) == [2]
        assert set(read(ws).effective_times.values()) == {day(9.02)}
        move(ws, day(30))
        assert (values(ws), statuses(ws)) == ([2], {Status.PRESENT})
        ws.ingest("pushed", [record("b", 9.05)])
        assert (values(ws), statuses(ws)) == ([1], {Status.PRESENT})
        ws.ingest("pushed", [record("b", 9.04)])
        assert values(ws, "b") == [2]


def test_an_old_stream_with_windows_at_its_newest_event(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """A replay of years ago is exact from its first event on: nothing expires or is dropped by the wall clock."""
    with opened(tmp_path, online_url, stream_url, counting(HOUR, **LATEST), now=day(4000)) as ws:
        ws.ingest("pushed", [record("a", 1 + number / 100, 1, f"{number}") for number in range(3)])
        assert (values(ws), statuses(ws)) == ([3], {Status.PRESENT})
        assert ws.online_client().pttl(ws.online_key("spend", {"user": "a"})) == -1
        ws.ingest("pushed", [record("a", 1 + number / 2000, 1, f"more {number}") for number in range(150)])
        assert (values(ws), statuses(ws)) == ([84], {Status.PRESENT})


def test_the_newest_event_is_known_in_delta_too(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """After a first sync over appended history, and after the store was lost, windows end at the newest event of the log."""
    with opened(tmp_path, online_url, stream_url, counting(HOUR, **LATEST), now=day(30)) as ws:
        ws.append("pushed", history(record("a", 8.0), record("b", 8.01), record("a", 8.02)))
        ws.materialize("spend")
        assert (values(ws), statuses(ws)) == ([2], {Status.PRESENT})
        assert set(read(ws, "b").effective_times.values()) == {day(8.02)}
        for key in ws.online_client().scan_iter(f"{ws.name}:*"):
            ws.online_client().delete(key)
        ws._parts.marks._known.clear()
        assert statuses(ws) == {Status.NOT_READY}
        ws.materialize("spend")
        assert (values(ws), statuses(ws)) == ([2], {Status.PRESENT})
        ws.append("pushed", history(record("a", 20.0)))
        move(ws, day(31))
        ws.materialize("spend")
        assert values(ws) == [1]
        assert values(ws, "b") == [0]


def test_past_reads_at_the_newest_event(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Which event was the newest at a past time is not kept: such a read says STALE."""
    with opened(tmp_path, online_url, stream_url, counting(HOUR, **LATEST)) as ws:
        ws.ingest("pushed", [record("a", 9.0), record("a", 9.02)])
        assert statuses(ws, at=day(9.3)) == {Status.PRESENT}
        assert statuses(ws, at=day(9.01)) == {Status.STALE}
