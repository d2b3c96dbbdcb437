"""Where the simulation stops product code: every call of a store goes over a line, and a line may break.

The rule: a call is paused before it takes effect; then it happens once, twice (the reply was lost, and the client sent it again),
not at all, or its process dies before or after it. Which of these is drawn from the schedule's seed alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class Killed(BaseException):
    """The process dies here, as by `kill -9`: nothing of it runs any more."""


class Broken(Exception):
    """The connection broke: whether the call took effect is not known."""


@dataclass(frozen=True, slots=True)
class Odds:
    """How often a call goes wrong."""

    killed: float = 0.0
    broken: float = 0.0


class Line:
    """The connection of one process to one store.

    Attributes
    ----------
    odds
        Of the schedule; the harness sets them to none when everything is to come to rest.
    """

    def __init__(self, chance: Random, odds: Odds) -> None:
        self._chance, self.odds = chance, odds

    def call(self, effect: Callable[[], T]) -> T:
        """The answer to one call; raises `Killed` or `Broken`, before or after it took effect."""
        pause()
        drawn, odds = self._chance.random(), self.odds
        if drawn < odds.killed:
            self._fail(effect, Killed)
        if drawn < odds.killed + odds.broken:
            self._fail(effect, Broken)
        return effect()

    def _fail(self, effect: Callable[[], object], error: type[BaseException]) -> None:
        if self._chance.random() < 0.5:
            effect()
        raise error

    def retried(self, effect: Callable[[], T]) -> T:
        """The answer to a call that the client sends again after a broken connection, as `RoundTrips` does."""
        try:
            return self.call(effect)
        except Broken:
            return self.call(effect)


def pause() -> None:
    """Let the schedule go on with something else; outside of a job do nothing."""
    here: greenlet = getcurrent()
    if here.parent is not None:
        here.parent.switch()
