"""The facade of spec section 6: opening, sharing, closing."""

import inspect
import socket
from pathlib import Path

import polars as pl
import pytest
from redis import Redis

from tests.pipelines import EVENTS, Clock, day, declare, frame, opened
from tilefold import Workspace
from tilefold.errors import FileError, InputError, StoreMismatchError, StoreUnavailableError
from tilefold.serving.read import Status
from tilefold.stores.embedded import open_embedded

SIGNATURES = {
    "append": ["source", "frame", "replace"],
    "ingest": ["source", "frame", "wait_for"],
    "drain": ["source"],
    "build_tiles": ["view", "start", "end"],
    "compact": ["view", "as_of"],
    "sync": ["view", "as_of"],
    "materialize": ["view", "as_of"],
    "get_features": ["name", "keys", "at"],
    "get_features_batch": ["name", "keys", "at"],
    "get_features_for_events": ["name", "spine", "timestamp"],
    "serve": ["host", "port"],
    "explain": ["view", "keys", "at"],
    "online_client": [],
    "online_key": ["view", "keys"],
}


@pytest.mark.parametrize("method", SIGNATURES)
def test_signatures(method: str) -> None:
    """Every method of the contract takes its parameters by the contract's order."""
    parameters = inspect.signature(getattr(Workspace, method)).parameters
    positional = [name for name, parameter in parameters.items() if parameter.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert positional == ["self", *SIGNATURES[method]]


def test_constructor() -> None:
    """`Workspace(root="data", definitions=..., online=None, clock=None, name=None)` as the contract writes it."""
    parameters = inspect.signature(Workspace).parameters
    assert list(parameters)[:5] == ["root", "definitions", "online", "clock", "name"]
    assert [parameters[name].default for name in ("root", "online", "clock", "name")] == ["data", None, None, None]


def test_another_opener_probes_at_the_same_moment(tmp_path: Path, online_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another process has removed the probe that says whether the root can be written, the root opens all the same."""
    real = Path.touch

    def touch(path: Path) -> None:
        real(path)
        path.unlink()

    monkeypatch.setattr(Path, "touch", touch)
    with opened(tmp_path, online_url, declare(), now=day(1)) as ws:
        assert ws.root == str(tmp_path)
    assert not (tmp_path / ".writable").exists()


def test_first_opener_owns(tmp_path: Path) -> None:
    """The first opener of a root owns the embedded server; a later one attaches, sees its keys and never stops it."""
    view, now = declare(), Clock(day(3.5))
    with Workspace(tmp_path, [view], clock=now) as owner:
        owner.append("events", frame([("a", 1, 4)]))
        owner.materialize("spend", day(3))
        with Workspace(tmp_path, [view], clock=now) as guest:
            assert (owner.owns_server, guest.owns_server) == (True, False)
            assert guest.get_features("spend", {"user": "a"}).values["spend.units_sum_3d"] == 4
        assert owner.get_features("spend", {"user": "a"}).values["spend.units_sum_3d"] == 4


def test_close_stops_the_server(tmp_path: Path) -> None:
    """The owner's close returns after the embedded server has exited."""
    ws = Workspace(tmp_path, [declare()], clock=Clock(day(3)))
    port = ws.online_client().connection_pool.connection_kwargs["port"]
    socket.create_connection(("127.0.0.1", port)).close()
    ws.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    ws.close()


def test_opened_again(tmp_path: Path) -> None:
    """What was served before a close is served after the next opening."""
    view, now = declare(), Clock(day(3.5))
    with Workspace(tmp_path, [view], clock=now) as ws:
        ws.append("events", frame([("a", 1, 4)]))
        ws.materialize("spend", day(3))
        before = ws.get_features("spend", {"user": "a"}).values
    with Workspace(tmp_path, [view], clock=now) as ws:
        assert ws.get_features("spend", {"user": "a"}).values == before
        assert ws.materialize("spend", day(3)).skipped


def test_names_share_a_server(tmp_path: Path, online_url: str) -> None:
    """Workspaces of different names on one server do not see each other's keys or marks."""
    view = declare()
    with (
        opened(tmp_path / "staging", online_url, view, now=day(3.5), name="staging") as staging,
        opened(tmp_path / "production", online_url, view, now=day(3.5), name="production") as production,
    ):
        staging.append("events", frame([("a", 1, 4)]))
        production.append("events", frame([("a", 1, 9)]))
        staging.materialize("spend", day(3))
        assert production.get_features("spend", {"user": "a"}).statuses["spend.count_1d"] is Status.NOT_READY
        production.materialize("spend", day(3))
        assert staging.get_features("spend", {"user": "a"}).values["spend.units_sum_3d"] == 4
        assert production.get_features("spend", {"user": "a"}).values["spend.units_sum_3d"] == 9


def test_online_client_and_key(tmp_path: Path, online_url: str) -> None:
    """`online_key` names the one hash that holds an entity, readable through `online_client`."""
    with opened(tmp_path, online_url, declare(), now=day(3.5)) as ws:
        ws.append("events", frame([("a", 1, 4)]))
        ws.materialize("spend", day(3))
        client = ws.online_client()
        assert isinstance(client, Redis)
        assert client.get_encoder().decode_responses is False
        assert client.type(ws.online_key("spend", {"user": "a"})) == b"hash"
        assert set(client.hgetall(ws.online_key("spend", {"user": "a"}))) == {b"b"}
        assert client.exists(ws.online_key("spend", {"user": "nobody"})) == 0


def test_another_store_is_refused(tmp_path: Path, online_url: str) -> None:
    """A folder opened with another online store is refused, and the first store still opens it."""
    with opened(tmp_path, online_url, declare(), now=day(3), name="prod"):
        pass
    with pytest.raises(StoreMismatchError, match=r"it is bound to the online store redis://127\.0\.0\.1:\d+/0; got 'embedded'"):
        Workspace(tmp_path, [declare()], name="prod")
    assert not (tmp_path / "online").exists(), "no server was started for it"
    with opened(tmp_path, online_url, declare(), now=day(3), name="prod") as ws:
        assert ws.root == str(tmp_path)


def test_a_mistyped_url_binds_nothing(tmp_path: Path, online_url: str) -> None:
    """A store that does not answer is an error of its own, after which the right one may be named."""
    with pytest.raises(StoreUnavailableError):
        Workspace(tmp_path, [declare()], online="redis://127.0.0.1:1/0")
    with opened(tmp_path, online_url, declare(), now=day(3)) as ws:
        assert ws.now() == day(3)


def test_one_store_has_one_address(tmp_path: Path, online_url: str) -> None:
    """The default database is the same store, written out or not; the password is no part of it."""
    short = online_url.removesuffix("/0")
    for url in (f"{short}/0", short):
        with opened(tmp_path, url, declare(), now=day(3), name="prod") as ws:
            assert ws.name == "prod"
    stored = Workspace(tmp_path, [declare()], online=short, name="prod")
    assert "@" not in str(stored._home.catalog.items())
    stored.close()


@pytest.mark.parametrize("part", ["root", "root/below"])
def test_a_folder_that_cannot_be_written(tmp_path: Path, part: str) -> None:
    """A root that is a file, or lies below one, is a FileError that names it."""
    (tmp_path / "root").write_text("a file")
    with pytest.raises(FileError, match=str(tmp_path / part)):
        Workspace(tmp_path / part, [declare()])


def test_an_object_store_needs_a_url() -> None:
    """A root that is no folder has no place for an embedded server."""
    with pytest.raises(InputError, match="a root on an object store needs an online URL; got 's3://bucket/features'"):
        Workspace("s3://bucket/features", [declare()])


def test_the_clock_is_asked(tmp_path: Path, online_url: str) -> None:
    """Reads and arrivals are stamped by the workspace's clock, not the system's."""
    clock = Clock(day(3.5))
    with Workspace(tmp_path, [declare()], online=online_url, clock=clock, name="clocked") as ws:
        ws.append("events", frame([("a", 1, 4)]))
        logged = ws.event_log("events").snapshot().scan().select(pl.col("tf_ingested_at").unique()).collect()
        assert logged["tf_ingested_at"].to_list() == [day(3.5)]
        ws.materialize("spend", day(3))
        clock.now = day(5.5)
        assert ws.get_features("spend", {"user": "a"}).statuses["spend.count_1d"] is Status.STALE


def test_a_clock_without_zone(tmp_path: Path, online_url: str) -> None:
    """A clock that returns a naive time is refused."""
    with (
        opened(tmp_path, online_url, declare(), now=day(3).replace(tzinfo=None)) as ws,
        pytest.raises(InputError, match="'clock'"),
    ):
        ws.now()


def test_attached_by_url(tmp_path: Path) -> None:
    """A workspace may be given the URL of any server that speaks the protocol."""
    with open_embedded(tmp_path / "server") as server, opened(tmp_path / "root", server.url, declare(), now=day(2)) as ws:
        assert not ws.owns_server
        assert ws.definitions.source("events") is EVENTS
