"""From accepted to visible: events are offered at a rate, and a reader looks until it sees each.

python -m benchmarks.visible [--rate 1000] [--seconds 20]

The writer runs in a process of its own, as `tilefold write-stream` does. An event is accepted when `ingest` has returned, and
visible when a read counts it; one event in twenty is watched, by a key of its own.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

from benchmarks.streaming import SOURCE, VIEW, streaming_view
from benchmarks.turns import machine, quantile
from tilefold import Workspace

WATCHED = 20
PER_CALL = 5
WRITER = [sys.executable, "-c", "from tilefold.cli import main; main()", "write-stream"]
WRITER += ["--definitions", "benchmarks.streaming_features"]


def watch(ws: Workspace, accepted: SimpleQueue[tuple[str, float] | None], waits_s: list[float]) -> None:
    """Read each watched key until its event is counted."""
    while (each := accepted.get()) is not None:
        user, since_s = each
        while not ws.get_features(VIEW, {"user_id": user}).values[f"{VIEW}.amount_count_1h"]:
            time.sleep(0.0005)
        waits_s.append(time.perf_counter() - since_s)


def offer(ws: Workspace, rate: int, seconds: int, accepted: SimpleQueue[tuple[str, float] | None]) -> float:
    """Ingest at this rate; returns the rate that was reached."""
    began = time.perf_counter()
    for number in range(0, rate * seconds, PER_CALL):
        time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        event = {"timestamp": datetime.now(UTC), "amount": 1.0}
        users = [f"w{number}" if (number + n) % WATCHED == 0 else f"u{(number + n) % 997}" for n in range(PER_CALL)]
        ws.ingest(SOURCE, [{**event, "user_id": user, "event_id": f"{number}-{n}"} for n, user in enumerate(users)])
        if users[0].startswith("w"):
            accepted.put((users[0], time.perf_counter()))
    accepted.put(None)
    return rate * seconds / (time.perf_counter() - began)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=20)
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory())
        ws = stack.enter_context(Workspace(root=root, definitions=[streaming_view()]))
        ws.stream_desk(SOURCE).register()
        writer = subprocess.Popen([*WRITER, "--root", root], cwd=Path(__file__).parents[1], env=dict(os.environ))
        stack.callback(writer.wait)
        stack.callback(writer.terminate)
        while not ws.online_store.streams.owners(SOURCE, range(ws.stream_log(SOURCE).shards)):
            time.sleep(0.1)
        accepted: SimpleQueue[tuple[str, float] | None] = SimpleQueue()
        waits_s: list[float] = []
        reader = threading.Thread(target=watch, args=(ws, accepted, waits_s))
        reader.start()
        reached = offer(ws, asked.rate, asked.seconds, accepted)
        reader.join()
        print(machine())
        p50, p99 = (quantile(waits_s, share) * 1e3 for share in (0.5, 0.99))
        print(
            f"accepted to visible at {reached:.0f} events/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms over {len(waits_s)} events; "
            "target p50 < 10, p99 < 50"
        )


if __name__ == "__main__":
    main()
