"""A year's backfill on Dagster: 365 days of event log, tiles and compactions of the flights, one run, checks included.

There is no yardstick for this one but the clock: under 5 minutes on 2 cores. Everything runs in this process, with Dagster's
own storage in SQLite as `tilefold up` has it.

    python -m benchmarks.backfill [--days 365] [--view VIEW] [--root FOLDER]
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from benchmarks.turns import machine
from tilefold.demo.flights import import_flights

TARGET_S = 300
YEAR = 365
STEPS = ("event_log", "tiles", "compacted")


def project(root: Path) -> dg.Definitions:
    """The Dagster project of `features`, over a folder; it reads the environment when it is imported."""
    os.environ["TILEFOLD_ROOT"] = str(root)
    from orchestration.definitions import defs  # noqa: PLC0415 - only now does the environment name the folder

    return defs


def backfill(
    defs: dg.Definitions, instance: dg.DagsterInstance, first: date, last: date, view: str | None
) -> dg.ExecuteInProcessResult:
    """Materialize a range of every event log and of the tiles and compactions of a view, or of all, in one run, with checks."""
    assets: list[Any] = [*(defs.assets or []), *(defs.asset_checks or [])]
    known = [key for key in defs.resolve_asset_graph().get_all_asset_keys() if key.path[-1] in STEPS]
    keys = [key for key in known if view in (None, key.path[0]) or key.path[-1] == STEPS[0]]
    return dg.materialize(
        assets,
        selection=dg.AssetSelection.assets(*keys),
        instance=instance,
        resources=defs.resources,
        tags={ASSET_PARTITION_RANGE_START_TAG: first.isoformat(), ASSET_PARTITION_RANGE_END_TAG: last.isoformat()},
        run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
    )


def step_seconds(result: dg.ExecuteInProcessResult) -> Iterator[tuple[str, float]]:
    """How long each asset and each check took, slowest first."""
    done = [event for event in result.all_events if event.is_step_success]
    times = {str(event.step_key): event.step_success_data.duration_ms / 1000 for event in done}
    return iter(sorted(times.items(), key=lambda each: -each[1]))


def dagster_home(root: Path) -> dg.DagsterInstance:
    """An instance that keeps its runs in SQLite under a folder."""
    home = root / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    return dg.DagsterInstance.local_temp(str(home), overrides={"telemetry": {"enabled": False}})


@contextmanager
def folder(given: str | None) -> Iterator[Path]:
    """The given folder, or one that is removed at the end."""
    if given:
        yield Path(given)
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def main() -> None:
    """Run the backfill and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=YEAR)
    parser.add_argument("--view", help="one view; all without")
    parser.add_argument("--root")
    given = parser.parse_args()
    with folder(given.root) as root, dagster_home(root) as instance:
        flights = import_flights(root)
        first = date.fromisoformat(flights.first_day)
        last = min(first + timedelta(days=given.days - 1), datetime.now(UTC).date() - timedelta(days=1))
        defs = project(root)
        began, cpu_began = time.perf_counter(), time.process_time()
        result = backfill(defs, instance, first, last, given.view)
        total_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    for step, seconds in step_seconds(result):
        print(f"{step:60} {seconds:8.1f} s")
    days = (last - first).days + 1
    took = f"total {total_s:.1f} s, {cpu_s:.1f} s of one core"
    print(f"{machine()}: {flights.rows} flights, {days} days, {took}; target under {TARGET_S} s for {YEAR} days")


if __name__ == "__main__":
    main()
