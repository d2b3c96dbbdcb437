"""A client that asks an HTTP server as fast as it answers, or at a given rate, over so many connections; a process of its own.

python -m benchmarks.http_load http://127.0.0.1:8080/path --bodies bodies.json --connections 8 --seconds 5 [--rate 1000]

It prints one line of JSON: requests, seconds, and latencies in microseconds. It speaks as much HTTP/1.1 as it needs (keep-alive
and Content-Length), so that it is never what is measured.
"""

import argparse
import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from benchmarks.turns import quantile

SLACK_S = 30.0
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Load:
    """What a run has seen."""

    requests: int
    seconds: float
    p50_us: float
    p90_us: float
    p99_us: float

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def load(url: str, bodies: Path, seconds: float, *, connections: int = 8, rate: float | None = None) -> Load:
    """Run the client in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.http_load", url, "--bodies", str(bodies), "--seconds", str(seconds)]
    command += ["--connections", str(connections), *(["--rate", str(rate)] if rate else [])]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + SLACK_S).stdout
    return Load(**json.loads(said))


class _Connection(asyncio.Protocol):
    """Sends a request, and the next one when its answer is there."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self._buffer = b""
        self._began = 0.0
        self.answered: asyncio.Future[None] | None = None
        self.latencies: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def ask(self, began: float | None = None) -> None:
        """Send the next request; it counts as sent at `began`."""
        self._began = time.perf_counter() if began is None else began
        self._transport.write(next(self._requests))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(self._buffer[:2000].decode())
        at = self._buffer.lower().index(b"content-length:") + 15
        size = int(self._buffer[at : self._buffer.index(b"\r", at)])
        if len(self._buffer) < head + 4 + size:
            return
        self._buffer = b""
        self.latencies.append(time.perf_counter() - self._began)
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(ConnectionError(f"the server closed the connection: {error}"))


async def _run(url: str, bodies: list[str], seconds: float, connections: int, rate: float | None) -> dict[str, float]:
    place, loop = urlsplit(url), asyncio.get_running_loop()
    made = itertools.cycle([_request(place.path, place.netloc, body.encode()) for body in bodies])
    links = [
        (await loop.create_connection(lambda: _Connection(made), place.hostname, place.port))[1] for _ in range(connections)
    ]
    began = time.perf_counter()
    pause = None if rate is None else connections / rate
    await asyncio.gather(*(_drive(link, began + seconds, pause, number / len(links)) for number, link in enumerate(links)))
    took = time.perf_counter() - began
    latencies = [latency for link in links for latency in link.latencies]
    return {"requests": len(latencies), "seconds": took} | {
        f"{name}_us": quantile(latencies, share) * 1e6 for name, share in PERCENTILES.items()
    }


async def _drive(link: _Connection, until: float, pause: float | None, shift: float) -> None:
    """Ask until the time is over; with a pause at fixed times, and latencies count from those (a late one is late)."""
    due = time.perf_counter() + (pause or 0.0) * shift
    while (now := time.perf_counter()) < until:
        link.answered = asyncio.get_running_loop().create_future()
        if pause is None:
            link.ask()
        else:
            if due > now:
                await asyncio.sleep(due - now)
            link.ask(max(due, time.perf_counter() - 1.0))
            due += pause
        await link.answered


def _request(path: str, host: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--bodies", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=float)
    asked = parser.parse_args()
    bodies = json.loads(asked.bodies.read_text())
    print(json.dumps(uvloop.run(_run(asked.url, bodies, asked.seconds, asked.connections, asked.rate))))


if __name__ == "__main__":
    main()
