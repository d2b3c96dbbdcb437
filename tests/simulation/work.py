"""What processes are asked to do, drawn by chance: a name for the record, and the work itself.

The rule: all is drawn before the work begins, so that nothing that happens meanwhile changes what is drawn.
"""

from collections.abc import Callable, Sequence
from random import Random

from tests.simulation.checks import Checks
from tests.simulation.events import Event
from tests.simulation.processes import Process
from tests.simulation.temper import Temper
from tests.simulation.views import START_US
from tests.simulation.world import World
from tilefold.engine.time import DAY_US, floor

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
SPAN_US = 3 * DAY_US
USERS = ("ann", "bob", "cy")
FUTURE_US = 5 * MINUTE_US


class Work:
    """What a schedule draws from; `losses` counts how often the online store was lost."""

    chance: Random
    temper: Temper
    world: World
    checks: Checks
    users: Sequence[str]
    losses: int

    def _ingest(self, process: Process) -> tuple[str, Callable[[], None]]:
        events = [self._event() for _ in range(self.chance.choice([1, 1, 2, 5, 12]))]
        known = [event for event in self.world.events if event.event_id in self.world.log.placed]
        if known and self.chance.random() < 0.2:
            events.append(self.chance.choice(known))

        def ingest() -> None:
            before, losses = {own.view.name: self.checks.takes(own) for own in process.kits}, self.losses
            process.ingest(events)
            for own in process.kits:
                token = before[own.view.name]
                visible = token is not None and self.checks.takes(own) == token
                if visible and losses == self.losses:  # or it was made visible in a store that is gone
                    self.checks.must_show(own, events)

        return f"ingest {[event.number for event in events]}", ingest

    def _append(self, process: Process) -> tuple[str, Callable[[], None]]:
        chance, world = self.chance, self.world
        events = [self._event() for _ in range(chance.choice([1, 3]))]
        drained = sorted({row.event.event_id for row in world.table.versions[-1].rows})
        gone = chance.sample(drained, min(len(drained), chance.choice([0, 0, 1, 3])))

        def append() -> None:
            self.checks.gone(gone)
            world.gone.update(gone)
            process.append(events, gone)

        return f"append {[event.number for event in events]} in place of {gone}", append

    def _event(self) -> Event:
        chance, now_us = self.chance, self.world.clock.now_us
        if chance.random() < self.temper.late:
            time_us = now_us - chance.randint(0, chance.choice([HOUR_US, DAY_US, SPAN_US]))
        else:
            time_us = now_us - chance.randint(-FUTURE_US, 10 * MINUTE_US)
        if chance.random() < 0.3:
            grid_us = chance.choice([HOUR_US, 90 * MINUTE_US, 6 * HOUR_US])
            time_us = min(now_us + FUTURE_US, floor(time_us, grid_us) + chance.choice([-1, 0, 0, 1]))
        number = len(self.world.events)
        event = Event(
            number,
            f"e{number:03}",
            chance.choice(self.users),
            time_us,
            chance.choice([None, 1, 2, 7, -3, 400]),
            chance.choice([None, 0.5, 1.25, 3.0]),
            chance.choice([None, "x", "y", "zz"]),
        )
        self.world.events.append(event)
        return event

    def _write(self, process: Process) -> tuple[str, Callable[[], None]]:
        limit = self.chance.choice([2, 5, 1000])
        return f"write {limit}", lambda: process.write(limit)

    def _drain(self, process: Process) -> tuple[str, Callable[[], None]]:
        limit = self.chance.choice([2, 5, 1000])
        return f"drain by {limit}", lambda: process.drain(limit)

    def _materialize(self, process: Process) -> tuple[str, Callable[[], None]]:
        chance, own = self.chance, self.chance.choice(process.kits)
        newest_us = floor(self.world.clock.now_us, own.view.schedule_us)
        as_of_us = newest_us - own.view.schedule_us * chance.choice([0, 0, 0, 0, 1, 2])
        if as_of_us < START_US:
            return "drain", process.drain
        what = chance.random()
        if what < 0.1:
            return f"sync {own.view.name} at {hours(as_of_us)}", lambda: process.sync(own, as_of_us)
        sync, full = what > 0.25, what > 0.95
        how = f"{' and sync' if sync else ''}{' in full' if full else ''}"
        return f"compact {own.view.name} at {hours(as_of_us)}{how}", lambda: process.materialize(
            own, as_of_us, sync=sync, full=full
        )


def hours(time_us: int) -> str:
    """A time in hours since the beginning."""
    return f"{(time_us - START_US) / HOUR_US:.4f} h"
