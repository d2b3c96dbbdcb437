"""A training set, straight from the event log, against DuckDB's best query for the same values over the same files.

100,000 rows of a spine over 10 M events: count, sum, mean, min and max over 1, 7 and 30 days and a lifetime. DuckDB's
candidates are tried once, each within a limit of time, and the fastest is the yardstick: a join of spine and events with
filtered aggregates, the same over sums of days, and running sums by ASOF joins with minima and maxima by a join of ranges.

    python -m benchmarks.training [--events 10000000] [--rows 100000] [--rounds 3] [--limit-s 180]
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from benchmarks.spending import FUNCTIONS, SEED, START, events_of_day, spending_view
from benchmarks.turns import high_water_mb, machine, report, seconds, turns
from tilefold import Workspace

DAYS, KEYS = 90, 100_000
WINDOWS: dict[str, int | None] = {"1d": 1, "7d": 7, "30d": 30, "lifetime": None}
VIEW = spending_view("spend", (1, 7, 30), lifetime=True)
IN_DUCKDB = {"count": "count", "sum": "sum", "mean": "avg", "min": "min", "max": "max"}
DUCKDB_GB = 6


def users(drawn: np.random.Generator, count: int, *, hot: bool) -> np.ndarray:
    """Users, all alike, or one of them with half of all."""
    found = drawn.integers(1, KEYS + 1, count)
    return np.where(drawn.random(count) < 0.5, 0, found) if hot else found


@contextmanager
def filled(events: int, rows: int, *, hot: bool) -> Iterator[Path]:
    """A folder with an event log and a spine whose users are drawn as those of the events are."""
    drawn = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with opened(root) as ws:
            for day in range(DAYS):
                start = START + timedelta(days=day)
                ws.append("spending", events_of_day(start, users(drawn, events // DAYS, hot=hot), drawn))
        first_us = int((START + timedelta(days=30)).timestamp()) * 1_000_000
        times = first_us + drawn.integers(0, (DAYS - 30) * 86_400_000_000, rows)
        asked = pl.Series(users(drawn, rows, hot=hot)).cast(pl.String)
        columns = {"user_id": pl.select("u" + asked).to_series(), "timestamp": pl.Series(times).cast(pl.Datetime("us", "UTC"))}
        spine = pl.DataFrame(columns).with_columns(pl.col("timestamp").dt.truncate("1d").alias("edge"))
        spine.with_row_index("row").write_parquet(root / "spine.parquet")
        yield root


def opened(root: Path) -> Workspace:
    """The workspace, on the day after the last event."""
    return Workspace(root / "ws", [VIEW], clock=lambda: datetime(2024, 12, 1, tzinfo=UTC))


def ours(ws: Workspace, root: Path) -> pl.DataFrame:
    """The training set."""
    return ws.get_features_for_events("spend", pl.read_parquet(root / "spine.parquet"))


def candidates(files: str, spine: str) -> dict[str, str]:
    """DuckDB's queries by what they do."""
    events = f"read_parquet({files}, hive_partitioning=false)"
    plain = {"count": "count({c})", "sum": "sum({c})", "mean": "avg({c})", "min": "min({c})", "max": "max({c})"}
    by_day = {
        "count": "coalesce(sum(e.n){w}, 0)",
        "sum": "sum(e.s){w}",
        "mean": "sum(e.s){w} / sum(e.n){w}",
        "min": "min(e.low){w}",
        "max": "max(e.high){w}",
    }

    def where(days: int | None) -> str:
        return "" if days is None else f" FILTER (WHERE e.timestamp >= s.edge - INTERVAL {days} DAY)"

    joined = ", ".join(
        f"{plain[function].format(c='e.amount')}{where(days)} AS {function}_{name}"
        for name, days in WINDOWS.items()
        for function in FUNCTIONS
    )
    daily = ", ".join(
        f"{by_day[function].format(w=where(days))} AS {function}_{name}"
        for name, days in WINDOWS.items()
        for function in FUNCTIONS
    )
    join = "ON e.user_id = s.user_id AND e.timestamp < s.edge GROUP BY s.row ORDER BY s.row"
    days_of = (
        "SELECT user_id, date_trunc('day', timestamp) AS timestamp, count(amount) AS n, sum(amount) AS s, "
        f"min(amount) AS low, max(amount) AS high FROM {events} GROUP BY ALL"
    )
    return {
        "join with filtered aggregates": f"SELECT s.row, {joined} FROM '{spine}' s LEFT JOIN {events} e {join}",
        "the same over sums of days": f"SELECT s.row, {daily} FROM '{spine}' s LEFT JOIN ({days_of}) e {join}",
        "running sums by ASOF, extremes by ranges": running(events, spine, joined, join),
    }


