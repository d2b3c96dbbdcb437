"""Each test of the online store runs on the embedded server, and once more on a foreign Redis in `make test-system`."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores.logs import stream_server, valkey_log
from tests.stores.servers import foreign_redis
from tilefold.stores.embedded import EmbeddedServer, open_embedded
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.valkey_log import ValkeyLog


@pytest.fixture(scope="session", params=["embedded", pytest.param("redis", marks=pytest.mark.system)])
def server_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server that all tests share."""
    folder: Path = tmp_path_factory.mktemp("server")
    if request.param == "redis":
        with foreign_redis(folder) as url:
            yield url
    else:
        with open_embedded(folder) as server:
            yield server.url


@pytest.fixture
def store(server_url: str) -> Iterator[OnlineStore]:
    """A workspace of its own on that server."""
    opened = OnlineStore.connect(server_url, f"test-{secrets.token_hex(4)}")
    yield opened
    opened.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server of stream logs that may be killed."""
    with stream_server(tmp_path) as opened:
        yield opened


@pytest.fixture
def log(server: EmbeddedServer) -> Iterator[ValkeyLog]:
    """A log on it."""
    opened = valkey_log(server.url, "own")
    yield opened
    opened.close()
