"""`tilefold serve` with several workers: they count together, and all of them learn of a key."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.running import TILEFOLD, Started, answers, until
from tests.server.servers import GET, params
from tests.server.test_metrics import lines
from tilefold.server.key_file import KeyFile

START_S, LEARNS_S = 60.0, 10.0
READS = 40


@pytest.fixture
def url(root: Path, streams: Path, tmp_path: Path) -> Iterator[str]:
    """Where two workers serve a stream view without events; they end in order."""
    command = [*TILEFOLD, "--root", str(root), "--definitions", str(streams), "serve", "--port", "0", "--workers", "2"]
    server = Started(command, 0, tmp_path / "serve.log", {})
    try:
        found = until(lambda: re.search(r"at (http://\S+) with 2 worker", server.said), START_S, "the address", 0.1)
        until(lambda: answers(f"{found[1]}/healthz"), START_S, "an answer", 0.1)
        yield str(found[1])
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(START_S) == 0, server.said
    finally:
        server.process.kill()
        server.process.wait()


def statuses(url: str, key: str) -> set[int]:
    """What many new connections, which go to any worker, are answered."""
    return {httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {key}"}).status_code for _ in range(10)}


def test_workers_count_together(url: str) -> None:
    """Whichever worker is asked, it tells what all of them did."""
    for _ in range(READS):
        assert httpx.post(f"{url}{GET}", json=params("clicking", {"user": "u"})).status_code == 200
    name = 'tilefold_requests_total{endpoint="get-features",service="clicking",status="200"}'
    assert {lines(httpx.get(f"{url}/metrics").content)[name] for _ in range(10)} == {READS}


def test_all_workers_learn_of_a_key(url: str, root: Path) -> None:
    """Made, it is required by all of them within seconds; revoked, it opens none of them."""
    file = KeyFile(str(root))
    key = file.create("model", "read")
    until(lambda: statuses(url, "none") == {401}, LEARNS_S, "both to close")
    assert statuses(url, key) == {200}
    file.revoke("model")
    until(lambda: statuses(url, key) == {401}, LEARNS_S, "both to forget the key")
