"""What must be true of a run: each acknowledged event counts once, in every read and in the event log.

The rule: the events are those of the pusher's journal alone; nothing of the product says what should be there.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from tests.chaos.pushing import USERS, Journal, Record
from tests.chaos.work import SOURCE, VIEWS, opened
from tests.running import until
from tilefold import Workspace
from tilefold.engine.reference import Event, agree, reference_values
from tilefold.engine.time import to_us
from tilefold.errors import StoreUnavailableError
from tilefold.serving.read import FeatureVector, Status

T = TypeVar("T")
RIGHT = (Status.PRESENT, Status.MISSING_DATA)
LIMIT_S = 180.0


class Desk:
    """The run's own workspace, opened anew when a server went away."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._workspace: Workspace | None = None

    def ask(self, question: Callable[[Workspace], T]) -> T:
        """The answer, once the stores give one."""
        found: list[T] = []

        def answered() -> bool:
            try:
                self._workspace = self._workspace or opened(self._base)
                found.append(question(self._workspace))
            except StoreUnavailableError:
                self.close()
            return bool(found)

        until(answered, LIMIT_S, "an answer of the stores", 0.05)
        return found[0]

    def close(self) -> None:
        """Close it, for now."""
        if self._workspace is not None:
            self._workspace.close()
        self._workspace = None


@dataclass
class Tally:
    """What was compared, and what was wrong."""

    reads: int = 0
    undecided: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)


def read_all(workspace: Workspace) -> dict[str, list[FeatureVector]]:
    """Every key of every view, now."""
    keys = [{"user": user} for user in USERS]
    return {view.name: workspace.get_features_batch(view.name, keys) for view in VIEWS}


def compare(tally: Tally, read: dict[str, list[FeatureVector]], events: dict[str, Record], now: datetime) -> None:
    """Compare a read with the reference; a value that says itself that it is not certain is counted as such."""
    for view in VIEWS:
        for user, vector in zip(USERS, read[view.name], strict=True):
            mine = [_event(record) for record in events.values() if record["user"] == user]
            wanted = reference_values(view.features, mine, to_us(now))
            for name, status in vector.statuses.items():
                feature = name.removeprefix(f"{view.name}.")
                tally.reads += 1
                if status not in RIGHT:
                    tally.undecided[status] += 1
                elif not agree(vector.values[name], wanted[feature]):
                    tally.wrong.append(f"{user} {name} at {now}: {vector.values[name]}, not {wanted[feature]}")


def _event(record: Record) -> Event:
    return Event(to_us(record["at"]), record["event_id"], record)


def compare_log(tally: Tally, workspace: Workspace, journal: Journal) -> None:
    """Compare the event log and the dead letters with what was acknowledged."""
    snapshot = workspace.event_log(SOURCE).snapshot()
    names = ["event_id", "user", "at", "units"]
    days = sorted({record["at"].date() for record in journal.events().values()})
    rows = [row for day in days for row in snapshot.scan_unique(day, names).collect().iter_rows(named=True)]
    assert snapshot.scan(columns=["event_id"]).collect()["event_id"].n_unique() == len({row["event_id"] for row in rows})
    held, expected = Counter(row["event_id"] for row in rows), journal.events()
    tally.lost |= expected.keys() - held.keys()
    tally.doubled |= {event_id for event_id, times in held.items() if times > 1}
    tally.wrong += [f"{row} in the event log" for row in rows if expected.get(row["event_id"]) != row]
    letters: Sequence[Any] = workspace.dead_letters(SOURCE).scan().collect()["event_id"].to_list() if journal.refused() else []
    assert set(letters) == journal.refused()
