"""The loop of a writer process, over a seat that stands in for the stores, with a clock that moves when it is told to."""

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from tilefold.errors import StoreUnavailableError
from tilefold.serving.writer_loop import IDLE_S, LEASE_S, LOOK_S, PAUSE_MAX_S, RENEW_S, WAIT_S, Seat, WriterLoop


class Time:
    """A clock; whoever waits moves it."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        """What time it is."""
        return self.now_s

    def pause(self, seconds: float) -> None:
        """Wait."""
        self.pauses.append(seconds)
        self.now_s += seconds


@dataclass
class FakeSeat:
    """A seat whose answers are set by the test; a step that finds nothing waits as long as it may."""

    time: Time
    owned: list[int] = field(default_factory=lambda: [0, 1])
    granted: list[int] = field(default_factory=list)
    waiting_entries: int | None = 0
    broken: bool = False
    did: list[str] = field(default_factory=list)
    claims: list[tuple[float, float, str]] = field(default_factory=list)
    waits_ms: list[int] = field(default_factory=list)

    def claim(self, lease_s: float, behind_s: float, waiting: str) -> list[int]:
        """Answer the shards that are set."""
        assert lease_s == LEASE_S
        self._act("claim")
        self.claims.append((self.time.now_s, behind_s, waiting))
        self.granted = list(self.owned)
        return list(self.owned)

    def release(self) -> None:
        """Note it."""
        self._act("release")

    def look(self) -> None:
        """Note it."""
        self._act("look")

    def step(self, shards: Collection[int], wait_ms: int) -> int | None:
        """Answer what is set."""
        assert list(shards) == self.granted
        self._act("step")
        self.waits_ms.append(wait_ms)
        if self.waiting_entries == 0:
            self.time.now_s += wait_ms / 1000
        else:
            self.time.now_s += 0.01
        return self.waiting_entries

    def close(self) -> None:
        """Note it."""
        self.did.append("close")

    def _act(self, what: str) -> None:
        self.did.append(what)
        if self.broken:
            message = "the store is away"
            raise StoreUnavailableError(message)


@dataclass
class Desk:
    """A loop with its seats and what it told."""

    time: Time = field(default_factory=Time)
    told: list[str] = field(default_factory=list)
    rests: list[bool] = field(default_factory=list)
    reopened: list[FakeSeat] = field(default_factory=list)
    refuse_to_reopen: bool = False

    def __post_init__(self) -> None:
        self.seat = FakeSeat(self.time)
        self.loop = WriterLoop(self.seat, self.reopen, self.told.append, self.time.pause, self.rests.append, self.time)

    def reopen(self) -> Seat:
        """Another seat."""
        if self.refuse_to_reopen:
            message = "nothing answers"
            raise StoreUnavailableError(message)
        self.reopened.append(FakeSeat(self.time))
        return self.reopened[-1]

    def go(self, seconds: float) -> None:
        """Go on for some time."""
        end_s = self.time.now_s + seconds
        while self.time.now_s < end_s:
            self.loop.turn()

    def run(self, seconds: float) -> None:
        """Go on for some time, then end."""
        end_s = self.time.now_s + seconds
        self.loop.run(lambda: self.time.now_s >= end_s)


def test_a_lease_is_renewed_three_times_before_it_ends() -> None:
    """Claims come a third of a lease apart, whether events come or not, and no read waits past the next one."""
    for entries in (0, 7):
        desk = Desk()
        desk.seat.waiting_entries = entries
        desk.go(10)
        times = [at for at, _, _ in desk.seat.claims]
        assert all(later - earlier <= RENEW_S + 0.02 for earlier, later in pairwise(times))
        assert len(times) >= 10 / RENEW_S
        assert max(desk.seat.waits_ms) <= WAIT_S * 1000


def test_it_waits_in_the_read_alone() -> None:
    """While it owns a shard and a view takes the stream, it never pauses."""
    desk = Desk()
    desk.go(3)
    desk.seat.waiting_entries = 5
    desk.go(3)
    assert desk.time.pauses == []


@pytest.mark.parametrize("idle", ["no shard", "no view"])
def test_it_pauses_where_there_is_nothing_to_read(idle: str) -> None:
    """Without a shard, or a view that takes the stream, it pauses a little and asks again; it does not spin."""
    desk = Desk()
    if idle == "no shard":
        desk.seat.owned = []
    else:
        desk.seat.waiting_entries = None
    desk.go(3)
    assert set(desk.time.pauses) == {IDLE_S}
    assert desk.seat.did.count("claim") >= 3 / RENEW_S


def test_it_looks_each_second() -> None:
    """A view that was seeded anew, or takes the stream since, is found within a second."""
    desk = Desk()
    desk.go(10)
    assert desk.seat.did.count("look") >= 10 / (LOOK_S + WAIT_S)


def test_it_looks_before_it_writes_a_shard_of_another() -> None:
    """A shard that comes to it was written by another until then: where the views stand is asked before the first step."""
    desk = Desk()
    desk.go(0.3)
    desk.seat.owned = [0, 1, 2]
    before = len(desk.seat.did)
    desk.go(2)
    did = desk.seat.did[before:]
    claimed = did.index("claim")
    assert did[claimed + 1] == "look"
    assert desk.told[-1] == "writes shards 0, 1, 2"


def test_a_store_that_is_away_is_told_once_and_waited_out() -> None:
    """One line when it starts and one when it is over, with pauses that grow to two seconds in between."""
    desk = Desk()
    desk.go(1)
    desk.seat.broken = desk.refuse_to_reopen = True
    for _ in range(12):
        desk.loop.turn()
    assert desk.told == ["writes shards 0, 1", "waits: the store is away"]
    assert desk.time.pauses == sorted(desk.time.pauses)
    assert desk.time.pauses[-1] == PAUSE_MAX_S
    desk.refuse_to_reopen = False
    desk.loop.turn()
    assert desk.told[2].startswith("goes on after 1")
    assert desk.reopened[0].did[:3] == ["claim", "look", "step"]


def test_a_seat_that_fails_once_is_kept() -> None:
    """A single failure costs a pause; the seat is opened anew from the second one in a row on."""
    desk = Desk()
    desk.seat.broken = True
    desk.loop.turn()
    desk.seat.broken = False
    desk.loop.turn()
    assert (desk.reopened, "close" in desk.seat.did) == ([], False)
    desk.seat.broken = True
    desk.loop.turn()
    desk.loop.turn()
    desk.loop.turn()
    assert (len(desk.reopened), desk.seat.did[-1]) == (1, "close")


def test_what_it_waits_for_is_reported() -> None:
    """While the steps fail the claims say why; once they do not, they say nothing."""
    desk = Desk()
    desk.go(1)
    desk.seat.broken = True
    desk.loop.turn()
    desk.seat.broken = False
    desk.go(2.5)
    assert [waiting for _, _, waiting in desk.seat.claims[-3:]] == ["the store is away", "", ""]


def test_how_far_it_is_behind_is_reported() -> None:
    """While every step is full the end of the log is not reached, and the claims say since when."""
    desk = Desk()
    desk.go(1)
    desk.seat.waiting_entries = 10_000
    desk.go(5)
    assert desk.seat.claims[-1][1] > 3
    desk.seat.waiting_entries = 3
    desk.go(2)
    assert desk.seat.claims[-1][1] == 0


def test_its_end_lets_the_shards_go() -> None:
    """At its end it releases what it owns and closes; where the store is away it says so and ends all the same."""
    desk = Desk()
    desk.run(1)
    assert desk.seat.did[-2:] == ["release", "close"]
    away = Desk()
    away.loop.turn()
    away.seat.broken = True
    away.run(0)
    assert away.seat.did[-2:] == ["release", "close"]
    assert "which end by themselves in 3 s" in away.told[-1]


def test_it_rests_when_nothing_came() -> None:
    """Each turn that ends well says whether there was nothing to fold."""
    desk = Desk()
    desk.loop.turn()
    desk.seat.waiting_entries = 4
    desk.loop.turn()
    desk.seat.waiting_entries = None
    desk.loop.turn()
    assert desk.rests == [True, False, True]


def test_what_is_no_error_of_ours_ends_it() -> None:
    """A programming error is not waited out: the shards are let go and it is raised."""
    desk = Desk()
    desk.seat.waiting_entries = "nonsense"  # type: ignore[assignment]
    with pytest.raises(TypeError):
        desk.run(1)
    assert desk.seat.did[-2:] == ["release", "close"]
