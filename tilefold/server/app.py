"""The ASGI application: everything that is the same for all endpoints.

The rule: a request is admitted, authorized, read, handled, answered and recorded in this order, and whatever is raised on the
way becomes an answer. An endpoint sees none of it.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tilefold.server.access import Keys, authorize
from tilefold.server.answers import Answer
from tilefold.server.endpoints import Call, Endpoint
from tilefold.server.origins import refuse_foreign_pages
from tilefold.server.outcomes import Observer, Outcome
from tilefold.server.refusals import RETRY_AFTER_S, Kind, Refusal, refusal_of, refusal_of_status
from tilefold.server.served import Served

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


class Shared:
    """What the endpoints of one process share.

    Attributes
    ----------
    served
        The workspace that requests are answered with from here on.
    in_flight
        How many requests are being answered.
    """

    def __init__(self, served: Served, keys: Keys, observer: Observer, requests_max: int) -> None:
        self.served, self.keys, self.observer, self.requests_max = served, keys, observer, requests_max
        self.in_flight = 0

    def replace(self, served: Served) -> None:
        """Answer with another workspace from here on."""
        before, self.served = self.served, served
        before.retire()


def application(endpoints: Sequence[Endpoint], shared: Shared, lifespan: Lifespan | None = None) -> ASGIApp:
    """The application that answers on these endpoints.

    A request that names one exactly goes straight to it, which saves some of its time. Starlette answers for all others (no
    such path, another method, HEAD), and for the start and the end.
    """
    doors = {each.path: _Door(each, shared) for each in endpoints}
    exact = {(method, each.path): doors[each.path] for each in endpoints for method in each.methods}
    other = _starlette(endpoints, doors, shared, lifespan)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        door = exact.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        await (other if door is None else door)(scope, receive, send)

    return answer


def _starlette(
    endpoints: Sequence[Endpoint], doors: Mapping[str, "_Door"], shared: Shared, lifespan: Lifespan | None
) -> Starlette:
    routes = [Route(each.path, doors[each.path], methods=list(each.methods)) for each in endpoints]

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = tuple((name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items())
        refusal = refusal_of_status(error.status_code, headers, request.url.path, request.method)
        return _response(refusal.answer(), shared)

    app = Starlette(routes=routes, exception_handlers={HTTPException: refused}, lifespan=lifespan or _nothing)
    app.router.redirect_slashes = False
    return app


@asynccontextmanager
async def _nothing(app: Starlette) -> AsyncIterator[None]:
    del app
    yield


def _response(answer: Answer, shared: Shared) -> Response:
    """An answer that no endpoint gave."""
    shared.observer.record(Outcome("", status=answer.status))
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, headers, answer.content_type.decode())


class _Door:
    """One endpoint as an ASGI application."""

    def __init__(self, endpoint: Endpoint, shared: Shared) -> None:
        self._endpoint, self._shared = endpoint, shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        shared, began_s = self._shared, time.perf_counter()
        outcome, served = Outcome(self._endpoint.path), shared.served
        shared.in_flight += 1
        served.enter()
        try:
            answer = await self._answer(scope, receive, served, outcome, began_s)
            outcome.status = answer.status
            await _send(answer, send)
        except ClientDisconnect:
            return  # nobody is left to be told
        finally:
            shared.in_flight -= 1
            served.leave()
            outcome.seconds = time.perf_counter() - began_s
            if outcome.status:
                shared.observer.record(outcome)

    async def _answer(self, scope: Scope, receive: Receive, served: Served, outcome: Outcome, began_s: float) -> Answer:
        endpoint, shared = self._endpoint, self._shared
        try:
            if endpoint.role is not None and not shared.keys.required:
                refuse_foreign_pages(scope["headers"])
            if shared.in_flight > shared.requests_max and endpoint.role is not None:  # a busy server is healthy all the same
                _refuse_load(shared.requests_max)
            authorize(scope["headers"], endpoint.role, shared.keys, page=endpoint.page)
            body = await _body(receive, endpoint.body_bytes_max)
            return await endpoint.handle(Call(scope, body, served, outcome, began_s))
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the sender is answered and the log told
            return endpoint.refused(refusal_of(error))


def _refuse_load(requests_max: int) -> None:
    after = (b"retry-after", b"%d" % RETRY_AFTER_S)
    message = f"the server: it works on at most {requests_max} requests at a time. Try again in {RETRY_AFTER_S} s."
    raise Refusal(Kind.EXHAUSTED, message, (after,))


async def _body(receive: Receive, bytes_max: int) -> bytes:
    """The whole body; refused as soon as it is larger than it may be. One that stalls is given up by `running`."""
    message = await receive()
    chunks = [_chunk(message)]
    size = len(chunks[0])
    while message.get("more_body") and size <= bytes_max:
        message = await receive()
        chunks.append(_chunk(message))
        size += len(chunks[-1])
    if size > bytes_max:
        mend = "Send it in several requests."
        raise Refusal(Kind.INVALID, f"body: it must have at most {bytes_max} bytes; got more. {mend}")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    chunk: bytes = message.get("body", b"")
    return chunk


async def _send(answer: Answer, send: Send) -> None:
    headers = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body)), *answer.headers]
    start: MutableMapping[str, Any] = {"type": "http.response.start", "status": answer.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})
