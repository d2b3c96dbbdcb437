"""What is the same for all endpoints, without a network."""

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from tilefold import Workspace
from tilefold.server.access import NoKeys
from tilefold.server.answers import Answer
from tilefold.server.app import Shared, application
from tilefold.server.endpoints import Call, Endpoint
from tilefold.server.options import ServerOptions
from tilefold.server.outcomes import Outcome
from tilefold.server.served import Served


class Seen:
    """Keeps outcomes."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def record(self, outcome: Outcome) -> None:
        """Keep it."""
        self.outcomes.append(outcome)


async def echo(call: Call) -> Answer:
    """Answers what it is sent."""
    return Answer(200, call.body)


async def broken(call: Call) -> Answer:
    """Fails."""
    msg = f"secret {call.body!r}"
    raise RuntimeError(msg)


def ask(shop: Workspace, path: str, *messages: dict[str, Any]) -> tuple[list[dict[str, Any]], list[Outcome], Shared]:
    """What the application sends for one request, and how it went."""
    seen, sent = Seen(), list[dict[str, Any]]()
    shared = Shared(Served(shop, shop._parts, ServerOptions()), NoKeys(), seen, 10)
    made = application([Endpoint("/echo", ("POST",), "read", echo), Endpoint("/broken", ("POST",), "read", broken)], shared)
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": [], "root_path": ""}
    asyncio.run(made(scope, receive, send))
    return sent, seen.outcomes, shared


def chunk(body: bytes, *, more: bool = False) -> dict[str, Any]:
    """A piece of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_in_pieces(shop: Workspace) -> None:
    """It comes together; the outcome is reported once, with the endpoint's own path."""
    sent, outcomes, shared = ask(shop, "/echo", chunk(b"ab", more=True), chunk(b"", more=True), chunk(b"c"))
    assert [sent[0]["status"], sent[1]["body"]] == [200, b"abc"]
    assert [(each.endpoint, each.status, each.seconds > 0) for each in outcomes] == [("/echo", 200, True)]
    assert (shared.in_flight, shared.served.users) == (0, 0)


def test_a_client_that_goes(shop: Workspace) -> None:
    """Who hangs up in the middle is told nothing, and nothing is left of it."""
    sent, outcomes, shared = ask(shop, "/echo", chunk(b"ab", more=True), {"type": "http.disconnect"})
    assert (sent, outcomes, shared.in_flight, shared.served.users) == ([], [], 0, 0)


def test_an_error_of_ours(shop: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw is 500 with a number and without insides; the log has both."""
    with caplog.at_level(logging.ERROR):
        sent, outcomes, _ = ask(shop, "/broken", chunk(b"x"))
    said = msgspec.json.decode(sent[1]["body"])
    assert (sent[0]["status"], said["code"], outcomes[0].status) == (500, 13, 500)
    assert "secret" not in said["message"]
    number = said["message"].partition("error number ")[2].partition(".")[0]
    assert number in caplog.text
    assert "secret" in caplog.text


def test_a_path_that_is_not_there(shop: Workspace) -> None:
    """It is recorded without its name: what callers make up is no label."""
    sent, outcomes, _ = ask(shop, "/made/up", chunk(b""))
    assert (sent[0]["status"], [each.endpoint for each in outcomes]) == (404, [""])
