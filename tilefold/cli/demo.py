"""`tilefold demo`: a year of real flights, from the package to features served, told step by step.

The rule: it uses what everybody uses: the definitions in `features`, Dagster's runs, the Workspace's reads. Run again, it
repeats what changed and leaves the rest.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.console import Console

from tilefold.cli import show
from tilefold.cli.demo_stream import LIVE_VIEW, StreamDemo
from tilefold.cli.faults import say
from tilefold.cli.project import Project
from tilefold.cli.runs import run_module
from tilefold.cli.session import Session
from tilefold.demo.departures import SOURCE as DEPARTURES
from tilefold.demo.departures import import_departures
from tilefold.demo.flights import SOURCE, Flight, Import, frequent_flight, import_flights
from tilefold.demo.replay import HISTORY
from tilefold.workspace import Workspace

SERVICE = "flight_delay"
AIRCRAFT_VIEW = "aircraft_delays"
RUNS = "orchestration.demo"
SERVED_DAYS = 7  # days whose compactions the demo keeps; each is complete by itself


def run_demo(session: Session, days: int | None, *, import_only: bool, dagster: bool) -> None:
    """Import, push, compute, serve; `dagster` says whether the features are computed by Dagster runs or by this process."""
    began = time.monotonic()
    with _step("1/4 Flights of 2013, moved to the present"):
        found = import_flights(Path(session.root), days)
        import_departures(Path(session.root), datetime.now(UTC))
        say(f"  {found.rows:,} flights, {found.kept_from} to {found.last_day} ({found.shift_weeks} weeks later than they were)")
    if import_only:
        return
    flight = frequent_flight(Path(session.root))
    with session.workspace() as workspace:
        stream = StreamDemo(session, workspace, flight.keys)
        with _step("2/4 Departures of the last two weeks, pushed as a stream"):
            say(f"  {stream.push_history():,} departures, each visible in the next read")
            stream.read("from the stream")
        with _step("3/4 Features: event log, tiles, compaction, online store"):
            _dagster_runs(session, workspace, found) if dagster else _materialized(workspace)
            _import_today(workspace, found)
            stream.read("compacted")
        with _step("4/4 Features served"):
            stream.move()
            _serve(workspace, flight, stream, show.console())
    say(f"All done in {time.monotonic() - began:.0f} s.")
    _where_next(session, flight, show.console())


def _dagster_runs(session: Session, workspace: Workspace, found: Import) -> None:
    """Backfill logs and tiles of all days, then what is served of the newest ones."""
    project = Project.of(session)
    project.prepare()
    first, last = date.fromisoformat(found.kept_from), workspace.now().date() - timedelta(days=1)
    served_from = max(first, last - timedelta(days=SERVED_DAYS - 1))
    pushed_from = (workspace.now() - HISTORY).date()
    flights = [SOURCE, *(str(day) for day in (first, last, served_from))]
    departures = [DEPARTURES, *(str(day) for day in (pushed_from, last, last))]
    run_module(project, session, RUNS, [*flights, *departures])


def _materialized(workspace: Workspace) -> None:
    for view in (*workspace.definitions.views_of(SOURCE), *workspace.definitions.views_of(DEPARTURES)):
        say(f"  {show.materialized(workspace.materialize(view.name))}")


def _import_today(workspace: Workspace, found: Import) -> None:
    """The last flights may be of today, whose partition is not over: they are in the log now, in features tomorrow."""
    midnight = workspace.now().replace(hour=0, minute=0, second=0, microsecond=0)
    if date.fromisoformat(found.last_day) >= midnight.date():
        workspace.import_days(SOURCE, midnight, midnight + timedelta(days=1))


def _serve(workspace: Workspace, flight: Flight, stream: StreamDemo, out: Console) -> None:
    out.print(f"\n{SERVICE} of aircraft {flight.tailnum}, carrier {flight.carrier}, airport {flight.origin}:")
    out.print(show.features(workspace.get_features(SERVICE, flight.keys)))
    out.print(
        f"\n{LIVE_VIEW} of carrier {flight.carrier} at airport {flight.origin}; a compaction changes nothing, an event does:"
    )
    out.print(stream.table())


def _where_next(session: Session, flight: Flight, out: Console) -> None:
    here = "" if session.root == "data" else f" --root {session.root}"
    command = f".venv/bin/tilefold{here}"
    for line in (
        "\nWhere to look next:",
        "  make up" if not here else f"  {command} up",
        "      the Dagster UI: assets, their days, what each run did, checks; departures go on coming",
        f"  {command} get {LIVE_VIEW} carrier={flight.carrier} origin={flight.origin}",
        "      how they leave now: ask twice while it is up",
        f"  {command} get {AIRCRAFT_VIEW} tailnum={flight.tailnum}",
        f"  {command} explain {AIRCRAFT_VIEW} tailnum={flight.tailnum}",
        "      all features of that aircraft, and the tiles behind each value",
        "  features/flights.py",
        "      what was declared to get them",
    ):
        out.print(line, markup=False, soft_wrap=True)


@contextmanager
def _step(title: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    say(f"{title} ...")
    began = time.monotonic()
    yield
    say(f"  done in {time.monotonic() - began:.1f} s")
