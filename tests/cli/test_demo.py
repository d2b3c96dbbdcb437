"""`tilefold demo` as a newcomer runs it, on the last days alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
VIEWS = ("aircraft_delays", "carrier_delays", "origin_delays", "live_delays")


def tilefold(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the project's folder, as a process of its own."""
    command = [sys.executable, "-c", "from tilefold.cli import main; main()", *arguments, "--root", str(root)]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("TILEFOLD_", "DAGSTER_"))}
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.system
def test_demo_runs_dagster_to_its_end_and_serves(tmp_path: Path) -> None:
    """Every asset of every view is materialized by runs that the UI will show, no traceback is told, values are served."""
    told = tilefold(tmp_path, "demo", "--days", "2")
    assert (told.returncode, "Traceback" in told.stderr) == (0, False), told.stderr
    steps = {line.split()[0].rstrip(",") for line in told.stderr.splitlines() if "__" in line}
    assert steps >= {
        "flights__event_log",
        "departures__event_log",
        *(f"{view}__{asset}" for view in VIEWS for asset in ("tiles", "compacted", "online")),
    }
    assert "FAILED" not in told.stderr
    assert "Where to look next" in told.stdout
    assert any((tmp_path / "dagster/history").rglob("*.db"))
    served = json.loads(tilefold(tmp_path, "get", "origin_delays", "origin=JFK", "--json").stdout)
    assert served["values"]["origin_delays.flights_7d"] > 0
    readings = [line.split("│")[2:5] for line in told.stdout.splitlines() if "live_delays.departure_delay_count_7d" in line]
    ((streamed, compacted, later),) = ([int(value) for value in each] for each in readings)
    assert 0 < streamed == compacted < later
