"""Our own handler of get-features under several frameworks and HTTP servers, turn by turn; ADR 0015 has figures.

.uv/bin/uv run --frozen --with litestar --with fastapi --with granian python -m benchmarks.serve_stacks [--rounds 5]

Each stack answers the same requests with the same code below the framework. CPU is what its processes took per request.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.http_load import load
from benchmarks.serve import KEYS, READ, VIEW, asked_of_one, fill, free_port, started
from benchmarks.turns import machine
from tilefold import Workspace
from tilefold.server.access import NoKeys
from tilefold.server.app import Shared, application
from tilefold.server.endpoints import Call
from tilefold.server.get_features import get_features
from tilefold.server.http import bound, http_config
from tilefold.server.options import ServerOptions
from tilefold.server.outcomes import NoObserver, Outcome
from tilefold.server.routes import endpoints
from tilefold.server.served import Served

ROOT = "TILEFOLD_BENCHMARK_ROOT"


class Core:
    """What is below every framework."""

    @contextlib.asynccontextmanager
    async def opened(self, app: Any = None) -> AsyncIterator[None]:
        """Open the workspace for the event loop that runs now."""
        del app
        with Workspace(os.environ[ROOT], [VIEW]) as workspace:
            self.served = Served(workspace, workspace._parts, ServerOptions())  # noqa: SLF001 - a benchmark looks inside
            self.served.open()
            yield
            self.served.reads.close()

    async def answer(self, body: bytes) -> bytes:
        """The answer to one request."""
        return (await get_features(Call({}, body, self.served, Outcome(READ), time.perf_counter()))).body


core = Core()


async def bare(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """No framework: one path, no checks."""
    if scope["type"] == "lifespan":
        await receive()
        async with core.opened():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = await core.answer((await receive())["body"])
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def ours() -> Any:
    """Starlette's routes before endpoints that are ASGI applications: what `tilefold serve` runs, with all its checks."""
    shared = Shared(None, NoKeys(), NoObserver(), 1024)  # type: ignore[arg-type] # set when it is open

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with core.opened(app):
            shared.served = core.served
            yield

    return application(endpoints(), shared, lifespan)


def starlette() -> Any:
    """Starlette as its documentation shows it."""
    from starlette.applications import Starlette  # noqa: PLC0415 - one stack's own
    from starlette.requests import Request  # noqa: PLC0415 - one stack's own
    from starlette.responses import Response  # noqa: PLC0415 - one stack's own
    from starlette.routing import Route  # noqa: PLC0415 - one stack's own

    async def read(request: Request) -> Response:
        return Response(await core.answer(await request.body()), media_type="application/json")

    return Starlette(routes=[Route(READ, read, methods=["POST"])], lifespan=core.opened)


def fastapi() -> Any:
    """FastAPI, without its models: msgspec reads the body."""
    from fastapi import FastAPI, Request, Response  # noqa: PLC0415 - one stack's own

    app = FastAPI(lifespan=core.opened)

    @app.post(READ)
    async def read(request: Request) -> Response:
        return Response(await core.answer(await request.body()), media_type="application/json")

    return app


def litestar() -> Any:
    """Litestar, likewise."""
    from litestar import Litestar, Request, Response, post  # noqa: PLC0415 - one stack's own

    @post(READ, status_code=200)
    async def read(request: Request[Any, Any, Any]) -> Response[bytes]:
        return Response(await core.answer(await request.body()), media_type="application/json")

    return Litestar([read], lifespan=[core.opened], openapi_config=None)


APPS: dict[str, Callable[[], Any]] = {
    "bare": lambda: bare,
    "ours": ours,
    "starlette": starlette,
    "fastapi": fastapi,
    "litestar": litestar,
}
STACKS = [(app, "uvicorn") for app in APPS] + [("bare", "granian"), ("ours", "granian")]


def app() -> Any:
    """The application that the environment names: for granian, which imports it."""
    return APPS[os.environ["TILEFOLD_BENCHMARK_APP"]]()


def cpu_s(pid: int) -> float:
    """What a process and its children have taken."""
    ticks = sum(int(each) for each in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return ticks / os.sysconf("SC_CLK_TCK") + sum(cpu_s(int(child)) for child in children)


@contextlib.contextmanager
def stack(name: str, server: str, root: str) -> Iterator[tuple[str, int]]:
    """A started stack: its URL and process."""
    port = free_port()
    if server == "granian":
        command = [sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--loop", "uvloop", "--no-ws"]
        command += ["--workers", "1", "--port", str(port), "--log-level", "warning", "benchmarks.serve_stacks:app"]
    else:
        command = [sys.executable, "-m", "benchmarks.serve_stacks", "--app", name, "--port", str(port)]
    with started(command, port, {ROOT: root, "TILEFOLD_BENCHMARK_APP": name}) as process:
        yield f"http://127.0.0.1:{port}{READ}", process.pid


def compare(root: str, bodies: Path, rounds: int, seconds: float) -> None:
    """All stacks in turns; one keeps the store open for all."""
    rates: dict[tuple[str, str], list[tuple[float, float]]] = {each: [] for each in STACKS}
    with Workspace(root, [VIEW]), contextlib.ExitStack() as running:
        servers = {each: running.enter_context(stack(*each, root)) for each in STACKS}
        for url, _ in servers.values():
            load(url, bodies, 0.5)
        for _ in range(rounds):
            for each, (url, pid) in servers.items():
                before = cpu_s(pid)
                run = load(url, bodies, seconds)
                rates[each].append((run.per_second, (cpu_s(pid) - before) / run.requests * 1e6))
    for (name, server), seen in rates.items():
        rate, cpu_us = (statistics.median(column) for column in zip(*seen, strict=True))
        print(f"{name:10s} on {server:8s}: {rate:6.0f}/s, CPU {cpu_us:5.0f} us a request", flush=True)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--app")
    parser.add_argument("--port", type=int)
    asked = parser.parse_args()
    if asked.app:
        import uvicorn  # noqa: PLC0415 - one stack's own

        config = http_config(APPS[asked.app](), ServerOptions())
        uvicorn.Server(config).run(sockets=[bound("127.0.0.1", asked.port)])
        return
    print(machine())
    with tempfile.TemporaryDirectory() as root:
        fill(f"{root}/data")
        bodies = Path(root) / "one.json"
        bodies.write_text(json.dumps([asked_of_one(user) for user in range(KEYS)]))
        compare(f"{root}/data", bodies, asked.rounds, asked.seconds)


if __name__ == "__main__":
    main()
