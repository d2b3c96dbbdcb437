"""Reads while a full sync of many keys runs, beside the same reads while nothing runs.

python -m benchmarks.read_beside_sync [--keys 1000000]

The sync runs in a process of its own that gives way, as a Dagster run and `tilefold materialize` do.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np

from benchmarks.spending import SEED, START, events_of_day, spending_view
from benchmarks.turns import machine, quantile, seconds
from tilefold import Workspace

VIEW = "synced"
WARM_UP = 500
CHILD = """
import sys
from benchmarks.read_beside_sync import VIEW, opened
from datetime import datetime
from tilefold.serving.priority import give_way
with opened(sys.argv[1]) as ws:
    give_way()
    print("syncing", flush=True)
    report = ws.sync(VIEW, datetime.fromisoformat(sys.argv[2]), full=True)
    print(report.written, report.duration_s, flush=True)
"""


def opened(root: str) -> Workspace:
    """The benchmark's workspace."""
    end = START + timedelta(days=30, hours=12)
    return Workspace(root=root, definitions=[spending_view(VIEW, (1, 7, 30, 90))], clock=lambda: end)


def waits(ws: Workspace, keys: int, drawn: np.random.Generator, going_on: object) -> list[float]:
    """How long single reads take while something goes on."""
    found = []
    while going_on():  # type: ignore[operator] # a callable
        user = f"u{drawn.integers(keys)}"
        found.append(seconds(lambda user=user: ws.get_features(VIEW, {"user_id": user}).values))
    return found


def told(what: str, found: list[float]) -> float:
    """Print the quantiles; returns p99."""
    p50, p99 = (quantile(found, share) * 1e6 for share in (0.5, 0.99))
    print(f"{what}: p50 {p50:.0f} us, p99 {p99:.0f} us over {len(found)} reads", flush=True)
    return p99


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    asked = parser.parse_args()
    drawn = np.random.default_rng(SEED)
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory())
        ws = stack.enter_context(opened(root))
        for day in range(0, 30, 3):
            users = np.arange(day // 3, asked.keys, 10)
            ws.append("spending", events_of_day(START + timedelta(days=day), users, drawn))
        end = START + timedelta(days=30)
        ws.materialize(VIEW, end)
        print(machine())
        count = [0]

        def some() -> bool:
            count[0] += 1
            return count[0] < WARM_UP * 40

        waits(ws, asked.keys, drawn, some)
        count[0] = 0
        idle = told("idle", waits(ws, asked.keys, drawn, some))
        command = [sys.executable, "-c", CHILD, root, end.isoformat()]
        child = subprocess.Popen(
            command, cwd=Path(__file__).parents[1], env=dict(os.environ), stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        child.stdout.readline()
        beside = told("during a full sync", waits(ws, asked.keys, drawn, lambda: child.poll() is None))
        written, duration_s = child.communicate()[0].split()
        print(f"  {int(written):,} keys in {float(duration_s):.0f} s; p99 ratio {beside / idle:.2f}; target <= 2")


if __name__ == "__main__":
    main()
