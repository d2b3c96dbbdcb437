"""What all tests share: one embedded server, in which every workspace has a name of its own."""

from collections.abc import Iterator

import pytest

from tilefold.stores.embedded import open_embedded


@pytest.fixture(scope="session")
def online_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server for workspaces that are given a URL."""
    with open_embedded(tmp_path_factory.mktemp("shared_server")) as server:
        yield server.url
