"""The examples run as a newcomer runs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def output_of(example: str, **environment: str) -> str:
    """What an example prints when it is run in the project's folder."""
    command = [sys.executable, str(PROJECT / "examples" / example)]
    env = {**os.environ, "PYTHONPATH": str(PROJECT), **environment}
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_quickstart_serves_what_its_events_say() -> None:
    """Four payments of 100.0 in all, in the order of their shops."""
    told = output_of("quickstart.py")
    assert "'user_spend.payments_7d': 4, 'user_spend.amount_sum_30d': 100.0" in told
    assert "['books', 'bakery', 'garden']" in told


def test_a_stream_is_counted_once_whatever_comes() -> None:
    """A repeat, a refusal, a compaction and a late event: each sum is that of the distinct events."""
    told = output_of("stream.py").splitlines()
    assert [line.partition(",")[0] for line in told if "sum" in line] == [
        "pushed: sum 30.0",
        "compacted: sum 30.0",
        "a late one: sum 60.0",
        "compacted again: sum 60.0",
    ]
    assert "1 duplicate, refused: " in told[1]


def test_tectons_listing_runs_as_it_stands() -> None:
    """The mean of 30 days leaves out the payment before them."""
    assert "user_average_transaction_amount.amount_mean_30d = 15.0 (PRESENT" in output_of("tecton_listing.py")


@pytest.mark.timeout(200)
def test_tour_runs_on_what_the_demo_left(tmp_path: Path) -> None:
    """Every cell of the tour works on the demo's data."""
    demo = [sys.executable, "-c", "from tilefold.cli import main; main()", "demo", "--days", "3", "--without-dagster"]
    subprocess.run([*demo, "--root", str(tmp_path)], cwd=PROJECT, capture_output=True, timeout=120, check=True)
    told = output_of("tour.py", TILEFOLD_ROOT=str(tmp_path))
    assert "views: aircraft_delays, carrier_delays, origin_delays" in told
    assert "tiles hold" in told
