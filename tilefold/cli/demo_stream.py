"""The demo's stream: departures of the last two weeks pushed, compacted without a jump, and a few more that move the features.

The rule: what is shown side by side is read at one time, so that a difference would be an error; what comes last is read now.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.table import Table

from tilefold.cli.faults import say
from tilefold.cli.replaying import replay_of, replaying
from tilefold.cli.session import Session
from tilefold.cli.show import text
from tilefold.workspace import VISIBLE, Workspace

LIVE_VIEW = "live_delays"
LIVE_KEYS = ("carrier", "origin")
COUNTED = f"{LIVE_VIEW}.departure_delay_count_1h"
MOVES = 3
PACE = 3600.0
PATIENCE_S = 10.0
Values = Mapping[str, Any]


class StreamDemo:
    """Pushes departures, and keeps what reads of one carrier at one airport say in between.

    Attributes
    ----------
    keys
        Whose departures are read.
    """

    def __init__(self, session: Session, workspace: Workspace, keys: Mapping[str, str]) -> None:
        self._session, self._workspace = session, workspace
        self.keys = {name: keys[name] for name in LIVE_KEYS}
        self._at: datetime | None = None
        self._columns: list[tuple[str, Values]] = []

    def push_history(self) -> int:
        """Push the departures of the last two weeks, as far as they were not; how many that was."""
        with replaying(self._session) as alone:
            if not alone:
                say("  a replay is running, which has pushed them")
                return 0
            replay = replay_of(self._session, self._workspace, time.sleep, VISIBLE)
            before = replay.position.sent
            replay.catch_up(lambda: False)
            return replay.position.sent - before

    def read(self, title: str) -> None:
        """Read the features, each time as of the time of the first reading."""
        self._at = self._at or self._workspace.now()
        self._columns.append((title, self._workspace.get_features(LIVE_VIEW, self.keys, self._at).values))

    def move(self) -> None:
        """Push further departures, an hour of flights a second, until some are of the carrier that is read; read it now."""
        with replaying(self._session) as alone:
            if not alone:
                return
            replay, began = replay_of(self._session, self._workspace, time.sleep, VISIBLE), time.monotonic()
            sent, first = replay.position.sent, self._now()[COUNTED]
            replay.play(PACE, lambda: self._now()[COUNTED] >= first + MOVES or time.monotonic() - began > PATIENCE_S)
            self._columns.append((f"{replay.position.sent - sent} departures later", self._now()))

    def table(self) -> Table:
        """The readings side by side."""
        return _table([title for title, _ in self._columns], [values for _, values in self._columns])

    def _now(self) -> Values:
        return self._workspace.get_features(LIVE_VIEW, self.keys).values


def _table(titles: Sequence[str], readings: Sequence[Values]) -> Table:
    table = Table("feature", *titles)
    for name in readings[0]:
        table.add_row(name, *(text(values[name]) for values in readings))
    return table
