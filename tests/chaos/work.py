"""What the processes of a run share: the declarations, the clock that the run moves, and how they open the workspace.

The rule: no process asks the machine what time it is. The run writes the time into a file, so that a read and the reference
mean the same moment.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.pipelines import DAY, HOUR, START, UNITS, USER, passed_on
from tilefold import Aggregate, Field, LifetimeWindow, PushConfig, StreamSource, TimeWindow, Workspace, stream_feature_view
from tilefold.aggregation_functions import last
from tilefold.cli.session import Session
from tilefold.types import Int64, String, Timestamp

BEGIN = START + 3 * DAY
SOURCE = "pushed"
COLUMNS = [Field("user", String), Field("at", Timestamp), Field("units", Int64)]
PUSHED = StreamSource(SOURCE, schema=COLUMNS, timestamp_field="at", stream_config=PushConfig())
FUNCTIONS: list[tuple[Field | None, Any]] = [
    (None, "count"),
    (UNITS, "sum"),
    (UNITS, "min"),
    (UNITS, "max"),
    (UNITS, last(3)),
]


def _features(*windows: Any, **edge: Any) -> list[Aggregate]:
    return [Aggregate(input_column=c, function=f, time_window=w, **edge) for w in windows for c, f in FUNCTIONS]


def _view(name: str, wanted: list[Aggregate]) -> Any:
    given: dict[str, Any] = {"name": name, "source": PUSHED, "entities": [USER], "features": wanted}
    return stream_feature_view(**given, feature_start_time=START, batch_schedule=HOUR)(passed_on)


EXACT = _view("exact", [*_features(3 * HOUR, trailing_edge="exact"), *_features(LifetimeWindow())])
HOPPED = _view(
    "hopped",
    [
        *_features(timedelta(minutes=90), DAY),  # auto: hops of 10 s and 5 min
        *_features(TimeWindow(6 * HOUR), trailing_edge=HOUR),
        *_features(LifetimeWindow()),
    ],
)
VIEWS = [EXACT, HOPPED]


class FileClock:
    """The time that a file says."""

    def __init__(self, base: Path) -> None:
        self._path = base / "now"

    def __call__(self) -> datetime:
        """Read it."""
        return datetime.fromisoformat(self._path.read_text())

    def set(self, now: datetime) -> None:
        """Move it; who reads meanwhile sees the old or the new time."""
        fresh = self._path.with_suffix(".fresh")
        fresh.write_text(now.isoformat())
        fresh.replace(self._path)


def opened(base: Path) -> Workspace:
    """The workspace of a run, on the embedded servers of its root; its stream is open."""
    workspace = Workspace(base / "root", [PUSHED, *VIEWS], clock=FileClock(base))
    try:
        workspace.open_streams()
    except BaseException:
        workspace.close()
        raise
    return workspace


class ClockedSession(Session):
    """How the writer process opens its workspaces."""

    def workspace(self) -> Workspace:
        """Open it at the run's time."""
        return opened(Path(self.root))


def synced_line(path: Path, line: str) -> None:
    """Append a line; it is on the disk when this returns."""
    with path.open("a") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def whole_lines(path: Path) -> list[str]:
    """The lines of a file whose last one may be cut off, as by a kill; that one is not there."""
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()
