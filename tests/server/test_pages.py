"""The pages of a running server: explanations, the document, metrics, and who may see them."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import Client

from tests.server.explaining import HOSTILE, explainable
from tests.server.servers import GET as READ
from tests.server.servers import params, served
from tests.server.test_metrics import lines
from tilefold import Workspace
from tilefold.errors import StoreUnavailableError
from tilefold.server.api_keys import REFRESH_S, VARIABLE
from tilefold.server.key_file import KeyFile
from tilefold.server.routes import endpoints

QUERY = "view=spend&keys[user]=a"
OPEN = {"/healthz", "/readyz"}
FOREIGN = {"Origin": "https://elsewhere.example"}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key by the environment."""
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def ws(tmp_path: Path, online_url: str, stream_url: str) -> Iterator[Workspace]:
    """A stream view with tiles of every kind."""
    with explainable(tmp_path, online_url, stream_url) as workspace:
        yield workspace


@pytest.fixture
def server(ws: Workspace) -> Iterator[Client]:
    """A server of it."""
    with served(ws) as client:
        yield client


def test_the_page_explains(server: Client) -> None:
    """A page with the value, which a browser may load nothing for."""
    said = server.get(f"/explain?{QUERY}&feature=units_sum_30d&reference=1")
    assert (said.status_code, said.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert ">332<" in said.text
    assert said.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert server.get("/explain").status_code == server.get("/explain?view=spend").status_code == 200


def test_the_json_explains(server: Client) -> None:
    """The same for programs."""
    found = server.get(f"/explain.json?{QUERY}&feature=units_sum_30d").json()
    assert (found["features"][0]["value"], found["keys"]) == (332, {"user": "a"})


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("view=spent&keys[user]=a", 404, "Declared are: spend"),
        ("view=spend&keys[usr]=a", 400, "Did you mean user"),
        ("view=spend&keys[user]=a&at=soon", 400, "must be a time in ISO 8601"),
        ("view=spend&keys[user]=a&at=2020-01-01", 400, "must lie at or after its watermark"),
        ("view=spend&keys[user]=%ff", 400, "must be UTF-8"),
        ("nonsense=1", 400, "nonsense"),
    ],
)
def test_mistakes_are_told_on_the_page_and_as_json(server: Client, query: str, status: int, message: str) -> None:
    """Both say what was wrong and what would be right, with the status that the wire has for it."""
    page, data = server.get(f"/explain?{query}"), server.get(f"/explain.json?{query}")
    assert (page.status_code, data.status_code) == (status, status)
    assert message in data.json()["message"]
    assert '<p class="note" role="alert">' in page.text


def test_what_was_chosen_stays_when_a_parameter_is_wrong(server: Client) -> None:
    """The form shows the view, the key and the time again, whatever else the address says."""
    said = server.get(f"/explain?{QUERY}&at=2026-01-01&reference=perhaps")
    assert said.status_code == 400
    assert 'name="keys[user]"' in said.text
    assert 'value="2026-01-01"' in said.text


def test_hostile_keys_stay_text(server: Client) -> None:
    """Markup in the address is shown, not taken."""
    quoted = "".join(f"%{byte:02x}" for byte in HOSTILE.encode())
    said = server.get(f"/explain?view=spend&keys[user]={quoted}&feature={quoted}")
    assert said.status_code == 400
    assert "<script" not in said.text


