"""Which servers and URLs are taken, and what a person is told about the others."""

from pathlib import Path

import pytest
from redis import Redis

from tilefold.engine.mark import Mark
from tilefold.errors import InputError, StoreFullError, StorePolicyError, StoreUnavailableError, SystemFault
from tilefold.stores.address import HOST, Address
from tilefold.stores.embedded import open_embedded
from tilefold.stores.online_connect import _check_version, client_of
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.store_errors import Faults

MARK = Mark(1, 1)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
def test_a_store_that_evicts_is_refused(tmp_path: Path, policy: str) -> None:
    """Any policy but noeviction would turn features into zeros."""
    with (
        open_embedded(tmp_path, config={"maxmemory-policy": policy}) as server,
        pytest.raises(StorePolicyError, match=rf"noeviction; got '{policy}'"),
    ):
        OnlineStore.connect(server.url, "test")


def test_a_cluster_is_refused(tmp_path: Path) -> None:
    """A view's mark and keys must be on one server."""
    config = {"cluster-enabled": "yes", "cluster-port": str(Address.fresh().port)}  # by default 10,000 above the server's own
    with open_embedded(tmp_path, config=config) as server, pytest.raises(StorePolicyError, match="cluster"):
        OnlineStore.connect(server.url, "test")


def test_a_replica_is_refused(tmp_path: Path) -> None:
    """A replica takes no writes, and the error says so."""
    with (
        open_embedded(tmp_path, config={"replicaof": f"{HOST} 1", "replica-read-only": "yes"}) as server,
        pytest.raises(StorePolicyError, match="replica"),
    ):
        OnlineStore.connect(server.url, "test")


@pytest.mark.parametrize(
    ("version", "taken"), [("6.2.14", False), ("5.0", False), ("7.0.0", True), ("7.2.4", True), ("10.1", True)]
)
def test_redis_7_is_the_oldest(version: str, taken: bool) -> None:
    """Versions are compared as numbers."""
    faults = Faults(client_of("redis://localhost"))
    if taken:
        _check_version(version, faults)
        return
    with pytest.raises(StorePolicyError, match=version):
        _check_version(version, faults)


def test_a_user_without_config_rights_is_taken(tmp_path: Path) -> None:
    """Managed services forbid CONFIG; what is needed is read from INFO."""
    with open_embedded(tmp_path) as server, Redis.from_url(server.url) as admin:
        admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-config")
        store = OnlineStore.connect(server.url.replace("://", "://app").replace(admin_password(server.url), "secret"), "test")
        assert store.store_id
        store.close()


def admin_password(url: str) -> str:
    """The password in a URL."""
    return str(client_of(url).connection_pool.connection_kwargs["password"])


def test_a_user_without_rights_is_told_so(tmp_path: Path) -> None:
    """A command that the user may not run is named, with what to grant."""
    with open_embedded(tmp_path) as server, Redis.from_url(server.url) as admin:
        admin.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+ping")
        with pytest.raises(StorePolicyError, match=r"allowed every command.*info.*Grant"):
            OnlineStore.connect(server.url.replace("://", "://app").replace(admin_password(server.url), "secret"), "test")


def test_a_wrong_password_is_told_and_not_shown(tmp_path: Path) -> None:
    """The error names the place and the cause, and holds no password."""
    with open_embedded(tmp_path) as server, pytest.raises(StoreUnavailableError, match="password") as caught:
        OnlineStore.connect(server.url.replace(admin_password(server.url), "hunter2"), "test")
    assert "hunter2" not in str(caught.value)
    assert server.url.split("@")[1] in str(caught.value)


def test_a_server_that_is_down_is_told() -> None:
    """Nobody at the address: its place is named, with what to do, and no password."""
    url = Address.fresh().url
    with pytest.raises(StoreUnavailableError, match=r"cannot be reached.*Start it") as caught:
        OnlineStore.connect(url, "test")
    assert url.split("@")[1] in str(caught.value)
    assert admin_password(url) not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://localhost",
        "redis://:pa/ss@host:6379/0",
        "redis://:pass@host:port/0",
        "redis://:pa#ss@host",
    ],
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    """A wrong URL is the caller's mistake; the error repeats nothing of it, since it may hold the password."""
    with pytest.raises(InputError, match="online URL") as caught:
        OnlineStore.connect(url, "test")
    assert "pa" not in str(caught.value).replace("password", "")
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("prefix", ["", "a:b", "a b", "a*", "ä"])
def test_a_name_that_could_meet_another_is_refused(prefix: str) -> None:
    """A prefix has nothing in it that separates or matches keys."""
    with pytest.raises(InputError, match="letters, digits"):
        OnlineStore.connect("redis://localhost", prefix)


def test_a_full_store_is_told(tmp_path: Path) -> None:
    """Writes refused for want of memory are an error of their own, and what was there stays."""
    with open_embedded(tmp_path) as server:
        store = OnlineStore.connect(server.url, "test")
        store.client.set("before", "there")
        store.client.config_set("maxmemory", "1kb")
        with pytest.raises(StoreFullError, match=r"memory is used up.*maxmemory"):
            store.begin("view", "version", MARK)
        store.client.config_set("maxmemory", "0")
        assert store.client.get("before") == b"there"
        assert store.begin("view", "version", MARK)
        store.close()


def test_another_programs_key_is_told(tmp_path: Path) -> None:
    """A key of another type in the workspace's place is an error that says what it may be."""
    with open_embedded(tmp_path) as server:
        store = OnlineStore.connect(server.url, "test")
        store.client.set("test:view:version", "a text")
        with pytest.raises(SystemFault, match=r"refused a command.*wrong kind.*another program"):
            store.mark("view", "version")
        store.close()


def test_tls_is_by_url() -> None:
    """`rediss://` asks for an encrypted connection."""
    client = client_of("rediss://:secret@example.com:6380/1")
    assert client.connection_pool.connection_class.__name__ == "SSLConnection"
    assert Faults(client).thing == "online store example.com:6380/1"


def test_timeouts_can_be_set_by_url() -> None:
    """The URL's query overrides what is set here."""
    assert client_of("redis://localhost?socket_timeout=11").connection_pool.connection_kwargs["socket_timeout"] == 11
