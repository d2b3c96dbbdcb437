"""What all tests share: an online store and a server for streams, in which every workspace has a name of its own.

The rule of a fast run: tests that are long come first, so that no worker is left alone with one at the end; there are more
workers than processors, since many tests wait for processes that they started; and what threads and the collector of garbage
do for nothing is left out.
"""

import gc
import os
import random
from collections.abc import Iterator

import pytest

# Before the first Delta table, and for every process that a test starts: its threads waking each other up take a tenth of the
# time of tests on small tables.
os.environ.setdefault("TOKIO_WORKER_THREADS", "1")

from tests.stores.logs import stream_server
from tilefold.stores.embedded import open_embedded

LONG = ("tests/chaos/", "tests/simulation/", "tests/kill/", "tests/engine/test_matrix.py", "tests/engine/test_invariants.py")


def pytest_xdist_auto_num_workers() -> int | None:
    """Half as many workers again as processors, for `-n auto`; the variable that pytest-xdist knows says otherwise."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    return max(2, (os.cpu_count() or 1) * 3 // 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones first; all else stays in its order, so that each worker of a run sees the same one."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def pytest_collection_finish() -> None:
    """Keep modules and collected tests out of every later collection of garbage."""
    gc.collect()
    gc.freeze()


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
