"""Where stream logs live: opened when used, owned like the online store, bound to the root."""

import os
import signal
from pathlib import Path

import pytest
from redis import Redis

from tests.pipelines import declare
from tests.streams import logged, opened, record, source, view_of
from tilefold import Workspace
from tilefold.errors import InputError, StoreMismatchError, StorePolicyError, StoreUnavailableError
from tilefold.serving.home import bind_stream
from tilefold.serving.stream_home import MEMORY_VARIABLE


def server_process(root: Path) -> int:
    """The process of the root's embedded server for streams."""
    return int((root / "stream" / "server.pid").read_text())


def push(ws: Workspace, *ids: str) -> None:
    """Push an event of each id."""
    assert ws.ingest("pushed", [record("a", 9, 1, each) for each in ids]).accepted == len(ids)


def test_nothing_is_started_before_a_stream_is_used(tmp_path: Path, online_url: str) -> None:
    """Declaring a stream source starts no server; old history that is appended does not either."""
    with opened(tmp_path, online_url, None) as ws:
        ws.event_log("pushed").snapshot()
        assert not (tmp_path / "stream").exists()
        push(ws, "a")
        assert (tmp_path / "stream" / "server.pid").exists()


def test_the_first_user_owns_the_server(tmp_path: Path, online_url: str) -> None:
    """A later workspace attaches, sees the same log, and its close stops nothing; the owner's close returns after the end."""
    with opened(tmp_path, online_url, None, name="one") as owner:
        push(owner, "a")
        process = server_process(tmp_path)
        with opened(tmp_path, online_url, None, name="one") as guest:
            push(guest, "b")
        push(owner, "c")
        assert owner.drain("pushed").accepted == 3
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_events_are_there_after_everything_was_killed(tmp_path: Path, online_url: str) -> None:
    """What was acknowledged before `kill -9` of the embedded server is drained by the next opener."""
    with opened(tmp_path, online_url, None, name="one") as ws:
        push(ws, "a", "b")
        os.kill(server_process(tmp_path), signal.SIGKILL)
    with opened(tmp_path, online_url, None, name="one") as ws:
        ws.drain("pushed")
        assert logged(ws) == ["a", "b"]


@pytest.mark.parametrize(("given", "limit"), [(None, 1024**3), ("64mb", 64 * 1024**2), ("0", 0)])
def test_its_memory_is_limited(
    tmp_path: Path, online_url: str, monkeypatch: pytest.MonkeyPatch, given: str | None, limit: int
) -> None:
    """The embedded server gets a limit from the environment, or one of a gibibyte."""
    if given is None:
        monkeypatch.delenv(MEMORY_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(MEMORY_VARIABLE, given)
    with opened(tmp_path, online_url, None) as ws:
        push(ws, "a")
        with Redis.from_url(ws._home.streams._place()) as admin:
            assert admin.info("memory")["maxmemory"] == limit
            assert admin.config_get("appendfsync") == {"appendfsync": "always"}


def test_a_size_that_is_none_is_told(tmp_path: Path, online_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that cannot be understood is the caller's error, before anything is started."""
    monkeypatch.setenv(MEMORY_VARIABLE, "much")
    with opened(tmp_path, online_url, None) as ws, pytest.raises(InputError, match=f"{MEMORY_VARIABLE}: .*got 'much'"):
        push(ws, "a")
    assert not (tmp_path / "stream").exists()


def test_the_online_stores_server_is_no_place(tmp_path: Path, online_url: str) -> None:
    """A server that syncs once a second is refused, by name, when a stream is first used."""
    with opened(tmp_path, online_url, online_url) as ws, pytest.raises(StorePolicyError, match="appendfsync must be always"):
        push(ws, "a")


def test_an_object_store_needs_a_stream_url(tmp_path: Path, online_url: str) -> None:
    """A root that is no folder has no place for an embedded server."""
    with opened(tmp_path, online_url, None) as ws:
        streams = ws._home.streams
        object.__setattr__(streams._binding, "root", "s3://bucket/features")
        with pytest.raises(InputError, match="needs a stream URL; got 's3://bucket/features'"):
            streams._place()


def test_a_root_is_bound_to_the_place_of_its_streams(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """With another place than before events would be in two; it is refused, and moved by an explicit act."""
    with opened(tmp_path, online_url, stream_url, name="bound") as ws:
        push(ws, "a")
        ws.drain("pushed")
        for _ in range(2):
            ws.event_log("pushed").take_barrier()
    with opened(tmp_path, online_url, None, name="bound") as ws:
        with pytest.raises(StoreMismatchError, match=r"bound to the stream log redis://127\.0\.0\.1:\d+/0; got 'embedded'"):
            push(ws, "b")
        assert not (tmp_path / "stream").exists()
    assert bind_stream(str(tmp_path), None, "bound").startswith("redis://127.0.0.1:")
    with opened(tmp_path, online_url, None, name="bound") as ws:
        push(ws, "b")
        ws.drain("pushed")
        rows = ws.event_log("pushed").snapshot().scan(columns=["event_id", "tf_epoch"]).sort("event_id").collect()
        assert rows.rows() == [("a", 1), ("b", 3)], "the new log begins behind the last barrier"


def test_a_mistyped_url_binds_nothing(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """After a server that does not answer, the right one may be named."""
    with opened(tmp_path, online_url, "redis://127.0.0.1:1/0", name="mistyped") as ws, pytest.raises(StoreUnavailableError):
        push(ws, "a")
    with opened(tmp_path, online_url, stream_url, name="mistyped") as ws:
        push(ws, "a")


def test_sources_have_logs_of_their_own(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Two sources of a workspace, and two workspaces, share a server and no event."""
    both = [source("pushed"), source("other")]
    with (
        opened(tmp_path / "one", online_url, stream_url, *both) as ws,
        opened(tmp_path / "two", online_url, stream_url) as elsewhere,
    ):
        push(ws, "a")
        ws.ingest("other", [record("b", 9, 1, "a")])
        push(elsewhere, "a")
        for workspace, name in ((ws, "pushed"), (ws, "other"), (elsewhere, "pushed")):
            workspace.drain(name)
            assert logged(workspace, name) == ["a"]


def test_a_stream_view_works_without_urls(tmp_path: Path) -> None:
    """With nothing but a folder: pushed events are served at once, and by the batch after it was opened again."""
    with opened(tmp_path, "", None, view_of(source()), name="one") as ws:
        push(ws, "a", "b")
        assert ws.get_features("spend", {"user": "a"}).values["spend.units_count_1d"] == 2
    with opened(tmp_path, "", None, view_of(source()), name="one") as ws:
        ws.materialize("spend")
        assert ws.get_features("spend", {"user": "a"}).values["spend.units_sum_30d"] == 2


def test_all_streams_may_be_opened_at_once(tmp_path: Path, online_url: str) -> None:
    """Who opens the streams first owns their server, though events come from another; without a stream source none starts."""
    with opened(tmp_path / "batch", online_url, None, declare()) as ws:
        ws.open_streams()
        assert (ws.streams_used(), (tmp_path / "batch" / "stream").exists()) == (False, False)
    with opened(tmp_path, online_url, None, name="one") as owner:
        owner.open_streams()
        with opened(tmp_path, online_url, None, name="one") as guest:
            push(guest, "a")
        assert owner.streams_used()
        assert owner.drain("pushed").accepted == 1
