"""A key with a million events in a day beside a quiet one, windows of 1 hour to 30 days: reads, and what is stored.

python -m benchmarks.hot_key [--events 1000000] [--reads 3000]

The events are spread over the 24 hours before the last read, none of them compacted yet: the worst case.
"""

import argparse
import contextlib
import statistics
import tempfile
from datetime import timedelta

import numpy as np
import polars as pl

from benchmarks.streaming import NOW, SOURCE, VIEW, streaming_view
from benchmarks.turns import machine, quantile, seconds
from tilefold import Workspace

PART_BYTES_MAX = 64 * 1024
MINUTES = 24 * 60


def minute(ws: Workspace, number: int, events: int, drawn: np.random.Generator) -> None:
    """Events of the hot key in one minute of the day, and now and then one of the quiet key."""
    start = NOW - timedelta(minutes=MINUTES - number)
    offsets_us = np.sort(drawn.integers(0, 60_000_000, events))
    times = pl.Series(np.datetime64(start.replace(tzinfo=None), "us") + offsets_us.astype("timedelta64[us]"))
    users = pl.Series(["hot"] * events)
    if number % 60 == 0:
        users[0] = "quiet"
    ids = pl.Series([f"{number}-{n}" for n in range(events)])
    zoned = times.dt.replace_time_zone("UTC")
    ws.ingest(SOURCE, pl.DataFrame({"user_id": users, "timestamp": zoned, "amount": drawn.random(events), "event_id": ids}))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--reads", type=int, default=3_000)
    asked = parser.parse_args()
    drawn = np.random.default_rng(3)
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory())
        now = [NOW - timedelta(days=1)]
        ws = stack.enter_context(Workspace(root=root, definitions=[streaming_view()], clock=lambda: now[0]))
        for number in range(MINUTES):
            now[0] = NOW - timedelta(minutes=MINUTES - number - 1)
            minute(ws, number, asked.events // MINUTES, drawn)
        print(machine())
        hot, quiet = {"user_id": "hot"}, {"user_id": "quiet"}
        pairs = []
        for _ in range(asked.reads):
            one = seconds(lambda: ws.get_features(VIEW, hot).values)
            pairs.append((one, seconds(lambda: ws.get_features(VIEW, quiet).values)))
        mine, yard = (statistics.median(column) * 1e6 for column in zip(*pairs, strict=True))
        p99 = quantile([one for one, _ in pairs], 0.99) * 1e6
        counted = ws.get_features(VIEW, hot).values[f"{VIEW}.amount_count_30d"]
        stored = ws.explain(VIEW, hot)
        size_bytes = stored.stream_bytes + stored.part_bytes
        print(f"hot key, {counted:,} events: p50 {mine:.0f} us (p99 {p99:.0f}), quiet key {yard:.0f} us")
        print(f"  ratio {mine / yard:.2f}; target <= 2")
        print(f"  stored parts {size_bytes:,} bytes in {len(stored.tiles)} rows; target < {PART_BYTES_MAX:,}")


if __name__ == "__main__":
    main()
