"""The replay, over departures of a small round and a clock that moves when it waits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from tests.demo.test_departures import START_US, small
from tilefold.demo.replay import REPLAY_FILE, Replay
from tilefold.engine.time import DAY_US, SECOND_US
from tilefold.errors import FileError, InputError, StoreFullError

NOW_US = START_US + 40 * DAY_US + DAY_US // 2  # round 1, twelve days in


@dataclass
class World:
    """A clock, what was pushed, and what was told; a push may fail."""

    folder: Path
    now_us: int = NOW_US
    pushed: list[pl.DataFrame] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    failures: int = 0
    killed: bool = False

    def push(self, frame: pl.DataFrame) -> None:
        """Take a frame; die after it where that is wanted."""
        if self.failures:
            self.failures -= 1
            message = "no room"
            raise StoreFullError(message)
        self.pushed.append(frame)
        if self.killed:
            raise KeyboardInterrupt

    def pause(self, seconds: float) -> None:
        """Wait."""
        self.now_us += int(seconds * SECOND_US)

    def replay(self) -> Replay:
        """A replay as a process begins it."""
        return Replay(small(), self.folder, self.push, lambda: self.now_us, self.told.append, self.pause)

    def for_s(self, seconds: float) -> Callable[[], bool]:
        """Says that the end is there after so many seconds."""
        end_us = self.now_us + int(seconds * SECOND_US)
        return lambda: self.now_us >= end_us

    @property
    def ids(self) -> list[str]:
        """The ids of all that was pushed."""
        return [each for frame in self.pushed for each in frame["event_id"]]

    @property
    def stamps_us(self) -> list[int]:
        """The times of all that was pushed."""
        return [each for frame in self.pushed for each in frame["departed_at"].dt.timestamp("us")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A root without a replay yet."""
    return World(tmp_path)


def test_history_comes_first_at_its_own_times(world: World) -> None:
    """The departures of the last two weeks are pushed at once, stamped with when they were."""
    replay = world.replay()
    assert replay.history_left == 5
    replay.catch_up(lambda: False)
    assert world.ids == ["event_id4-0", "event_id0-1", "event_id1-1", "event_id2-1", "event_id3-1"]
    assert world.stamps_us == [small().time_us(number) for number in range(4, 9)]
    assert (replay.history_left, world.now_us) == (0, NOW_US)


def test_live_departures_are_stamped_with_the_present(world: World) -> None:
    """Each comes when it is due by the speed, stamped with that time, never one ahead of the clock; long gaps are skipped."""
    replay = world.replay()
    replay.catch_up(lambda: False)
    world.pushed.clear()
    replay.play(60.0, world.for_s(13))
    quick = small().quick_us
    due = [NOW_US + (quick(number) - quick(9)) // 60 for number in range(9, 30)]
    assert world.stamps_us == [each for each in due if each <= NOW_US + 13 * SECOND_US]
    assert world.ids[:4] == ["event_id4-1", "event_id0-2", "event_id1-2", "event_id2-2"]


def test_a_twice_as_high_speed_pushes_twice_as_much(world: World) -> None:
    """The speed is how much of the flights' time goes by in the clock's."""
    counts = []
    for speed in (60.0, 120.0):
        again = World(world.folder / str(speed))
        again.replay().play(speed, again.for_s(600))
        counts.append(len(again.pushed))
    assert counts[1] == pytest.approx(2 * counts[0], rel=0.1)


def test_it_goes_on_where_it_was(world: World) -> None:
    """A later process pushes what comes next, stamped with its own present; nothing is left out, nothing comes twice."""
    world.replay().play(60.0, world.for_s(20))
    before = len(world.ids)
    world.now_us += 3 * DAY_US
    later_us = world.now_us
    world.replay().play(30.0, world.for_s(20))
    assert len(set(world.ids)) == len(world.ids) > before
    assert world.ids == small().records(4, 4 + len(world.ids), lambda _: 0)["event_id"].to_list()
    assert min(world.stamps_us[before:]) >= later_us


def test_what_may_have_been_pushed_is_pushed_again_as_it_was(world: World) -> None:
    """Killed after a push, before it was noted: the same events with the same times and ids come first, then the next ones."""
    replay = world.replay()
    replay.play(60.0, world.for_s(5))
    world.killed = True
    with pytest.raises(KeyboardInterrupt):
        replay.play(60.0, world.for_s(600))
    last = world.pushed[-1]
    world.killed = False
    world.now_us += DAY_US
    world.pushed.clear()
    world.replay().play(60.0, world.for_s(5))
    assert world.pushed[0].equals(last)
    assert last["event_id"][0] not in world.pushed[1]["event_id"]


def test_a_store_without_room_is_waited_out(world: World) -> None:
    """What was not taken is pushed again, and both ends of the trouble are told once."""
    replay = world.replay()
    world.failures = 5
    replay.catch_up(lambda: False)
    assert world.told == ["waits: no room", "goes on"]
    assert len(set(world.ids)) == len(world.ids) == 5
    assert world.now_us == NOW_US + 5 * SECOND_US


def test_it_ends_when_it_is_told_to(world: World) -> None:
    """Told before it begins it pushes nothing."""
    world.replay().play(60.0, lambda: True)
    assert world.pushed == []


@pytest.mark.parametrize("speed", [0.0, -1.0, 1e6, float("nan")])
def test_a_wrong_speed_is_told(world: World, speed: float) -> None:
    """A speed out of its range is the caller's mistake."""
    with pytest.raises(InputError, match="its speed must be"):
        world.replay().play(speed, lambda: True)


def test_a_broken_position_is_told(world: World) -> None:
    """A position that cannot be read is named, with what happens when it is removed."""
    world.replay().play(60.0, world.for_s(1))
    (world.folder / REPLAY_FILE).write_text("{}")
    with pytest.raises(FileError, match="its position must be readable"):
        world.replay()
