"""A workspace with a stream, on shared servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines import DAY
from tests.streams import opened
from tests.workspace_streams.reads import counting
from tilefold import LifetimeWindow, Workspace


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A workspace with a view that counts over a day and for ever."""
    with opened(tmp_path, online_url, stream_url, counting(DAY, LifetimeWindow())) as workspace:
        yield workspace
