"""The yardstick of `serve`: a bare ASGI handler that does `hgetall` of the keys that are asked for, and returns as many bytes.

It is told its keys and sizes in a file, parses nothing, and runs on the same HTTP server with the same settings as ours.

python -m benchmarks.serve_bare plan.json --port 8090
"""

import argparse
import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import redis.asyncio

from tilefold.server.http import bound, http_config
from tilefold.server.options import ServerOptions

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Bare:
    """`/one` reads one key, `/many` all of them in one pipeline."""

    def __init__(self, plan: dict[str, Any]) -> None:
        keys = [key.encode("latin-1") for key in plan["keys"]]
        self._keys, self._turn = keys, itertools.cycle(keys)
        self._bodies = {path: b" " * plan["bytes"][path] for path in ("/one", "/many")}
        self._client = redis.asyncio.Redis(**plan["store"])

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
        """Answer."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        while (await receive()).get("more_body"):
            pass
        if scope["path"] == "/one":
            await self._client.hgetall(next(self._turn))
        else:
            pipeline = self._client.pipeline(transaction=False)
            for key in self._keys:
                pipeline.hgetall(key)
            await pipeline.execute()
        body = self._bodies[scope["path"]]
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    import uvicorn  # noqa: PLC0415 - a yardstick's own

    config = http_config(Bare(json.loads(asked.plan.read_text())), ServerOptions())
    uvicorn.Server(config).run(sockets=[bound("127.0.0.1", asked.port)])


if __name__ == "__main__":
    asyncio.set_event_loop(None)
    main()
