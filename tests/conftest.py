"""What all tests share: an online store and a server for streams, in which every workspace has a name of its own."""

import os
import random
from collections.abc import Iterator

import pytest

from tests.stores.logs import stream_server
from tilefold.stores.embedded import open_embedded


@pytest.fixture(scope="session")
def online_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server for workspaces that are given a URL."""
    with open_embedded(tmp_path_factory.mktemp("shared_server")) as server:
        yield server.url


@pytest.fixture(scope="session")
def stream_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server for the stream logs of workspaces that are given a URL."""
    with stream_server(tmp_path_factory.mktemp("shared_streams")) as server:
        yield server.url


@pytest.fixture
def seed() -> int:
    """Where a test draws from, another one each time; pytest shows the line with any failure, a timeout too."""
    drawn = int(os.environ.get("TILEFOLD_TEST_SEED") or random.randrange(2**32))
    print(f"TILEFOLD_TEST_SEED={drawn} draws the same again")
    return drawn
