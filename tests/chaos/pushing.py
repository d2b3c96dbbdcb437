"""The ingesting process, and what it remembers.

The rule: a batch is written to a journal before it is sent, and its number to another once it is acknowledged. A batch that is
in the first and not in the second is sent again as it was, until it is acknowledged; so whatever is killed, the two files say
which events must be counted.
"""

import json
import random
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.chaos.work import SOURCE, synced_line, whole_lines
from tilefold import Workspace

USERS = [f"u{number}" for number in range(12)]
WAIT_S = 0.02
Record = dict[str, Any]


@dataclass
class Journal:
    """The batches that were sent, and the numbers of those that were acknowledged."""

    base: Path
    sent: list[list[Record]] = field(default_factory=list)
    acknowledged: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, base: Path) -> "Journal":
        """What is on the disk."""
        sent = [[_thawed(record) for record in json.loads(line)] for line in whole_lines(base / "sent")]
        return cls(base, sent, {int(line) for line in whole_lines(base / "acknowledged")})

    def mend(self) -> None:
        """Cut off half a line that a killed process left."""
        for path in (self.base / "sent", self.base / "acknowledged"):
            path.write_text("".join(f"{line}\n" for line in whole_lines(path)))

    def send(self, batch: list[Record]) -> None:
        """Remember a batch that is going to be sent."""
        synced_line(self.base / "sent", json.dumps([record | {"at": record["at"].isoformat()} for record in batch]))
        self.sent.append(batch)

    def acknowledge(self, number: int) -> None:
        """Remember that a batch was acknowledged."""
        synced_line(self.base / "acknowledged", str(number))
        self.acknowledged.add(number)

    @property
    def unanswered(self) -> list[int]:
        """The batches that must be sent again."""
        return [number for number in range(len(self.sent)) if number not in self.acknowledged]

    def events(self) -> dict[str, Record]:
        """The acknowledged events that are right, by id."""
        records = [record for number in sorted(self.acknowledged) for record in self.sent[number]]
        return {record["event_id"]: record for record in records if _is_right(record)}

    def refused(self) -> set[str]:
        """The ids of the acknowledged records that are not."""
        return {record["event_id"] for number in self.acknowledged for record in self.sent[number] if not _is_right(record)}


def _thawed(record: Record) -> Record:
    return record | {"at": datetime.fromisoformat(record["at"])}


def _is_right(record: Record) -> bool:
    return isinstance(record["units"], int)


def drawn_batch(drawn: random.Random, number: int, now: datetime, before: list[Record]) -> list[Record]:
    """Some events in any order: of now, late by minutes to days, a little ahead, sent before already, twice, and wrong ones."""
    made = [_drawn_event(drawn, f"{number}-{each}", now) for each in range(drawn.randint(1, 10))]
    if drawn.random() < 0.3:
        made += [drawn.choice(made), *drawn.sample(before, min(2, len(before)))]
    if drawn.random() < 0.1:
        made.append({"user": "u0", "at": now, "units": "bad", "event_id": f"wrong-{number}"})
    drawn.shuffle(made)
    return made


def _drawn_event(drawn: random.Random, event_id: str, now: datetime) -> Record:
    late_s = drawn.choice([drawn.uniform(0, 60)] * 4 + [drawn.uniform(0, 8000)] * 3 + [drawn.uniform(0, 200_000), -240, 3600])
    user = USERS[min(int(drawn.paretovariate(0.8)) - 1, len(USERS) - 1)]
    return {"user": user, "at": now - timedelta(seconds=late_s), "units": drawn.randint(-50, 50), "event_id": event_id}


class Pusher:
    """Pushes batch after batch, and rests while the run asks it to."""

    def __init__(self, base: Path, seed: str) -> None:
        self._base, self._seed = base, seed
        self._journal = Journal.of(base)
        self._journal.mend()
        self._before = [record for batch in self._journal.sent[-20:] for record in batch if _is_right(record)]

    def turn(self, workspace: Workspace) -> None:
        """Send what was not acknowledged; then rest, or send another batch."""
        for number in self._journal.unanswered:
            self._push(workspace, number)
        if (token := read_token(self._base / "pause")) is not None:
            (self._base / "paused").write_text(token)
            time.sleep(WAIT_S)
            return
        number = len(self._journal.sent)
        drawn = random.Random(f"{self._seed}-{number}")
        batch = drawn_batch(drawn, number, workspace.now(), self._before)
        self._before = [*self._before, *filter(_is_right, batch)][-100:]
        self._journal.send(batch)
        self._push(workspace, number)
        time.sleep(drawn.uniform(0, 0.1))

    def _push(self, workspace: Workspace, number: int) -> None:
        batch = self._journal.sent[number]
        receipt = workspace.ingest(SOURCE, batch)
        assert receipt.accepted + receipt.duplicate + len(receipt.refused) == len(batch), (number, receipt)
        assert len(receipt.refused) == sum(not _is_right(record) for record in batch), (number, receipt)
        self._journal.acknowledge(number)


def read_token(path: Path) -> str | None:
    """What the run wrote there; None where there is nothing."""
    try:
        return path.read_text() or None
    except FileNotFoundError:
        return None
