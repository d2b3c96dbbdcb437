"""Reads while a full sync of many keys runs, beside the same reads while it is held, turn by turn.

python -m benchmarks.read_beside_sync [--keys 1000000]

The sync runs in a process of its own that gives way, as a Dagster run and `tilefold materialize` do.
"""

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np

from benchmarks.spending import SEED, START, events_of_day, spending_view
from benchmarks.turns import machine, quantile, seconds
from tilefold import Workspace

VIEW = "synced"
TURN_S = 1.0
SETTLES_S = 0.05
"""What the sync has sent is worked off by then."""
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


def waits(ws: Workspace, keys: int, drawn: np.random.Generator) -> list[float]:
    """How long single reads take, for as long as a turn lasts."""
    found, until_s = list[float](), time.monotonic() + TURN_S
    while time.monotonic() < until_s:
        user = f"u{drawn.integers(keys)}"
        found.append(seconds(lambda user=user: ws.get_features(VIEW, {"user_id": user}).values))
    return found


def told(what: str, turns: list[list[float]]) -> float:
    """Print the quantiles; returns p99."""
    found = [each for turn in turns for each in turn]
    p50, p99 = (quantile(found, share) * 1e6 for share in (0.5, 0.99))
    print(f"{what}: p50 {p50:.0f} us, p99 {p99:.0f} us over {len(found)} reads", flush=True)
    return p99


def in_turns(ws: Workspace, keys: int, drawn: np.random.Generator, child: subprocess.Popen[str]) -> float:
    """Reads beside the sync, then while it is held, and so on until it ends; the ratio of their p99."""
    beside, idle = list[list[float]](), list[list[float]]()
    while child.poll() is None:
        beside.append(waits(ws, keys, drawn))
        child.send_signal(signal.SIGSTOP)
        time.sleep(SETTLES_S)
        idle.append(waits(ws, keys, drawn))
        child.send_signal(signal.SIGCONT)
    pairs = zip(beside[:-1], idle[:-1], strict=True)  # the sync ended within the last ones
    ratios = [quantile(busy, 0.99) / quantile(quiet, 0.99) for busy, quiet in pairs]
    print(f"  turns of {TURN_S:g} s: p99 ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
    return told("during a full sync", beside[:-1]) / told("while it is held", idle[:-1])


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
        waits(ws, asked.keys, drawn)
        command = [sys.executable, "-c", CHILD, root, end.isoformat()]
        child = subprocess.Popen(
            command, cwd=Path(__file__).parents[1], env=dict(os.environ), stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        child.stdout.readline()
        ratio = in_turns(ws, asked.keys, drawn, child)
        written, duration_s = child.communicate()[0].split()
        print(f"  {int(written):,} keys in {float(duration_s):.0f} s, half of it held; p99 ratio {ratio:.2f}; target <= 2")


if __name__ == "__main__":
    main()
