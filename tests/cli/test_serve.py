"""`tilefold serve` as people start it: processes, signals, curl."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.running import PROJECT, TILEFOLD, Started, environment, free_port, until
from tests.server.servers import GET, params
from tilefold import Workspace
from tilefold.serving.parity_report import Finding

START_S = 60.0
STOP_S = 30.0

VIEWS = """
from datetime import UTC, datetime, timedelta
import polars as pl
from tilefold import Aggregate, BatchSource, Entity, Field, TimeWindow, batch_feature_view

events = BatchSource("events", schema=[Field("user", pl.String), Field("at", pl.Datetime("us", "UTC"))], timestamp_field="at")

@batch_feature_view(
    name="{name}", source=events, entities=[Entity("user", join_keys=[Field("user", pl.String)])], mode="polars",
    feature_start_time=datetime(2024, 1, 1, tzinfo=UTC),
    features=[Aggregate(function="count", time_window=TimeWindow(timedelta(days={days})))],
)
def seen(events):
    return events
"""


class Serve(Started):
    """A started `tilefold serve`."""

    def __init__(self, root: Path, definitions: Path, *options: str, host: str = "127.0.0.1", **env: str) -> None:
        port = free_port()
        given = {"TILEFOLD_ROOT": str(root), "TILEFOLD_DEFINITIONS": str(definitions), **env}
        command = [*TILEFOLD, "serve", "--host", host, "--port", str(port), *options]
        super().__init__(command, port, root.with_name("serve.log"), given)

    def wait_until_it_answers(self) -> None:
        """Return when it is healthy."""
        self.wait_for_an_answer("/healthz", START_S)

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(each) for each in children if b"--listening" in Path(f"/proc/{each}/cmdline").read_bytes()]

    def end(self) -> int:
        """Its exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)


@pytest.fixture
def definitions(tmp_path: Path) -> Path:
    """A folder of declarations."""
    folder = tmp_path / "features"
    folder.mkdir()
    (folder / "views.py").write_text(VIEWS.format(name="seen", days=1))
    return folder


@pytest.fixture
def root(tmp_path: Path, definitions: Path) -> Path:
    """A root with a view that is materialized."""
    with Workspace(tmp_path / "data", definitions) as ws:
        ws.materialize("seen")
    return tmp_path / "data"


@contextlib.contextmanager
def serving(root: Path, definitions: Path, *options: str, **env: str) -> Iterator[Serve]:
    """A server that answers, and leaves nothing behind."""
    server = Serve(root, definitions, *options, **env)
    try:
        server.wait_until_it_answers()
        yield server
    finally:
        if server.process.poll() is None:
            workers = server.workers()
            server.end()
            assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_curl(root: Path, definitions: Path) -> None:
    """A plain curl gets features, and errors in JSON."""
    curl = shutil.which("curl")
    assert curl is not None, "curl is installed"
    with serving(root, definitions) as server:
        asked = [curl, "-s", "-X", "POST", "-H", "Content-Type: application/json", server.url + GET, "-d"]
        said = subprocess.run([*asked, json.dumps(params("seen", {"user": "ann"}))], capture_output=True, check=True).stdout
        assert json.loads(said) == {"result": {"features": ["0"]}}
        wrong = subprocess.run([*asked, "{"], capture_output=True, check=True).stdout
        assert json.loads(wrong)["code"] == 3
        assert server.end() == 0
        assert "Serving 0 services and 1 views at http://127.0.0.1:" in server.said


def test_what_is_served_is_sampled(root: Path, definitions: Path) -> None:
    """Every worker writes what it was asked before it ends, and it is right."""
    with serving(root, definitions, "--workers", "2", "--sample-rate", "1") as server:
        for user in range(8):
            assert httpx.post(server.url + GET, json=params("seen", {"user": f"u{user}"})).status_code == 200
        assert server.end() == 0
    with Workspace(root, definitions) as ws:
        report = ws.parity("seen")
    assert (report.samples, dict(report.total)) == (8, {Finding.RIGHT: 8})


