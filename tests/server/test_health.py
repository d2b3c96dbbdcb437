"""`/healthz` and `/readyz`."""

from pathlib import Path

import httpx
import pytest

from tests.pipelines import Clock, day, declare, frame
from tests.server.servers import served
from tilefold import Workspace


def test_alive(client: httpx.Client) -> None:
    """The process answers, to HEAD too."""
    assert client.get("/healthz").json() == {"status": "alive"}
    assert (client.head("/healthz").status_code, client.head("/healthz").content) == (200, b"")


@pytest.fixture
def clock() -> Clock:
    """A clock to be moved."""
    return Clock(day(3.5))


def test_ready_while_fresh(tmp_path: Path, online_url: str, clock: Clock) -> None:
    """Ready is what is compacted within what its reads promise: not before the first time, and not long after the last."""
    with (
        Workspace(tmp_path, [declare()], online=online_url, clock=clock, name=f"t-{tmp_path.name}") as ws,
        served(ws) as client,
    ):
        ws.append("events", frame([("ann", 1, 5)]))
        never = client.get("/readyz")
        assert (never.status_code, never.json()["views"][0]["watermark"]) == (503, None)
        ws.materialize("spend", day(3))
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        assert ready.json()["views"] == [
            {"name": "spend", "watermark": "2024-01-04T00:00:00+00:00", "age_s": 43200.0, "fresh": True}
        ]
        clock.now = day(5.01)
        late = client.get("/readyz")
        assert (late.status_code, late.json()["status"]) == (503, "not ready")
        assert "these are not: spend" in late.json()["message"]
