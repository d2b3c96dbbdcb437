"""Explanations to draw: of a stream view with tiles of every kind, and of one whose names are hostile."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.pipelines import DAY, Clock, day
from tests.streams import opened, record, source, view_of
from tilefold import Aggregate, LifetimeWindow, TimeWindow, Workspace
from tilefold.aggregation_functions import last
from tilefold.types import Field, Int64

UNITS = Field("units", Int64)
HOSTILE = '<script>alert("1")</script>&\'"`{{7*7}}'


@contextmanager
def explainable(root: Path, online: str, stream: str, user: str = "a", *, merged: bool = False) -> Iterator[Workspace]:
    """A view over hours, days and a lifetime, with a batch part, a stream part and an event that came late.

    With `merged` its few cells are merged as those of a busy key are.
    """
    wanted = [
        Aggregate(input_column=UNITS, function=function, time_window=window)
        for window in (TimeWindow(DAY / 24), TimeWindow(DAY), TimeWindow(30 * DAY), LifetimeWindow())
        for function in ("sum", "count", "max", last(3))
    ]
    view = view_of(source(), features=wanted, description="Units that a user bought.")
    if merged:
        object.__setattr__(view, "few_cells", 0)
    with opened(root, online, stream, view) as workspace:
        ws_push(workspace, user, [(number * 0.37, number) for number in range(24)])
        workspace.materialize("spend", day(9))
        ws_push(workspace, user, [(9.05, 3), (9.2, 8), (9.49, 5), (7.31, 40)])
        yield workspace


def ws_push(workspace: Workspace, user: str, rows: list[tuple[float, int]]) -> None:
    """Ingest events of a user."""
    receipt = workspace.ingest("pushed", [record(user, at, units) for at, units in rows])
    assert receipt.accepted == len(rows)


def moved(workspace: Workspace, days: float) -> None:
    """Set the workspace's clock."""
    clock = workspace._clock
    assert isinstance(clock, Clock)
    clock.now = day(days)
