"""A workspace that is replaced while requests are answered with it."""

import threading
from pathlib import Path

import pytest

from tests.pipelines import DAY, Clock, day, declare, frame
from tests.server.servers import GET, params, served
from tests.streams import opened, record, source, view_of
from tilefold import AggregationLeadingEdge, Workspace
from tilefold.errors import NotOnlineError, UnknownNameError
from tilefold.server.options import ServerOptions
from tilefold.server.served import Served


def test_closed_after_its_last_request(shop: Workspace) -> None:
    """One that was replaced is closed once, when its last request has been answered, and not before."""
    closed = threading.Semaphore(0)
    made = Served(shop, shop._parts, ServerOptions(), closed.release)
    made.enter()
    made.enter()
    made.leave()
    made.retire()
    assert not closed.acquire(timeout=0.1)
    made.leave()
    assert closed.acquire(timeout=5)
    made.enter()
    made.leave()
    assert not closed.acquire(timeout=0.1)


def test_closed_at_once_where_nobody_uses_it(shop: Workspace) -> None:
    """One that no request uses is closed when it is replaced."""
    closed = threading.Event()
    Served(shop, shop._parts, ServerOptions(), closed.set).retire()
    assert closed.wait(5)


def test_names(shop: Workspace) -> None:
    """Views and services are read by name; another name is an error that says so."""
    made = Served(shop, shop._parts, ServerOptions())
    assert made.service_names == ["both", "clicks", "sold", "spend"]
    with pytest.raises(UnknownNameError, match="Did you mean both"):
        made.service("bot")


def test_a_view_that_is_not_online(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """It is told to whoever asks for it; others are served."""
    pushed = source()
    views = [view_of(pushed), view_of(pushed, "archive", online=False)]
    with opened(tmp_path, online_url, stream_url, *views) as ws, served(ws) as client:
        refused = client.post(GET, json=params("archive", {"user": "ann"}))
        assert (refused.status_code, refused.json()["code"]) == (400, 3)
        assert "only a view with online=True is synced and read" in refused.json()["message"]
        assert client.post(GET, json=params("spend", {"user": "ann"})).status_code == 200
        with pytest.raises(NotOnlineError):
            Served(ws, ws._parts, ServerOptions()).service("archive")


def test_the_newest_event_as_the_edge(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """A view that declares it ends at the newest event, and a request may ask for either edge."""
    pushed = source()
    view = view_of(pushed, aggregation_leading_edge=AggregationLeadingEdge.LATEST_EVENT_TIME)
    with opened(tmp_path, online_url, stream_url, view) as ws, served(ws) as client:
        ws.ingest("pushed", [record("ann", 8.0, 3)], wait_for="visible")
        found = {}
        for edge in (None, "LATEST_EVENT_TIME", "WALL_CLOCK"):
            options = {} if edge is None else {"aggregationLeadingEdge": edge}
            wanted = {"includeEffectiveTimes": True}
            said = client.post(
                GET, json=params("spend", {"user": "ann"}, requestOptions=options, metadataOptions=wanted)
            ).json()
            found[edge] = (said["result"]["features"][0], said["metadata"]["features"][0]["effectiveTime"])
        newest, now = day(8).isoformat().replace("+00:00", "Z"), ws.now().isoformat().replace("+00:00", "Z")
        assert found == {None: ("3", newest), "LATEST_EVENT_TIME": ("3", newest), "WALL_CLOCK": (None, now)}
        assert ws.now() - day(8) > DAY


def test_not_ready(tmp_path: Path, online_url: str) -> None:
    """A view with history that was never compacted: null, MISSING_DATA, and a reason why no service level holds."""
    with Workspace(tmp_path, [declare()], online=online_url, clock=Clock(day(3.5)), name=f"t-{tmp_path.name}") as ws:
        ws.append("events", frame([("ann", 1, 5)]))
        wanted = {"includeServingStatus": True, "includeSloInfo": True, "includeEffectiveTimes": True}
        with served(ws) as client:
            said = client.post(GET, json=params("spend", {"user": "ann"}, metadataOptions=wanted)).json()
            assert set(said["result"]["features"]) == {None}
            assert {each["status"] for each in said["metadata"]["features"]} == {"MISSING_DATA"}
            assert {each["effectiveTime"] for each in said["metadata"]["features"]} == {None}
            assert said["metadata"]["sloInfo"]["sloIneligibilityReasons"] == ["NOT_READY: spend"]
            ws.materialize("spend", day(3))
            said = client.post(GET, json=params("spend", {"user": "ann"}, metadataOptions=wanted)).json()
            assert said["metadata"]["sloInfo"]["sloEligible"] is True
