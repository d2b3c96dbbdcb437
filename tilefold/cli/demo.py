"""`tilefold demo`: a year of real flights, from the package to features served, told step by step.

The rule: it uses what everybody uses: the definitions in `features`, the Workspace, Dagster's own commands. Run again, it
repeats what changed.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tilefold.cli import show
from tilefold.cli.faults import say
from tilefold.cli.session import Session
from tilefold.demo.flights import import_flights
from tilefold.workspace import Workspace

SERVICE = "flight_delay"
FLIGHT = {"tailnum": "N725MQ", "carrier": "MQ", "origin": "LGA"}


def run_demo(session: Session, days: int | None, *, import_only: bool) -> None:
    """Import, compute, serve."""
    with _step("Flights of 2013, moved to the present"):
        found = import_flights(Path(session.root), datetime.now(UTC), days)
    say(f"  {found.rows:,} flights, {found.kept_from} to {found.last_day} ({found.shift_weeks} weeks later than they were)")
    if import_only:
        return
    with session.workspace() as workspace:
        for view in workspace.definitions.views:
            with _step(f"Features of {view}"):
                report = workspace.materialize(view)
            say(f"  {show.materialized(report)}")
        _serve(workspace)


def _serve(workspace: Workspace) -> None:
    out = show.console()
    out.print(f"\n{SERVICE} of aircraft {FLIGHT['tailnum']}, carrier {FLIGHT['carrier']}, airport {FLIGHT['origin']}:")
    out.print(show.features(workspace.get_features(SERVICE, FLIGHT)))


@contextmanager
def _step(title: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    say(f"{title} ...")
    began = time.monotonic()
    yield
    say(f"  done in {time.monotonic() - began:.1f} s")
