"""Sync of a compaction against bare redis-py pipelined HSET of the same bytes; then what another day costs.

python -m benchmarks.sync [--events 20000000] [--keys 1000000] [--rounds 3]
"""

import argparse
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np

from benchmarks.month import END, VIEW_NAME, filled, workspace
from benchmarks.spending import SEED, events_of_day
from benchmarks.turns import machine, report, turns
from tilefold import Workspace
from tilefold.engine.codec import seal_many
from tilefold.engine.compact import PART
from tilefold.engine.mark import Mark
from tilefold.engine.time import to_us

COMMANDS_PER_PIPELINE = 100


def stored(ws: Workspace) -> list[tuple[bytes, bytes]]:
    """Every key and the bytes that the sync writes to it."""
    context = ws.context(VIEW_NAME)
    as_of_us = to_us(END)
    epoch = context.compacted.latest(as_of_us) or 0
    parts = context.compacted.scan(as_of_us, epoch).select("user_id", PART).collect()
    blobs = seal_many(parts[PART].to_list(), Mark(as_of_us, epoch))
    keys = [ws.online_store.entity_key(VIEW_NAME, context.view.version, user) for user in parts["user_id"].to_list()]
    return list(zip(keys, blobs, strict=True))


def bare(ws: Workspace) -> Callable[[], None]:
    """HSET every key, in pipelines, into the emptied store."""
    client, pairs = ws.online_client(), stored(ws)

    def run() -> None:
        for start in range(0, len(pairs), COMMANDS_PER_PIPELINE):
            pipeline = client.pipeline(transaction=False)
            for key, blob in pairs[start : start + COMMANDS_PER_PIPELINE]:
                pipeline.hset(key, b"b", blob)
            pipeline.execute()

    return run


def emptied(ws: Workspace, work: Callable[[], object]) -> Callable[[], object]:
    """The same work on a store without keys."""
    client = ws.online_client()

    def run() -> object:
        client.flushall()
        return work()

    return run


def next_days(root: Path, keys: int) -> None:
    """Say what a day in which 1 % of the keys were active costs, and a day in which none was."""
    users = np.random.default_rng(SEED).choice(keys, keys // 100, replace=False)
    for number, active in enumerate((users, users[:0]), start=1):
        day = END + timedelta(days=number)
        with workspace(root, day + timedelta(hours=12)) as ws:
            ws.append("spending", events_of_day(day - timedelta(days=1), active, np.random.default_rng(SEED)))
            done = ws.materialize(VIEW_NAME, day)
            assert done.sync, "a new watermark is always synced"
            assert done.compaction, "and compacted"
            share = done.sync.written / done.compaction.keys
            took = f"compaction {done.compaction.duration_s:.1f} s, sync {done.sync.duration_s:.1f} s"
            print(f"{len(active):,} active keys: {done.sync.written:,} written ({share:.2%}), {took}; target <= 5 %")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with filled(asked.events, asked.keys) as root:
        with workspace(root) as ws:
            ws.compact(VIEW_NAME, END)
            ours = emptied(ws, lambda: ws.sync(VIEW_NAME, END))
            pairs = turns(ours, emptied(ws, bare(ws)), asked.rounds)
            ws.online_client().flushall()
            done = ws.sync(VIEW_NAME, END)
        print(machine())
        print(f"{done.written:,} keys, {done.bytes / done.written:.0f} bytes each")
        report("first sync", pairs, "<= 1.67 (0.6x the rate)")
        next_days(root, asked.keys)


if __name__ == "__main__":
    main()
