"""Tile building, Delta write included, against the bare Polars group-by of the same files written to Parquet.

python -m benchmarks.tiles [--events 20000000] [--keys 1000000] [--rounds 3]
"""

import argparse
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from benchmarks.month import DAYS, VIEW_NAME, filled, workspace
from benchmarks.spending import START
from benchmarks.turns import high_water_mb, machine, report, turns
from tilefold import Workspace
from tilefold.stores.event_columns import DATE


def build(ws: Workspace) -> None:
    """Build every day anew, one after the other."""
    ws.build_tiles(VIEW_NAME, START, START + timedelta(days=DAYS), force=True)


def bare(ws: Workspace, folder: Path) -> None:
    """The same aggregates of the same files, day by day, to Parquet."""
    files = ws.event_log("spending").snapshot().pinned
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number in range(DAYS):
        day: date = (START + timedelta(days=number)).date()
        paths = [files.place(path) for path in files.files.filter(pl.col(DATE) == day)["path"]]
        amount, time = pl.col("amount"), pl.col("timestamp")
        pl.scan_parquet(paths, hive_partitioning=False).group_by("user_id").agg(
            pl.len(),
            amount.count().alias("count"),
            amount.sum().alias("sum"),
            amount.min().alias("min"),
            amount.max().alias("max"),
            time.min().alias("first"),
            time.max().alias("last"),
        ).sink_parquet(folder / f"{day}.parquet")


def peak_mb(root: Path) -> float:
    """The peak memory of a process that only builds the tiles, in MB."""
    command = [sys.executable, "-m", "benchmarks.tiles", "--only-build", str(root)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-build", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only_build:
        with workspace(asked.only_build) as ws:
            build(ws)
        print(high_water_mb())
        return
    with filled(asked.events, asked.keys) as root:
        with workspace(root) as ws:
            build(ws)  # makes the table
            pairs = turns(lambda: build(ws), lambda: bare(ws, root / "bare"), asked.rounds)
        print(machine())
        report(f"tiles of {asked.events:,} events, {asked.keys:,} keys, {DAYS} days", pairs, "<= 1.3")
        print(f"peak memory of building alone: {peak_mb(root):.0f} MB; target < 1,500")


if __name__ == "__main__":
    main()
