"""Requests that are wrong: the status of the contract, and a message with the field, what was sent and what is accepted."""

import socket
from typing import Any

import httpx
import pytest

from tests.server.servers import BATCH, GET, METADATA, params, rows

ANN = {"user": "ann"}
WRONG: dict[str, tuple[str, Any, int, int, str]] = {
    "unknown service": (GET, params("spent", ANN), 404, 5, "got 'spent'. Did you mean spend?"),
    "unknown service of metadata": (METADATA, {"params": {"featureServiceName": "spent"}}, 404, 5, "got 'spent'"),
    "missing key": (GET, params("spend", {}), 400, 3, "got []. Give exactly these keys: user."),
    "missing key of one view": (GET, params("both", ANN), 400, 3, "view 'sold': join keys must be those of its entities"),
    "extra key": (GET, params("spend", ANN | {"shop": 1}), 400, 3, "Give exactly these keys: user."),
    "extra key of several": (
        GET,
        params("both", ANN | {"shop": 1, "k": 2}),
        400,
        3,
        "got ['k']. Give exactly these keys: shop, user.",
    ),
    "number for text": (GET, params("spend", {"user": 5}), 400, 3, "join key 'user' must be a string; got 5"),
    "null key": (GET, params("spend", {"user": None}), 400, 3, "join key 'user' must be a string; got None"),
    "words for a number": (GET, params("sold", {"shop": "five"}), 400, 3, "join key 'shop' must be an integer; got 'five'"),
    "float for an integer": (GET, params("sold", {"shop": 5.0}), 400, 3, "join key 'shop' must be an integer; got 5.0"),
    "half a surrogate pair": (
        GET,
        b'{"params":{"featureServiceName":"spend","joinKeyMap":{"user":"\\ud800"}}}',
        400,
        3,
        "body: ",
    ),
    "no body": (GET, b"", 400, 3, "body: it must be a JSON object in UTF-8; got nothing."),
    "bad JSON": (GET, b'{"params": ', 400, 3, "body: it must be a JSON object in UTF-8; got Input data was truncated."),
    "not an object": (GET, b"[]", 400, 3, "body: it must be of type object; got array."),
    "invalid UTF-8": (
        GET,
        b'{"params":{"featureServiceName":"sp\xff"}}',
        400,
        3,
        "body: it must be a JSON object in UTF-8; got ",
    ),
    "deep nesting": (GET, b'{"params":{"featureServiceName":"spend","joinKeyMap":{"user":' + b"[" * 100_000, 400, 3, "body: "),
    "no params": (GET, {}, 400, 3, "params: it is required; got none."),
    "no service": (GET, {"params": {}}, 400, 3, "params.featureServiceName: it is required; got none."),
    "service of another type": (
        GET,
        {"params": {"featureServiceName": 5}},
        400,
        3,
        "params.featureServiceName: it must be of type str; got int.",
    ),
    "keys of another type": (
        GET,
        params("spend") | {"params": {"featureServiceName": "spend", "joinKeyMap": [1]}},
        400,
        3,
        "params.joinKeyMap: it must be of type object or null; got array.",
    ),
    "option of another type": (
        GET,
        params("spend", ANN, metadataOptions={"includeNames": "yes"}),
        400,
        3,
        "params.metadataOptions.includeNames: it must be of type bool or null; got str.",
    ),
    "budget out of range": (
        GET,
        params("spend", ANN, requestOptions={"latencyBudgetMs": 0}),
        400,
        3,
        "params.requestOptions.latencyBudgetMs: it must be from 1 to 600000; got 0.",
    ),
    "time without a zone": (
        GET,
        params("spend", ANN, requestOptions={"highWatermarkOverride": "2024-01-04T00:00:00"}),
        400,
        3,
        "params.requestOptions.highWatermarkOverride: it must be an ISO 8601 time with a zone",
    ),
    "time before the watermark": (
        GET,
        params("spend", ANN, requestOptions={"highWatermarkOverride": "2024-01-02T00:00:00Z"}),
        400,
        3,
        "a read must lie at or after its watermark",
    ),
    "unknown edge": (
        GET,
        params("spend", ANN, requestOptions={"aggregationLeadingEdge": "noon"}),
        400,
        3,
        "params.requestOptions.aggregationLeadingEdge: it must be WALL_CLOCK or LATEST_EVENT_TIME; got 'noon'.",
    ),
    "edge that is not declared": (
        GET,
        params("spend", ANN, requestOptions={"aggregationLeadingEdge": "LATEST_EVENT_TIME"}),
        400,
        3,
        "params.requestOptions.aggregationLeadingEdge: only a service whose views all declare it",
    ),
    "values of the request": (
        GET,
        params("spend", ANN, requestContextMap={"amount": 5}),
        400,
        3,
        "params.requestContextMap: no feature of the service takes values of the request; got amount.",
    ),
    "another workspace": (
        GET,
        params("spend", ANN, workspaceName="staging"),
        404,
        5,
        "params.workspaceName: it must be the name of the served one; got 'staging'. Ask 'prod'.",
    ),
    "rows of another type": (
        BATCH,
        {"params": {"featureServiceName": "spend", "requestData": [1]}},
        400,
        3,
        "params.requestData[0]: it must be of type object; got int.",
    ),
    "wrong key in a row": (BATCH, rows("spend", [ANN, {"user": 5}]), 400, 3, "join key 'user' must be a string; got 5"),
    "too many rows": (
        BATCH,
        rows("spend", [ANN] * 10_001),
        400,
        3,
        "params.requestData: it must have at most 10000 rows; got 10001.",
    ),
    "too large": (GET, b" " * ((4 << 20) + 1), 400, 3, "body: it must have at most 4194304 bytes; got more."),
    "unknown path": (
        "/api/v1/feature-service/get",
        {},
        404,
        5,
        "path: it must be one of the server's; got '/api/v1/feature-service/get'.",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong(client: httpx.Client, case: str) -> None:
    """It is refused in JSON, with the contract's status and code."""
    path, body, status, code, message = WRONG[case]
    answer = client.post(path, content=body) if isinstance(body, bytes) else client.post(path, json=body)
    said = answer.json()
    assert (answer.status_code, said["code"]) == (status, code), said
    assert message in said["message"]
    assert isinstance(said["error"], str)


def test_a_large_body_without_a_length(client: httpx.Client) -> None:
    """One that comes in chunks is refused as soon as it is too large."""
    answer = client.post(GET, content=(b" " * (1 << 20) for _ in range(6)))
    assert (answer.status_code, answer.json()["code"]) == (400, 3)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_wrong_method(client: httpx.Client, method: str) -> None:
    """It is told which one is right; there is no CORS."""
    answer = client.request(method, GET)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["message"] == f"method: {GET} takes POST; got '{method}'."
    assert "access-control-allow-origin" not in answer.headers


def test_no_http(client: httpx.Client) -> None:
    """What is no HTTP at all is refused in JSON too, and the software is not named."""
    with socket.create_connection((client.base_url.host, client.base_url.port)) as link:
        link.sendall(b"HELLO\r\n\r\n")
        said = link.recv(4096)
    assert said.startswith(b"HTTP/1.1 400")
    assert b'"message":' in said
    assert b"uvicorn" not in said.lower()


def test_the_connection_goes_on(client: httpx.Client) -> None:
    """After a refusal the same connection answers the next request."""
    assert client.post(GET, content=b"{").status_code == 400
    assert client.post(GET, json=params("spend", ANN)).status_code == 200
