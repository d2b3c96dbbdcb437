"""Everything that outlives a process in a schedule: clocks, servers, tables, and what the harness knows to be true.

The rule: the harness learns what happened from the stores themselves (which position an event got, which version a barrier
has), never from what product code reports of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.simulation.events import Event
from tests.simulation.lines import Odds
from tests.simulation.memory_log import LogServer
from tests.simulation.memory_redis import MemoryServer
from tests.simulation.memory_tables import Compacted, EventTable, LogRow, LogVersion
from tests.simulation.views import START_US, Kit
from tilefold.engine.mark import Mark


@dataclass
class Clock:
    """Two clocks: one that a person sets, which may jump back, and one that never does; `latest_us` is the first's newest."""

    now_us: int = START_US
    passed_us: int = 0
    latest_us: int = START_US

    def move(self, by_us: int) -> None:
        """Let time pass."""
        self.now_us += by_us
        self.passed_us += by_us
        self.latest_us = max(self.latest_us, self.now_us)

    def jump(self, by_us: int) -> None:
        """Set the clock, while no time passes."""
        self.now_us += by_us

    def us(self) -> int:
        """What time it is."""
        return self.now_us

    def seconds(self) -> float:
        """The clock that never goes back."""
        return self.passed_us / 1e6

    def milliseconds(self) -> int:
        """Likewise."""
        return self.passed_us // 1000


@dataclass
class World:
    """The stores of one schedule, and the truth about its events."""

    chance: Random
    odds: Odds
    shards: int
    keep_s: float
    clock: Clock = field(default_factory=Clock)
    events: list[Event] = field(default_factory=list)
    kits: list[Kit] = field(default_factory=list)
    compactions: dict[str, dict[Mark, Compacted]] = field(default_factory=dict)
    barriers: dict[int, int] = field(default_factory=dict)
    seedings: dict[bytes, LogVersion] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.server = MemoryServer(self.clock.milliseconds)
        self.log = LogServer("first", self.shards, self.keep_s, self.clock.seconds)
        self.table = EventTable()

    def event_of(self, payload: bytes) -> Event:
        """The event that travels as these bytes."""
        return self.events[int(payload)]

    def held_at(self, barrier: int) -> Sequence[LogRow]:
        """The rows that compaction `barrier` is built from."""
        rows = self.table.versions[self.barriers[barrier]].unique().values()
        return [row for row in rows if row.epoch <= barrier]


def mask(events: Iterable[Event]) -> int:
    """A set of events as the bits of a number."""
    bits = 0
    for event in events:
        bits |= 1 << event.number
    return bits