def test_new_definitions_without_a_dropped_request(root: Path, definitions: Path) -> None:
    """New definitions, a changed view among them, and its switch fail no request on open connections and new ones."""
    with serving(root, definitions, "--workers", "2") as server:
        statuses: list[int] = []
        stop = threading.Event()

        def ask(*, keep: bool) -> None:
            with httpx.Client(headers={} if keep else {"Connection": "close"}) as client:
                while not stop.is_set():
                    statuses.append(client.post(server.url + GET, json=params("seen", {"user": "ann"})).status_code)

        threads = [threading.Thread(target=ask, kwargs={"keep": keep}) for keep in (True, True, False)]
        for thread in threads:
            thread.start()
        workers = server.workers()
        (definitions / "more.py").write_text(VIEWS.format(name="seen_more", days=2).replace('"events"', '"others"'))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.said.count("serving new definitions: seen, seen_more") == 2, START_S, "both workers")
        (definitions / "views.py").write_text(VIEWS.format(name="seen", days=3))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.said.count("serving new definitions: seen, seen_more") == 4, START_S, "a changed view")
        assert httpx.post(server.url + GET, json=params("seen", {"user": "ann"})).json() == {"result": {"features": [None]}}
        with Workspace(root, definitions) as ws:
            assert ws.materialize("seen").switch is not None

        def switched() -> bool:
            answer = httpx.post(server.url + GET, json=params("seen", {"user": "ann"}))
            return bool(answer.json() == {"result": {"features": ["0"]}})

        until(switched, START_S, "the switch")
        (definitions / "broken.py").write_text("raise RuntimeError('half written')")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.said.count("the definitions stay as they were") == 2, START_S, "both workers")
        stop.set()
        for thread in threads:
            thread.join()
        assert set(statuses) == {200}
        assert httpx.post(server.url + GET, json=params("seen_more", {"user": "ann"})).status_code == 200
        assert server.workers() == workers


def test_a_killed_worker_is_replaced(root: Path, definitions: Path) -> None:
    """Another one takes its place on the same socket; the embedded store lives on."""
    with serving(root, definitions) as server:
        (worker,) = server.workers()
        time.sleep(5.1)  # one that ends sooner counts as not well begun
        os.kill(worker, signal.SIGKILL)
        answer = httpx.post(server.url + GET, json=params("seen", {"user": "ann"}), timeout=START_S)
        assert answer.status_code == 200
        assert server.workers() != [worker]


def test_requests_in_flight_are_finished(root: Path, definitions: Path) -> None:
    """SIGTERM in the middle of a request's body: the request is answered, then the server ends."""
    with serving(root, definitions) as server:
        asked = json.dumps(params("seen", {"user": "ann"})).encode()

        def slowly() -> Iterator[bytes]:
            yield asked[:10]
            server.process.send_signal(signal.SIGTERM)
            time.sleep(1)
            yield asked[10:]

        answer = httpx.post(server.url + GET, content=slowly(), timeout=START_S)
        assert answer.json() == {"result": {"features": ["0"]}}
        assert server.process.wait(STOP_S) == 0


def test_no_keys_no_open_address(root: Path, definitions: Path) -> None:
    """Where others could reach it, it does not start without keys, and says how to make them."""
    server = Serve(root, definitions, host="0.0.0.0")
    assert server.process.wait(START_S) == 2
    assert re.search(r"without API keys it only listens on loopback; got '0\.0\.0\.0'.*tilefold keys create", server.said)


def test_a_taken_port(root: Path, definitions: Path) -> None:
    """It is told as such."""
    with serving(root, definitions) as server:
        other = subprocess.run(
            [*TILEFOLD, "--root", str(root), "--definitions", str(definitions), "serve", "--port", str(server.port)],
            cwd=PROJECT,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert other.returncode == 2
        assert "its address must be there and free (Address already in use)" in other.stderr