def running(events: str, spine: str, joined: str, join: str) -> str:
    """Sums as differences of running sums at both edges, minima and maxima by a join of ranges."""
    sums = ["row"]
    asofs = ["s.row", "z.n AS n_end", "z.s AS s_end"]
    joins = "ASOF LEFT JOIN totals z ON z.user_id = s.user_id AND z.timestamp < s.edge"
    for name, days in WINDOWS.items():
        if days is None:
            n, s = "coalesce(n_end, 0)", "coalesce(s_end, 0)"
        else:
            asofs += [f"a{name}.n AS n_{name}", f"a{name}.s AS s_{name}"]
            joins += f" ASOF LEFT JOIN totals a{name} ON a{name}.user_id = s.user_id"
            joins += f" AND a{name}.timestamp < s.edge - INTERVAL {days} DAY"
            n, s = f"coalesce(n_end, 0) - coalesce(n_{name}, 0)", f"coalesce(s_end, 0) - coalesce(s_{name}, 0)"
        sums += [f"{n} AS count_{name}", f"CASE WHEN {n} > 0 THEN {s} END AS sum_{name}"]
        sums += [f"CASE WHEN {n} > 0 THEN ({s}) / ({n}) END AS mean_{name}"]
    extremes = ", ".join(part for part in joined.split(", ") if part.startswith(("min(", "max(")))
    order = [f"{function}_{name}" for name in WINDOWS for function in FUNCTIONS]
    return (
        "WITH totals AS (SELECT user_id, timestamp, count(amount) OVER w AS n, sum(amount) OVER w AS s "
        f"FROM {events} WINDOW w AS (PARTITION BY user_id ORDER BY timestamp ROWS UNBOUNDED PRECEDING)), "
        f"edges AS (SELECT {', '.join(asofs)} FROM '{spine}' s {joins}), "
        f"sums AS (SELECT {', '.join(sums)} FROM edges), "
        f"extremes AS (SELECT s.row, {extremes} FROM '{spine}' s LEFT JOIN {events} e {join}) "
        f"SELECT row, {', '.join(order)} FROM sums JOIN extremes USING (row) ORDER BY row"
    )


class Yardstick:
    """DuckDB in this process, on as many threads as there are cores."""

    def __init__(self) -> None:
        self._connection = duckdb.connect()
        self._connection.execute(f"SET TimeZone = 'UTC'; SET memory_limit = '{DUCKDB_GB}GB'")

    def values(self, query: str, limit_s: float | None = None) -> pl.DataFrame | None:
        """What a query gives; None where it takes longer than that."""
        timer = threading.Timer(limit_s or 1e6, self._connection.interrupt)
        timer.start()
        try:
            return self._connection.sql(query).pl()
        except (duckdb.InterruptException, duckdb.OutOfMemoryException):
            return None
        finally:
            timer.cancel()

    def best(self, queries: dict[str, str], limit_s: float) -> str | None:
        """The fastest of some queries, each tried once; None where all take too long."""
        times: dict[str, float] = {}
        for name, query in queries.items():
            began = time.perf_counter()
            finished = self.values(query, limit_s) is not None
            took = time.perf_counter() - began
            print(f"  DuckDB, {name}: {f'{took:.1f} s' if finished else f'not within {limit_s:.0f} s, or not within memory'}")
            if finished:
                times[name], limit_s = took, min(limit_s, took * 1.5)
        return min(times, key=lambda name: times[name]) if times else None


def compare(mine: pl.DataFrame, theirs: pl.DataFrame) -> None:
    """Hold all values against each other."""
    for name in WINDOWS:
        for function in FUNCTIONS:
            left = mine[f"spend__amount_{function}_{name}"].cast(pl.Float64)
            right = theirs[f"{function}_{name}"].cast(pl.Float64)
            wrong = pl.select((left - right).abs() > 1e-9 * (1 + right.abs())).to_series()
            assert left.is_null().equals(right.is_null()), f"{function} over {name}: nulls"
            assert not wrong.any(), f"{function} over {name}"
    print(f"  all {mine.height * len(WINDOWS) * len(FUNCTIONS):,} values are equal, sums and means to 1e-9")


def peak_mb(root: Path) -> float:
    """The peak memory of a process that only makes the training set, in MB."""
    command = [sys.executable, "-m", "benchmarks.training", "--only-ours", str(root)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit-s", type=float, default=180)
    parser.add_argument("--only-ours", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only_ours:
        with opened(asked.only_ours) as ws:
            ours(ws, asked.only_ours)
        print(high_water_mb())
        return
    print(machine())
    with filled(asked.events, asked.rows, hot=False) as even, filled(asked.events, asked.rows, hot=True) as hot:
        with opened(even) as ws, opened(hot) as hot_ws:
            beside_duckdb(ws, even, asked.rounds, asked.limit_s)
            pairs = turns(lambda: ours(hot_ws, hot), lambda: ours(ws, even), asked.rounds)
            report("one hot key with half of the events and of the spine, beside none", pairs, "<= 1.5")
        print(f"peak memory alone: {peak_mb(even):.0f} MB, with the hot key {peak_mb(hot):.0f} MB; target < 2,000")


def beside_duckdb(ws: Workspace, root: Path, rounds: int, limit_s: float) -> None:
    """Time and values beside DuckDB's best query."""
    pinned = ws.event_log("spending").snapshot().pinned
    files = str([pinned.place(path) for path in pinned.files["path"]])
    queries, duck = candidates(files, str(root / "spine.parquet")), Yardstick()
    best = duck.best(queries, limit_s)
    if best is None:
        print(f"  no query of DuckDB was done; ours took {seconds(lambda: ours(ws, root)):.1f} s")
        return
    theirs = duck.values(queries[best])
    assert theirs is not None, "it was done before"
    compare(ours(ws, root), theirs)
    pairs = turns(lambda: ours(ws, root), lambda: duck.values(queries[best]), rounds)
    report(f"training set, beside DuckDB: {best}", pairs, "<= 2.0")


if __name__ == "__main__":
    main()
