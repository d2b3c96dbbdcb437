"""The work that is interrupted: day after day late events arrive and the view is materialized."""

from pathlib import Path

import polars as pl

from tests.pipelines import Clock, day, declare, frame
from tilefold import Workspace

VIEW = declare()
LONG_AFTER = day(900)
USERS = ["a", "b", *(f"u{number}" for number in range(7))]


def batch(step: int) -> pl.DataFrame:
    """What arrives on a day: its own events, and late ones for days that were materialized already."""
    rows = [("a", step - 0.5, step), (f"u{step % 7}", step - 0.25, step), ("b", max(0.0, step - 2.3), 2 * step)]
    return frame([(user, at, units, f"{step}|{user}") for user, at, units in rows])


def opened(root: str | Path) -> Workspace:
    """The workspace, on the embedded server of its root."""
    return Workspace(root, [VIEW], clock=Clock(LONG_AFTER))


def take(workspace: Workspace, step: int) -> None:
    """One day's work; to repeat it changes nothing."""
    workspace.append("events", batch(step))
    workspace.materialize(VIEW.name, day(step))
