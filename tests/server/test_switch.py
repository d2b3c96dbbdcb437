"""A server while views change: by a switch under it, and by new definitions."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.server.servers import BATCH, GET, params, rows, served
from tests.streams import opened, record, source
from tests.versions import NAMES, WATERMARK, declare_new, declare_old, wanted
from tilefold import FeatureService, Workspace
from tilefold.declaration import FeatureView

FOLLOWED_S = 10.0


@contextmanager
def asking(client: httpx.Client, name: str, found: list[tuple[int, object]]) -> Iterator[None]:
    """Asks all the while, on connections of its own; the statuses and the values that came."""
    stop = threading.Event()

    def ask(path: str) -> None:
        body = params(name, {"user": "u"}) if path == GET else rows(name, [{"user": "u"}])
        with httpx.Client(base_url=client.base_url, timeout=30) as own:
            while not stop.is_set():
                answer = own.post(path, json=body)
                result = answer.json().get("result")
                row = result if path == GET else (result or [None])[0]
                found.append((answer.status_code, tuple(row["features"]) if row else answer.text))

    threads = [threading.Thread(target=ask, args=(path,)) for path in (GET, BATCH)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        stop.set()
        for each in threads:
            each.join(30)


def told(count: int, scale: int) -> tuple[str, ...]:
    """The values of a version after so many events, as they go over the wire."""
    return tuple(str(each) for each in wanted(count, scale))


def until_served(client: httpx.Client, name: str, values: tuple[str, ...]) -> None:
    """Return when a read gives these values."""
    end_s = time.monotonic() + FOLLOWED_S
    while (got := client.post(GET, json=params(name, {"user": "u"})).json()["result"]["features"]) != list(values):
        assert time.monotonic() < end_s, got
        time.sleep(0.05)


def service_of(view: FeatureView) -> FeatureService:
    """What both versions have, in one order."""
    return FeatureService("money", features=[view[list(NAMES)]])


def push(ws: Workspace, *numbers: int) -> None:
    """Events of one user."""
    for number in numbers:
        ws.ingest("pushed", [record("u", 9.25, number, f"e{number}")])


def test_a_switch_under_a_server(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """Each answer is one version's or the other's and none fails; a server with old definitions follows within seconds."""
    old_view, new_view = declare_old(source()), declare_new(source())
    with opened(tmp_path, online_url, stream_url, old_view, service_of(old_view)) as old:
        push(old, 1, 2, 3)
        old.materialize("spend", WATERMARK)
        found: list[tuple[int, object]] = []
        with (
            opened(tmp_path, online_url, stream_url, new_view, name=old.name) as new,
            served(old) as client,
            asking(client, "money", found),
        ):
            new.materialize("spend", WATERMARK)
            until_served(client, "money", told(3, 1000))
            push(new, 4)
            until_served(client, "money", told(4, 1000))
        assert {status for status, _ in found} == {200}
        assert {values for _, values in found} <= {told(3, 1), told(3, 1000), told(4, 1000)}
        assert (200, told(3, 1)) in found


def test_new_definitions_before_the_switch(tmp_path: Path, online_url: str, stream_url: str) -> None:
    """A server with new definitions serves the old version, and says so, until the switch, which drops no request."""
    old_view, new_view = declare_old(source()), declare_new(source())
    with opened(tmp_path, online_url, stream_url, old_view) as old:
        push(old, 1, 2, 3)
        old.materialize("spend", WATERMARK)
        found: list[tuple[int, object]] = []
        with (
            opened(tmp_path, online_url, stream_url, new_view, service_of(new_view), name=old.name) as new,
            served(new) as client,
            asking(client, "money", found),
        ):
            assert client.post(GET, json=params("money", {"user": "u"})).json()["result"]["features"] == list(told(3, 1))
            (view,) = client.get("/readyz").json()["views"]
            assert (view["served_version"], view["definitions_version"]) == (old_view.version, new_view.version)
            answer = client.post(GET, json=params("spend", {"user": "u"}, metadataOptions={"includeServingStatus": True}))
            assert answer.json()["result"]["features"] == [*told(3, 1), None]
            statuses = [each["status"] for each in answer.json()["metadata"]["features"]]
            assert statuses == ["PRESENT", "PRESENT", "PRESENT", "MISSING_DATA"]
            new.materialize("spend", WATERMARK)
            until_served(client, "money", told(3, 1000))
            until_served(client, "spend", (*told(3, 1000), "3000"))
            assert "served_version" not in client.get("/readyz").json()["views"][0]
        assert {status for status, _ in found} == {200}
        assert {values for _, values in found} == {told(3, 1), told(3, 1000)}
