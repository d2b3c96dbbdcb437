"""Events pushed over HTTP."""

from pathlib import Path
from typing import Any

import pytest

from tests.server.servers import GET, params, served
from tests.streams import logged, opened, record, source, view_of
from tilefold import Workspace
from tilefold.engine.time import to_datetime


def pushed(*records: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The body of a request: events as JSON has them."""
    made = [{"record": {**each, "at": each["at"].isoformat()}} for each in records]
    return {"records": {"pushed": made}, **more}


@pytest.fixture
def fresh(tmp_path: Path, online_url: str, stream_url: str) -> Workspace:
    """A workspace with a stream of its own."""
    return opened(tmp_path, online_url, stream_url, view_of(source()))


def test_visible_at_once(fresh: Workspace) -> None:
    """With `wait_for: visible` the next read sees the events; the answer counts them, and they reach the event log."""
    with fresh, served(fresh) as client:
        answer = client.post("/ingest", json=pushed(record("ann", 9.1, 3, "a"), record("ann", 9.2, 4, "b"), wait_for="visible"))
        assert answer.status_code == 200
        assert answer.json()["counts"] == {"pushed": {"accepted": 2, "duplicate": 0, "refused": 0, "late": 0}}
        read = client.post(GET, json=params("spend", {"user": "ann"})).json()
        assert read["result"]["features"][0] == "7"
        fresh.drain("pushed")
        assert logged(fresh) == ["a", "b"]


def test_sent_again(fresh: Workspace) -> None:
    """An event id makes retries safe, whether it stands beside the record or in it."""
    with fresh, served(fresh) as client:
        beside = pushed(record("ann", 9.1, 3))
        beside["records"]["pushed"][0]["event_id"] = "a"
        for body in (beside, pushed(record("ann", 9.1, 3, "a"))):
            answer = client.post("/ingest", json=body | {"wait_for": "visible"}).json()
        assert answer["counts"]["pushed"] == {"accepted": 0, "duplicate": 1, "refused": 0, "late": 0}
        assert client.post(GET, json=params("spend", {"user": "ann"})).json()["result"]["features"][:2] == ["3", "1"]


def test_some_refused(fresh: Workspace) -> None:
    """Accepted events are accepted though others are not; each refused one has its place and its reason."""
    with fresh, served(fresh) as client:
        body = pushed(record("ann", 9.1, 3), record("bob", 9.1, "many"), record(None, 9.2, 1))
        body["records"]["pushed"].append({"record": {"user": "eve", "at": "yesterday", "units": 1}})
        answer = client.post("/ingest", json=body)
        assert answer.status_code == 200
        said = answer.json()
        assert said["counts"]["pushed"] == {"accepted": 1, "duplicate": 0, "refused": 3, "late": 0}
        assert [(each["pushSourceName"], each["index"], each["errorType"]) for each in said["recordErrors"]] == [
            ("pushed", number, "INVALID_RECORD") for number in (1, 2, 3)
        ]
        assert "column 'units' must be of type Int64; got 'many'" in said["recordErrors"][0]["errorMessage"]
        assert "column 'user' is a join key and must not be null" in said["recordErrors"][1]["errorMessage"]
        assert "column 'at' must be of type Datetime" in said["recordErrors"][2]["errorMessage"]


def test_all_refused(fresh: Workspace) -> None:
    """Where nothing was accepted the status says so, in the contract's words of both kinds."""
    with fresh, served(fresh) as client:
        answer = client.post("/ingest", json=pushed(record("ann", 9.1, "many")))
        said = answer.json()
        assert (answer.status_code, said["code"]) == (400, 3)
        assert said["requestError"] == {"errorMessage": said["message"]}
        assert len(said["recordErrors"]) == 1


def test_dry_run(fresh: Workspace) -> None:
    """It says what would become of the events, and none is kept."""
    with fresh, served(fresh) as client:
        answer = client.post("/ingest", json=pushed(record("ann", 9.1, 3), record("ann", 9.1, "x"), dry_run=True)).json()
        assert (answer["dryRun"], answer["counts"]["pushed"]["accepted"], len(answer["recordErrors"])) == (True, 1, 1)
        assert client.post(GET, json=params("spend", {"user": "ann"})).json()["result"]["features"][:2] == [None, "0"]
        fresh.drain("pushed")
        assert logged(fresh) == []


def test_zones(fresh: Workspace) -> None:
    """A time keeps its instant whatever its zone; one without a zone is refused."""
    with fresh, served(fresh) as client:
        records = [
            {"record": {"user": "ann", "at": at, "units": 1}} for at in ("2024-01-10T06:00:00+02:00", "2024-01-10T04:00:00")
        ]
        answer = client.post("/ingest", json={"records": {"pushed": records}}).json()
        assert "timestamps must carry a time zone" in answer["recordErrors"][0]["errorMessage"]
        fresh.drain("pushed")
        rows = fresh.event_log("pushed").snapshot().scan(columns=["at"]).collect()
        assert rows["at"].to_list() == [to_datetime(1_704_859_200_000_000)]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"records": {"pulled": []}}, 404, "got 'pulled'. Did you mean pushed?"),
        ({"records": []}, 400, "records: it must be of type object; got array."),
        ({"records": {"pushed": [{"user": "ann"}]}}, 400, "records[...][0].record: it is required; got none."),
        ({"records": {"pushed": []}, "wait_for": "noon"}, 400, "wait_for must be one of what can be waited for; got 'noon'"),
        ({"records": {"pushed": []}, "workspace_name": "staging"}, 404, "got 'staging'"),
    ],
)
def test_wrong_requests(fresh: Workspace, body: dict[str, Any], status: int, message: str) -> None:
    """A request that is wrong as a whole accepts nothing, and says why under `requestError` too."""
    with fresh, served(fresh) as client:
        answer = client.post("/ingest", json=body)
        assert answer.status_code == status, answer.text
        assert message in answer.json()["requestError"]["errorMessage"]
