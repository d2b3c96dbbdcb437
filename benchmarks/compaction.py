"""Compaction of 30 days at one watermark against the bare Polars group-by of those tiles, one bucket at a time.

Two yardsticks, both of the same tile files and written to Parquet: grouped by key and cell, which gives the tiles that the
compaction keeps (no key of a month has more than 64 cells), and by key and plan segment, which would be the fewest.

    python -m benchmarks.compaction [--events 20000000] [--keys 1000000] [--rounds 5]
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import polars as pl

from benchmarks.month import DAYS, END, START, VIEW_NAME, filled, workspace
from benchmarks.turns import machine, report, turns
from tilefold import Workspace
from tilefold.engine.layout import EVENTS, FIRST, LAST
from tilefold.engine.plan import cuts_us
from tilefold.engine.time import DAY_US, to_us


def compact(ws: Workspace) -> Callable[[], object]:
    """Compact from scratch: earlier compactions are forgotten first, since a later one would start from them."""

    def run() -> object:
        ws.context(VIEW_NAME).compacted.prune(lambda _as_of, _epoch: False)
        return ws.compact(VIEW_NAME, END)

    return run


def bare(ws: Workspace, folder: Path, *, by_cell: bool) -> Callable[[], object]:
    """Group the tiles of each bucket by key and cell or segment, and write them."""
    context = ws.context(VIEW_NAME)
    cuts = [cut for cut in cuts_us(context.windows, to_us(END)) if cut > to_us(START)]
    table = context.tile_table()
    sums = [pl.col(EVENTS, "amount__count", "amount__sum").sum()]
    ends = [pl.col(FIRST, "amount__min").min(), pl.col(LAST, "amount__max").max()]

    def run() -> None:
        tiles = table.snapshot()
        segment = pl.sum_horizontal((pl.col(FIRST) >= cut).cast(pl.Int8) for cut in cuts)
        group = (pl.col(FIRST) // DAY_US if by_cell else segment).alias("group")
        for bucket in range(table.buckets):
            rows = tiles.scan(START.date(), END.date(), bucket)
            merged = rows.group_by("user_id", group).agg(*sums, *ends)
            merged.sink_parquet(folder / f"bare_{bucket}.parquet")

    return run


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with filled(asked.events, asked.keys) as root, workspace(root) as ws:
        made = ws.compact(VIEW_NAME, END)
        kept = turns(compact(ws), bare(ws, root, by_cell=True), asked.rounds)
        fewest = turns(compact(ws), bare(ws, root, by_cell=False), asked.rounds)
        print(machine())
        print(f"{made.tiles_before:,} tiles of {made.keys:,} keys, {ws.context(VIEW_NAME).tile_table().buckets} buckets")
        report(f"compaction of {DAYS} days, beside a group-by into the tiles kept", kept, "<= 1.5")
        report(f"compaction of {DAYS} days, beside a group-by into the fewest", fewest, "<= 1.5")


if __name__ == "__main__":
    main()