def test_the_store_that_is_down_is_told(ws: Workspace, server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with a time to come back, on the page and as JSON, and nothing of the store's address."""

    def gone(key: bytes) -> None:
        raise StoreUnavailableError(f"redis://:secret@host {key!r}")

    monkeypatch.setattr(ws.online_store, "read", gone)
    for path in ("/explain", "/explain.json"):
        said = server.get(f"{path}?{QUERY}")
        assert (said.status_code, said.headers["retry-after"], "secret" in said.text) == (503, "1", False)


def test_metrics_tell_what_was_done(server: Client) -> None:
    """Reads, ingested events and watermarks."""
    for _ in range(3):
        server.post(READ, json=params("spend", {"user": "a"}))
    server.post(READ, json=params("guess"))
    event = {"user": "b", "at": "2024-01-10T11:00:00Z", "units": 1}
    server.post("/ingest", json={"records": {"pushed": [{"record": event}, {"record": {"user": "b"}}]}})
    said = server.get("/metrics")
    found = lines(said.content)
    assert said.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert found['tilefold_requests_total{endpoint="get-features",service="spend",status="200"}'] == 3
    assert found['tilefold_requests_total{endpoint="get-features",service="",status="404"}'] == 1
    assert found['tilefold_ingested_events_total{outcome="accepted",source="pushed"}'] == 1
    assert found['tilefold_ingested_events_total{outcome="refused",source="pushed"}'] == 1
    assert found['tilefold_watermark_age_seconds{view="spend"}'] == 43_200
    assert found["tilefold_store_duration_seconds_count"] == 3
    assert found['tilefold_writer_lag_events{source="pushed"}'] == 0


def test_once_there_is_a_key_it_is_required(ws: Workspace, server: Client) -> None:
    """A running server closes when the first key is made: all but health, on loopback too; a revoked key is refused."""
    file = KeyFile(ws.root)
    key = file.create("model", "read")
    time.sleep(REFRESH_S)
    paths = {each.path: each.methods[0] for each in endpoints()}
    without = {
        path: (server.get(path) if method == "GET" else server.post(path, json={})).status_code
        for path, method in paths.items()
    }
    assert without == {path: 200 if path in OPEN else 401 for path in paths}
    assert server.get(f"/explain.json?{QUERY}", headers={"Authorization": f"Tecton-key {key}"}).status_code == 200
    assert server.get("/metrics", headers={"Authorization": f"bearer {key}"}).status_code == 200
    assert server.post("/ingest", json={"records": {}}, headers={"Authorization": f"Bearer {key}"}).status_code == 403
    file.revoke("model")
    time.sleep(REFRESH_S)
    assert server.get("/metrics", headers={"Authorization": f"Bearer {key}"}).status_code == 401


def test_a_browser_asks_for_the_key(ws: Workspace, server: Client) -> None:
    """Pages take it as the password of any name; what changes something does not."""
    key = KeyFile(ws.root).create("ann", "admin")
    time.sleep(REFRESH_S)
    basic = "Basic " + base64.b64encode(f"ann:{key}".encode()).decode()
    page = server.get("/explain")
    assert (page.status_code, page.headers["www-authenticate"].startswith("Basic realm=")) == (401, True)
    assert "<h1>" in page.text
    assert [
        server.get(path, headers={"Authorization": basic}).status_code for path in ("/explain", "/docs", "/openapi.json")
    ] == [200] * 3
    assert server.post("/ingest", json={"records": {}}, headers={"Authorization": basic}).status_code == 401
    assert server.get("/explain", headers={"Authorization": "Basic %%%"}).status_code == 401


def test_a_broken_file_of_keys_closes_the_server(ws: Workspace, server: Client) -> None:
    """While it cannot be understood nobody is let in, and the answer does not say what is in it."""
    file = KeyFile(ws.root)
    key = file.create("model", "read")
    time.sleep(REFRESH_S)
    file.path.write_bytes(b"{")
    time.sleep(REFRESH_S)
    said = server.get("/metrics", headers={"Authorization": f"Bearer {key}"})
    assert (said.status_code, "api_keys" in said.text) == (500, False)
    assert server.get("/healthz").status_code == 200


def test_other_origins_get_no_leave(server: Client) -> None:
    """No answer allows another site's script to read it, and a preflight is refused."""
    for said in (server.get("/readyz", headers=FOREIGN), server.get(f"/explain.json?{QUERY}", headers=FOREIGN)):
        assert not [name for name in said.headers if name.lower().startswith("access-control-")]
    assert server.options(READ, headers=FOREIGN | {"Access-Control-Request-Method": "POST"}).status_code == 405


def test_the_document_is_that_of_the_workspace(server: Client) -> None:
    """Every endpoint is in it, and it names what is served; its page names every path."""
    found = server.get("/openapi.json").json()
    assert set(found["paths"]) == {each.path for each in endpoints()}
    assert found["components"]["schemas"]["ReadParams"]["properties"]["featureServiceName"]["examples"] == ["spend"]
    page = server.get("/docs").text
    assert all(f"<code>{path}</code>" in page for path in found["paths"])
    assert json.dumps(found).count("$ref") > 10
