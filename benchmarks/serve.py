"""The feature server against a bare ASGI handler on the same HTTP server: `hgetall` of the same keys, as many bytes back.

python -m benchmarks.serve [--rounds 5] [--seconds 4] [--million]

Requests per second with 8 connections and 1 worker, of 1 entity and of 100 in one request, of 20 features each; latencies at
half the highest rate; with `--million`, the server's memory over a million requests.
"""

import argparse
import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.http_load import Load, load
from benchmarks.spending import SEED, events_of_day, spending_view
from benchmarks.turns import machine
from tilefold import Workspace

KEYS = 100
DAYS = 90
VIEW = spending_view("merged", (1, 7, 30, 90))
READ, BATCH = "/api/v1/feature-service/get-features", "/api/v1/feature-service/get-features-batch"
MILLION = 1_000_000


def fill(root: str) -> None:
    """Three months of events of 100 users, up to today's watermark."""
    drawn = np.random.default_rng(SEED)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with Workspace(root, [VIEW]) as ws:
        for back in range(DAYS, 0, -1):
            ws.append("spending", events_of_day(today - timedelta(days=back), np.arange(KEYS), drawn))
        ws.materialize("merged", today)


def asked_of_one(user: int) -> str:
    """A request for one entity."""
    return json.dumps({"params": {"featureServiceName": "merged", "joinKeyMap": {"user_id": f"u{user}"}}})


def asked_of_all() -> str:
    """A request for all entities."""
    rows = [{"joinKeyMap": {"user_id": f"u{user}"}} for user in range(KEYS)]
    return json.dumps({"params": {"featureServiceName": "merged", "requestData": rows}})


@contextlib.contextmanager
def started(command: Sequence[str], port: int, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A server as a process of its own, once its port answers."""
    with subprocess.Popen(command, env={**os.environ, **(env or {})}, start_new_session=True) as process:
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert process.poll() is None, f"{command} ended"
                    time.sleep(0.1)
            yield process
        finally:
            process.terminate()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def compare(
    what: str,
    ours: str,
    yardstick: str,
    bodies: Path,
    rounds: int,
    seconds: float,
    target: str,
    yard_bodies: Path | None = None,
) -> float:
    """Load both in turns; print requests per second and the ratio. Returns our highest rate."""
    pairs: list[tuple[Load, Load]] = []
    for number in range(rounds):
        if number % 2:
            yard = load(yardstick, yard_bodies or bodies, seconds)
            pairs.append((load(ours, bodies, seconds), yard))
        else:
            mine = load(ours, bodies, seconds)
            pairs.append((mine, load(yardstick, yard_bodies or bodies, seconds)))
    ratios = [mine.per_second / yard.per_second for mine, yard in pairs]
    rate, bare = (statistics.median(each.per_second for each in column) for column in zip(*pairs, strict=True))
    figures = f"ours {rate:.0f}/s, yardstick {bare:.0f}/s, ratio {statistics.median(ratios):.2f}"
    print(f"{what}: {figures} ({min(ratios):.2f}-{max(ratios):.2f}); target {target}", flush=True)
    return rate


def latencies(urls: dict[str, str], bodies: Path, rate: float, rounds: int, seconds: float) -> None:
    """At half of our highest rate, in turns: the yardstick's tell how quiet the machine is."""
    runs = [{who: load(url, bodies, seconds, rate=rate / 2) for who, url in urls.items()} for _ in range(rounds)]
    for who in urls:
        p50, p99 = (statistics.median(getattr(run[who], name) for run in runs) for name in ("p50_us", "p99_us"))
        ratio = statistics.median(run[who].p99_us / run[who].p50_us for run in runs)
        target = "; target <= 5" if who == "ours" else ""
        print(f"latency at {rate / 2:.0f}/s, {who}: p50 {p50:.0f} us, p99 {p99:.0f} us, ratio {ratio:.1f}{target}", flush=True)


def resident_kib(pid: int) -> int:
    """The memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found, "Linux tells it"
    return int(found[1])


def memory(url: str, bodies: Path, pid: int) -> None:
    """Over a million requests: after each tenth of them."""
    seen, done = list[int](), 0
    while done < MILLION:
        goal = done + MILLION // 10
        while done < goal:
            done += load(url, bodies, 10).requests
        seen.append(resident_kib(pid))
        print(f"memory after {done} requests: {seen[-1] / 1024:.1f} MiB", flush=True)
    growth = (seen[-1] - seen[1]) / 1024
    print(f"memory from the second tenth to the last: {growth:+.1f} MiB; target flat", flush=True)


def worker_of(pid: int) -> int:
    """The worker process of a server."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    return next(child for child, line in lines.items() if b"--listening" in line)


def answer_bytes(url: str, body: str) -> int:
    """How long an answer is."""
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})  # noqa: S310 - our own
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - likewise
        return len(answer.read())


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--million", action="store_true")
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        fill(str(root / "data"))
        one, many, plan = root / "one.json", root / "many.json", root / "plan.json"
        one.write_text(json.dumps([asked_of_one(user) for user in range(KEYS)]))
        many.write_text(json.dumps([asked_of_all()]))
        port, bare_port = free_port(), free_port()
        ours, bare = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{bare_port}"
        env = {"TILEFOLD_ROOT": str(root / "data"), "TILEFOLD_DEFINITIONS": "benchmarks.serve"}
        command = [sys.executable, "-m", "tilefold", "serve", "--port", str(port)]
        server = stack.enter_context(started(command, port, env))
        sizes = {"/one": answer_bytes(ours + READ, asked_of_one(0)), "/many": answer_bytes(ours + BATCH, asked_of_all())}
        with Workspace(root / "data", [VIEW]) as ws:
            keys = [ws.online_key("merged", {"user_id": f"u{user}"}).decode("latin-1") for user in range(KEYS)]
            told = ws.online_client().connection_pool.connection_kwargs
        store = {name: told[name] for name in ("host", "port", "username", "password", "db") if told.get(name)}
        plan.write_text(json.dumps({"store": store, "keys": keys, "bytes": sizes}))
        yardstick = [sys.executable, "-m", "benchmarks.serve_bare", str(plan), "--port", str(bare_port)]
        stack.enter_context(started(yardstick, bare_port))
        print(f"{machine()}; answers of {sizes['/one']} and {sizes['/many']} bytes")
        rate = compare("1 entity, 20 features", ours + READ, bare + "/one", one, asked.rounds, asked.seconds, ">= 0.6")
        compare("100 entities in a request", ours + BATCH, bare + "/many", many, asked.rounds, asked.seconds, ">= 0.5")
        latencies({"ours": ours + READ, "yardstick": bare + "/one"}, one, rate, asked.rounds, asked.seconds)
        if asked.million:
            memory(ours + READ, one, worker_of(server.pid))


if __name__ == "__main__":
    main()
