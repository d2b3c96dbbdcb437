"""Reads of 1 and of 100 keys against the bare `hgetall` of the same keys.

python -m benchmarks.read [--reads 5000]
"""

import argparse
import contextlib
import statistics
import tempfile
from collections.abc import Callable
from datetime import timedelta

import numpy as np

from benchmarks.spending import SEED, START, events_of_day, spending_view
from benchmarks.turns import machine, quantile, seconds, turns
from tilefold import Workspace

KEYS = 100
VIEWS = {
    "merged": (spending_view("merged", (1, 7, 30, 90), lifetime=False), 90),
    "cells": (spending_view("cells", (1, 7, 30, 60), lifetime=False), 60),
    "plain": (spending_view("plain", (1, 7, 30, 390), compaction=False), 390),
}
SMALL, BIG = 1_000, 1_001
"""Users of 10^2 and of 10^6 events in the last 60 days; users below 100 have some on every day."""


def fill(ws: Workspace, days: int) -> None:
    """Events of all users, day by day."""
    drawn = np.random.default_rng(SEED)
    for day in range(days):
        recent = day >= days - 60
        users = [np.arange(KEYS)]
        users += [np.full(1_000_000 // 60, BIG), np.full(int(drawn.random() < 100 / 60) + int(day % 3 > 0), SMALL)] * recent
        ws.append("spending", events_of_day(START + timedelta(days=day), np.concatenate(users), drawn))


def compare(what: str, ours: Callable[[], object], bare: Callable[[], object], reads: int, target: str) -> None:
    """Alternate single calls; print the p50 of each and the ratio of the two."""
    for _ in range(200):
        ours()
        bare()
    pairs = [(seconds(ours), seconds(bare)) for _ in range(reads)]
    mine, yard = (statistics.median(column) * 1e6 for column in zip(*pairs, strict=True))
    p99 = quantile([pair[0] for pair in pairs], 0.99) * 1e6
    print(
        f"{what}: p50 {mine:.0f} us (p99 {p99:.0f}), bare {yard:.0f} us, ratio {mine / yard:.2f}; target {target}", flush=True
    )


def one_key(ws: Workspace, view: str, user: int, reads: int, what: str) -> None:
    """A read of one key."""
    keys, client = {"user_id": f"u{user}"}, ws.online_client()
    key = ws.online_key(view, keys)
    compare(what, lambda: ws.get_features(view, keys).values, lambda: client.hgetall(key), reads, "<= 1.5")


def big_beside_small(ws: Workspace, reads: int) -> None:
    """Reads of the key of many events and of that of few, turn by turn."""
    small, big = ({"user_id": f"u{user}"} for user in (SMALL, BIG))
    pairs = turns(lambda: ws.get_features("cells", big).values, lambda: ws.get_features("cells", small).values, reads)
    mine, yard = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"10^6 beside 10^2 events: {mine / yard:.2f}; target within 0.8-1.2", flush=True)


def many_keys(ws: Workspace, view: str, reads: int, target: str) -> None:
    """A read of 100 keys."""
    keys, client = [{"user_id": f"u{user}"} for user in range(KEYS)], ws.online_client()
    names = [ws.online_key(view, each) for each in keys]
    tiles = len(ws.explain(view, keys[0]).tiles)

    def bare() -> object:
        pipeline = client.pipeline(transaction=False)
        for name in names:
            pipeline.hgetall(name)
        return pipeline.execute()

    what = f"100 keys, {view}, 20 features, {tiles} tiles each"
    compare(what, lambda: [each.values for each in ws.get_features_batch(view, keys)], bare, reads // 20, target)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=5_000)
    asked = parser.parse_args()
    days = max(days for _, days in VIEWS.values())
    end = START + timedelta(days=days)
    definitions = [view for view, _ in VIEWS.values()]
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory())
        ws = stack.enter_context(Workspace(root=root, definitions=definitions, clock=lambda: end + timedelta(hours=12)))
        fill(ws, days)
        for view in VIEWS:
            ws.materialize(view, end)
        print(machine())
        one_key(ws, "cells", SMALL, asked.reads, "1 key of 10^2 events")
        one_key(ws, "cells", BIG, asked.reads, "1 key of 10^6 events")
        big_beside_small(ws, asked.reads)
        one_key(ws, "merged", 0, asked.reads, "1 key, compacted")
        many_keys(ws, "merged", asked.reads, "<= 2")
        many_keys(ws, "cells", asked.reads, "<= 2")
        many_keys(ws, "plain", asked.reads, "<= 2.5")


if __name__ == "__main__":
    main()
