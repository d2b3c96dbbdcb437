"""A store that is down, comes back, or is slow."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.pipelines import Clock, day, declare, frame
from tests.running import until
from tests.server.servers import BATCH, GET, METADATA, Proxy, params, rows, served
from tilefold import Workspace

ANN = params("spend", {"user": "ann"})


@pytest.fixture
def proxy(online_url: str) -> Iterator[Proxy]:
    """Between the workspace and its store."""
    with Proxy(online_url) as made:
        yield made


@pytest.fixture
def client(tmp_path: Path, proxy: Proxy) -> Iterator[httpx.Client]:
    """Of a server whose store is behind the proxy."""
    with Workspace(tmp_path, [declare()], online=proxy.url, clock=Clock(day(3.5)), name=f"t-{tmp_path.name}") as ws:
        ws.append("events", frame([("ann", 1, 5)]))
        ws.materialize("spend", day(3))
        with served(ws) as made:
            assert made.post(GET, json=ANN).status_code == 200
            yield made
        proxy.open.set()


def test_down_and_back(client: httpx.Client, proxy: Proxy) -> None:
    """While the store is down the answer is 503 with Retry-After and without its address; it recovers by itself."""
    proxy.stop()
    answer = client.post(GET, json=ANN)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (503, "1", 14)
    assert str(proxy.port) not in answer.text
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    proxy.start()
    assert client.post(GET, json=ANN).json()["result"]["features"][9] == "5"
    assert client.get("/readyz").status_code == 200


def test_a_connection_that_breaks(client: httpx.Client, proxy: Proxy) -> None:
    """It is made anew, and nobody notices."""
    for _ in range(5):
        proxy.cut()
        assert client.post(GET, json=ANN).status_code == 200


def test_a_connection_that_breaks_under_requests(client: httpx.Client, proxy: Proxy) -> None:
    """Requests that waited for the broken connection are answered over the next one."""
    proxy.open.clear()
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(client.post, GET, json=ANN) for _ in range(8)]
        time.sleep(0.3)
        proxy.cut()
        proxy.open.set()
        assert {each.result().status_code for each in waiting} == {200}


def test_too_slow_for_the_budget(client: httpx.Client, proxy: Proxy) -> None:
    """What has not come within `latencyBudgetMs` is 504; with `allowPartialResults`, null and TIME_OUT."""
    proxy.open.clear()
    options = {"requestOptions": {"latencyBudgetMs": 100}}
    answer = client.post(GET, json=params("spend", {"user": "ann"}, **options))
    assert (answer.status_code, answer.json()["code"]) == (504, 4)
    assert "params.requestOptions.latencyBudgetMs: the store must answer within it; got 100 ms." in answer.json()["message"]
    partial = client.post(
        GET,
        json=params(
            "spend",
            {"user": "ann"},
            allowPartialResults=True,
            metadataOptions={"includeServingStatus": True, "includeSloInfo": True},
            **options,
        ),
    ).json()
    assert set(partial["result"]["features"]) == {None}
    assert {each["status"] for each in partial["metadata"]["features"]} == {"TIME_OUT"}
    assert partial["metadata"]["partialResults"] is True
    assert partial["metadata"]["sloInfo"]["sloIneligibilityReasons"] == ["TIME_OUT: spend"]
    batch = client.post(BATCH, json=rows("spend", [{"user": "ann"}] * 3, allowPartialResults=True, **options)).json()
    assert batch["metadata"] == {"partialResults": True}
    proxy.open.set()
    assert client.post(GET, json=ANN).json()["result"]["features"][9] == "5"


def test_slow_reads_hold_up_nobody(client: httpx.Client, proxy: Proxy) -> None:
    """While reads wait for the store, the server answers what needs none."""
    proxy.open.clear()
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(client.post, GET, json=ANN) for _ in range(4)]
        assert client.get("/healthz", timeout=2).status_code == 200
        assert not any(each.done() for each in waiting)
        threading.Timer(0.2, proxy.open.set).start()
        assert {each.result().status_code for each in waiting} == {200}


def test_more_at_a_time_than_it_works_on(tmp_path: Path, proxy: Proxy) -> None:
    """While as many requests as it may are in hand, more are 429 with Retry-After; then it goes on."""
    with Workspace(tmp_path, [declare()], online=proxy.url, clock=Clock(day(3.5)), name=f"t-{tmp_path.name}") as ws:
        ws.materialize("spend", day(3))
        with served(ws, requests_max=2) as client, ThreadPoolExecutor(2) as threads:
            proxy.open.clear()
            waiting = [threads.submit(client.post, GET, json=ANN) for _ in range(2)]
            about = {"params": {"featureServiceName": "spend"}}
            until(lambda: client.post(METADATA, json=about).status_code == 429, 10, "a full server", 0.05)
            assert client.get("/healthz").status_code == 200
            refused = client.post(GET, json=ANN)
            assert (refused.status_code, refused.headers["retry-after"], refused.json()["code"]) == (429, "1", 8)
            proxy.open.set()
            assert {each.result().status_code for each in waiting} == {200}
            assert client.post(GET, json=ANN).status_code == 200
