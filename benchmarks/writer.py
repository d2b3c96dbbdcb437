"""Ingest and the stream writer, batch by batch, against one bare pipelined HSET per event.

python -m benchmarks.writer [--batches 40]
"""

import argparse
import contextlib
import tempfile
from datetime import timedelta

import numpy as np
import polars as pl

from benchmarks.streaming import NOW, SOURCE, VIEW, keys_of, payments, streaming_view
from benchmarks.turns import machine, report, seconds
from tilefold import Workspace
from tilefold.cli.quiet_gc import QuietCollector

BATCH = 10_000
NOBODY = b"benchmark"
LEASE_MS = 600_000


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=40)
    asked = parser.parse_args()
    drawn = np.random.default_rng(7)
    QuietCollector()  # as in the writer process
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory())
        now = [NOW]
        ws = stack.enter_context(Workspace(root=root, definitions=[streaming_view()], clock=lambda: now[0]))
        desk, client = ws.stream_desk(SOURCE), ws.online_client()
        desk.register()
        ws.online_store.streams.claim(SOURCE, NOBODY, desk.log.shards, LEASE_MS)  # so that `ingest` folds nothing itself
        print(machine())
        writes, accepts = [], []
        for number in range(asked.batches):
            now[0] = NOW + timedelta(seconds=number)
            frame = payments(BATCH, now[0], drawn)

            def bare(frame: pl.DataFrame = frame) -> None:
                pipeline = client.pipeline(transaction=False)
                for user, amount in zip(keys_of(frame), frame["amount"], strict=True):
                    pipeline.hset(f"bare:{user}", "s", amount)
                pipeline.execute()

            accept = seconds(lambda frame=frame: ws.ingest(SOURCE, frame))
            yard = seconds(bare)
            writes.append((seconds(lambda: desk.writer.step(limit=BATCH)), yard))
            accepts.append((accept, yard))
        warm = len(writes) // 4
        for what, pairs in (("ingest", accepts[warm:]), ("writer", writes[warm:])):
            report(f"{what}, {BATCH} events", pairs, "<= 2 or 0.2 s" if what == "writer" else "none")
            rate = BATCH * len(pairs) / sum(mine for mine, _ in pairs)
            print(f"  {rate:,.0f} events/s; bare {BATCH * len(pairs) / sum(yard for _, yard in pairs):,.0f} HSET/s", flush=True)
        print(f"  {ws.explain(VIEW, {'user_id': 'u0'}).stream_bytes:,} bytes of stream part of the busiest key")


if __name__ == "__main__":
    main()
