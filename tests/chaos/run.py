"""A run: processes work over one root, and are killed at random times; then all is brought to rest and compared.

The rule: every draw comes from the seed, so that a run with the same seed kills the same things after the same times. What the
processes are doing then is up to the machine.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.chaos.checking import LIMIT_S, RIGHT, Desk, Tally, compare, compare_log, read_all
from tests.chaos.house import CUT, SERVERS, House
from tests.chaos.pushing import Journal, read_token
from tests.chaos.work import BEGIN, SOURCE, VIEWS, FileClock
from tests.running import until
from tilefold import Workspace

CHECK_EVERY = 5
GAP_S = 1.2
Tell = Callable[[str], None]


@dataclass
class Outcome:
    """What a run did and found."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    tally: Tally = field(default_factory=Tally)

    def __str__(self) -> str:
        tally, total = self.tally, sum(self.kills.values())
        undecided = sum(tally.undecided.values())
        return (
            f"{total} kills, {self.acknowledged} events acknowledged, {len(tally.lost)} lost, {len(tally.doubled)} doubled; "
            f"{tally.reads} values compared, {len(tally.wrong)} wrong, {undecided} that said they were not certain"
        )


class Run:
    """One run in a folder of its own."""

    def __init__(self, base: Path, seed: int, roles: list[str], tell: Tell) -> None:
        self._base, self._drawn, self._tell = base, random.Random(seed), tell
        self._house, self._desk = House(base, roles, seed), Desk(base)
        self._clock = FileClock(base)
        self.outcome = Outcome(seed)
        self._pauses = 0

    def go(self, kills: int) -> Outcome:
        """Start, kill so often, bring to rest, compare."""
        self._clock.set(BEGIN)
        try:
            self._begin()
            for number in range(1, kills + 1):
                self._kill()
                if number % CHECK_EVERY == 0 or number == kills:
                    self._check(f"after {number} kills")
            self._rest()
        finally:
            self._house.close()
            self._desk.close()
        return self.outcome

    def _begin(self) -> None:
        self._desk.ask(read_all)
        for role in self._house.roles:
            self._house.start(role)
        for role in self._house.roles:
            self._wait_for(role)

    def _kill(self) -> None:
        """Let some time pass, and kill one."""
        targets = [*self._house.roles, *SERVERS, CUT]
        what, wait_s, minutes = self._drawn.choice(targets), self._drawn.uniform(0, GAP_S), self._drawn.uniform(2, 35)
        if what in self._house.roles and self._drawn.random() < 0.8:
            self._wait_for(what)
        elif what not in self._house.roles:
            self._desk.ask(lambda workspace: workspace.stream_standing(SOURCE))  # it lives
        time.sleep(wait_s)
        if killed := self._house.kill(what, self._drawn):
            self.outcome.kills[killed] += 1
        self._clock.set(self._clock() + timedelta(minutes=minutes))

    def _wait_for(self, role: str) -> None:
        """Return once a process has begun its work."""

        def ready() -> bool:
            self._house.check()
            return self._house.is_ready(role)

        until(ready, LIMIT_S, f"the {role}", 0.02)

    def _check(self, when: str) -> None:
        """With the pusher paused and the writers caught up, every read is right."""
        self._pause()
        until(self._has_caught_up, LIMIT_S, "the writers", 0.02)
        now, read = self._clock(), self._desk.ask(read_all)
        events = Journal.of(self._base).events()
        self._go_on()
        compare(self.outcome.tally, read, events, now)
        self._tell(f"{when}: {self._state(len(events))}")
        assert not self.outcome.tally.wrong, "\n".join(self.outcome.tally.wrong[:20])

    def _rest(self) -> None:
        """Everything caught up, drained, materialized: every read is right, and certain; the log holds each event once."""
        self._pause()
        until(self._has_caught_up, LIMIT_S, "the writers", 0.02)
        for role in self._house.roles:
            self._house.end(role)
        self._desk.ask(lambda workspace: workspace.drain(SOURCE))
        for view in VIEWS:
            self._desk.ask(lambda workspace, name=view.name: workspace.materialize(name))
        journal, read = Journal.of(self._base), self._desk.ask(read_all)
        assert not journal.unanswered
        self.outcome.acknowledged, tally = len(journal.events()), self.outcome.tally
        statuses = {status for vectors in read.values() for vector in vectors for status in vector.statuses.values()}
        compare(tally, read, journal.events(), self._clock())
        self._desk.ask(lambda workspace: compare_log(tally, workspace, journal))
        assert not tally.wrong, "\n".join(tally.wrong[:20])
        assert statuses <= set(RIGHT), statuses

    def _pause(self) -> None:
        """Let the pusher stop once all it sent is acknowledged."""
        self._pauses += 1
        token = str(self._pauses)
        (self._base / "pause").write_text(token)

        def rests() -> bool:
            self._house.check()
            return read_token(self._base / "paused") == token

        until(rests, LIMIT_S, "the pusher's rest", 0.02)

    def _go_on(self) -> None:
        (self._base / "pause").unlink()

    def _has_caught_up(self) -> bool:
        self._house.check()

        def lag(workspace: Workspace) -> int | None:
            return workspace.stream_standing(SOURCE).lag

        return self._desk.ask(lag) == 0

    def _state(self, events: int) -> str:
        tally = self.outcome.tally
        return f"{events} events, {tally.reads} values right, not certain: {dict(tally.undecided)}"
