"""Writing a view's stream parts: each event once, whoever writes, whatever breaks, and wherever it is taken up again."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.engine.stream_drawing import BEGIN_US, SCHEDULE_US
from tests.engine.stream_keys import few_loose
from tests.serving.stream_memory import (
    CODEC,
    LOG,
    CrashError,
    MemoryLog,
    MemoryParts,
    expected_in,
    held_by,
    writer_of,
)
from tilefold.engine.mark import Mark
from tilefold.engine.stream_part import StreamPart
from tilefold.errors import ConflictError, CorruptBlobError
from tilefold.serving import stream_view
from tilefold.serving.stream_writer import StreamWriter
from tilefold.stores.stream_log import ORIGIN, Place

RELAXED = settings(deadline=None, max_examples=examples(60), suppress_health_check=list(HealthCheck), print_blob=True)
USERS = "abc"
EVENTS_MAX = 50  # their numbers are bits of a sum


def filled(chance: random.Random, log: MemoryLog, most: int, numbers: list[int]) -> None:
    """Put some events, barriers and refused events into a log."""
    for _ in range(chance.randint(0, most)):
        if log.last < EVENTS_MAX and chance.random() < 0.85:
            log.event(chance.randrange(log.shards), chance.choice(USERS), BEGIN_US + chance.randrange(4 * SCHEDULE_US))
        elif log.last < EVENTS_MAX:
            log.refused(chance.randrange(log.shards))
    if chance.random() < 0.3 and log.last < EVENTS_MAX:
        numbers.append(len(numbers) + 1)
        log.barrier(numbers[-1])


def started(log: MemoryLog) -> MemoryParts:
    """A store whose view takes the log from where it ends."""
    store = MemoryParts()
    store.register(log.ends())
    return store


def caught_up(writer: StreamWriter) -> None:
    """Let a writer come to the end of the log."""
    for _ in range(200):
        if not writer.step().entries:
            return
    pytest.fail("a writer that reads and never comes to the end")


# --- laws


@RELAXED
@given(
    seed=st.integers(0, 2**32),
    writers=st.integers(1, 3),
    cache=st.sampled_from([0, 400, 2**20]),
    loose=st.sampled_from([0, 64]),
)
def test_each_event_is_counted_once(seed: int, writers: int, cache: int, loose: int) -> None:
    """Writers that work, crash in the middle of anything, start again and disturb each other: every event is in once.

    Events come between their steps, over barriers; a writer forgets what it kept when its memory is full.
    """
    chance, log = random.Random(seed), MemoryLog(shards=chance_of_shards(seed))
    numbers: list[int] = []
    store = started(log)
    running = [writer_of(log, store, cache_bytes=cache) for _ in range(writers)]
    with few_loose(loose, 0):
        for _ in range(chance.randint(3, 25)):
            filled(chance, log, 4, numbers)
            place = chance.randrange(writers)
            others = [writer for number, writer in enumerate(running) if number != place]
            store.step = interrupted(chance, others)
            try:
                shards = [shard for shard in range(log.shards) if chance.random() < 0.8]
                running[place].step(shards, limit=chance.randint(1, 9))
            except CrashError:
                running[place] = writer_of(log, store, cache_bytes=cache) if chance.random() < 0.5 else running[place]
            store.step = lambda: None
        for writer in running:
            caught_up(writer)
    assert held_by(store) == expected_in(log)


def chance_of_shards(seed: int) -> int:
    """One, two or three shards."""
    return seed % 3 + 1


def interrupted(chance: random.Random, others: Sequence[StreamWriter]) -> Callable[[], None]:
    """What happens at each step of a writer in the store: nothing, a crash, or another writer's whole step."""
    inside = False

    def step() -> None:
        nonlocal inside
        drawn = chance.random()
        if inside or drawn > 0.12:
            return
        if drawn < 0.05:
            raise CrashError
        if others:
            inside = True
            try:
                chance.choice(others).step(limit=chance.randint(1, 5))
            finally:
                inside = False

    return step


@RELAXED
@given(seed=st.integers(0, 2**32), cache=st.sampled_from([0, 2**20]))
def test_a_store_that_came_back_older(seed: int, cache: int) -> None:
    """A server that lost its last writes, in the middle of a step or between two: all that it lost is written again."""
    chance, log, numbers = random.Random(seed), MemoryLog(), list[int]()
    store = started(log)
    disks = [store.copied()]
    running = [writer_of(log, store, cache_bytes=cache) for _ in range(2)]

    def step() -> None:
        disks.append(store.copied())
        if chance.random() < 0.05:
            store.restart(disks[chance.randrange(max(0, len(disks) - 6), len(disks))])
            disks[:] = [store.copied()]

    for _ in range(chance.randint(3, 20)):
        filled(chance, log, 4, numbers)
        store.step = step
        chance.choice(running).step(limit=chance.randint(1, 9))
        store.step = lambda: None
    for writer in running:
        caught_up(writer)
    assert held_by(store) == expected_in(log)


@RELAXED
@given(seed=st.integers(0, 2**32))
def test_a_view_that_is_seeded_beside_its_writers(seed: int) -> None:
    """Its parts are written anew as of some drained place, while writers sleep or are in the middle of a step."""
    chance, log, numbers = random.Random(seed), MemoryLog(), list[int]()
    store = started(log)
    running = [writer_of(log, store) for _ in range(2)]
    seedings = 0

    def step() -> None:
        nonlocal seedings
        if chance.random() < 0.08:
            seedings += 1
            end = chance.randint(max(0, log.last - 9), log.last)
            store.seed(log, dict.fromkeys(range(log.shards), end), None, b"seeding %d" % seedings)

    for _ in range(chance.randint(3, 20)):
        filled(chance, log, 4, numbers)
        store.step = step
        chance.choice(running).step(limit=chance.randint(1, 9))
        store.step = lambda: None
    for writer in running:
        writer.look()
        caught_up(writer)
    assert held_by(store) == expected_in(log)


@RELAXED
@given(seed=st.integers(0, 2**32), loose=st.sampled_from([0, 64]))
def test_marks_take_away_what_they_cover(seed: int, loose: int) -> None:
    """As marks move, parts lose the covered rows and nothing else, though a writer may know an older mark only."""
    chance, log, numbers = random.Random(seed), MemoryLog(), list[int]()
    store, marks = started(log), list[Mark]()
    writer = writer_of(log, store, lambda: chance.choice(marks[-2:]) if marks else None)
    with few_loose(loose, 0):
        for _ in range(chance.randint(3, 20)):
            filled(chance, log, 4, numbers)
            writer.step(limit=chance.randint(1, 9))
            if numbers and chance.random() < 0.4:
                newest_us = max([mark.watermark_us for mark in marks], default=BEGIN_US)
                marks.append(Mark(newest_us + chance.choice([0, SCHEDULE_US]), numbers[-1]))
        for user in USERS:
            log.event(0, user, BEGIN_US + 10 * SCHEDULE_US)
        marks = marks[-1:]
        caught_up(writer)
    assert held_by(store) == expected_in(log, marks[-1] if marks else None)


# --- single rules


def test_a_part_takes_what_it_lacks() -> None:
    """After a crash between two keys, one has all events and one none: each gets its own, and the place moves once.

    place of the view   |........a b a b|
    part of a           |===============|
    part of b           |==|
    """
    log = MemoryLog(1)
    store = started(log)
    for user in "abab":
        log.event(0, user, BEGIN_US)
    crashed = writer_of(log, store)
    left = 7  # two rows folded, twice told each; reading, and the write of one key, told before and after

    def crash() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise CrashError

    crashed.look()
    store.step = crash
    with pytest.raises(CrashError):
        crashed.step()
    store.step = lambda: None
    assert held_by(store) == {"a": {1: [1, 3]}}
    assert store.state is not None
    assert store.state.places[0] == ORIGIN
    caught_up(writer_of(log, store))
    assert held_by(store) == {"a": {1: [1, 3]}, "b": {1: [2, 4]}}
    assert store.state.places[0] == Place(4, 1)


def test_events_are_cut_where_some_part_ends() -> None:
    """Parts that end at different places inside of what was read each get the rest, over a barrier too."""
    log = MemoryLog(1)
    store = started(log)
    first = writer_of(log, store)
    log.event(0, "a", BEGIN_US)
    log.event(0, "b", BEGIN_US)
    first.step()
    log.event(0, "a", BEGIN_US)
    log.barrier(1)
    log.event(0, "a", BEGIN_US)
    first.step()
    assert store.state is not None
    store.state.places[0] = ORIGIN  # as if it had crashed before it noted any place
    log.event(0, "b", BEGIN_US)
    log.event(0, "a", BEGIN_US)
    caught_up(writer_of(log, store))
    assert held_by(store) == {"a": {1: [1, 3], 2: [5, 7]}, "b": {1: [2], 2: [6]}}


def test_a_conflict_is_resolved_from_what_is_there() -> None:
    """Of two writers that read the same events the second is refused, looks again, and adds nothing that is in."""
    log = MemoryLog(1)
    store = started(log)
    one, other = writer_of(log, store), writer_of(log, store)
    log.event(0, "a", BEGIN_US)
    other.step()
    log.event(0, "a", BEGIN_US)
    one.step()
    other.step()
    assert held_by(store) == {"a": {1: [1, 2]}}
    assert other.views[0].places == one.views[0].places


def test_endless_conflicts_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that always comes second gives up by name instead of turning for ever."""
    monkeypatch.setattr(stream_view, "ATTEMPTS", 3)
    log = MemoryLog(1)
    store = started(log)
    log.event(0, "a", BEGIN_US)
    writer = writer_of(log, store)
    writer.look()
    store.step = lambda: (
        store.parts.update(a=b"") or store.parts.__setitem__(b"a", CODEC.encode(StreamPart(LOG, store.reads + 1)))
    )  # type: ignore[func-returns-value]
    with pytest.raises(ConflictError, match=r"view 'counted'.*3 attempts"):
        writer.step()


def test_what_was_kept_is_not_read_again() -> None:
    """An owner reads a key's part once; a part that falls out of its memory is read anew."""
    log = MemoryLog(1)
    store = started(log)
    writer, small = writer_of(log, store), writer_of(log, store, cache_bytes=0)
    for each in (writer, small):
        before = store.reads
        for _ in range(4):
            for user in "ab":
                log.event(0, user, BEGIN_US)
            each.look()
            each.step()
        assert store.reads - before == (2 if each is writer else 5)  # the last one written stays
    assert held_by(store) == expected_in(log)


def test_another_log() -> None:
    """A part of another log counts for nothing and is replaced; a view that takes another log is left alone."""
    log = MemoryLog(1)
    store = started(log)
    foreign = StreamPart(LOG + 1, 5, {0: 99})
    store.parts[b"a"] = CODEC.encode(foreign)
    log.event(0, "a", BEGIN_US)
    caught_up(writer_of(log, store))
    assert held_by(store) == {"a": {1: [1]}}
    assert CODEC.decode(store.parts[b"a"]).log == LOG
    other = MemoryLog(1, "another")
    other.event(0, "b", BEGIN_US)
    writer = writer_of(other, store)
    writer.views[0]._log = LOG + 1
    assert writer.step().entries == 0
    assert b"b" not in store.parts


def test_a_view_behind_the_start_of_its_log_takes_nothing() -> None:
    """What was trimmed behind its places is in no part: going on would hide that until the next compaction."""
    log = MemoryLog(2)
    store = started(log)
    for user in "abc":
        log.event(0, user, BEGIN_US)
    log.trimmed[0] = 2
    writer = writer_of(log, store)
    assert writer.step().entries == 0
    assert writer.views[0].places is None
    assert store.parts == {}
    store.seed(log, {0: 2, 1: 0}, None, b"seeded")
    writer.look()
    caught_up(writer)
    assert held_by(store) == expected_in(log)


def test_a_log_that_is_trimmed_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drain that knows places which the store has lost may trim before the read, after the look: nothing is folded then."""
    log = MemoryLog(2)
    store = started(log)
    writer = writer_of(log, store)
    writer.look()
    for user in "abc":
        log.event(0, user, BEGIN_US)
    read = log.read

    def trimmed_before(*given: Any) -> Any:
        log.trimmed[0] = 2
        return read(*given)

    monkeypatch.setattr(log, "read", trimmed_before)
    assert writer.step().entries == 0
    assert writer.views[0].places is None
    assert store.parts == {}


def test_a_broken_part_stops_the_writer() -> None:
    """It is neither overwritten nor skipped: the error names it, and nothing is noted."""
    log = MemoryLog(1)
    store = started(log)
    log.event(0, "a", BEGIN_US)
    store.parts[b"a"] = b"\x01\x02 broken"
    with pytest.raises(CorruptBlobError, match="stream part"):
        writer_of(log, store).step()
    assert store.parts[b"a"] == b"\x01\x02 broken"
    assert store.state is not None
    assert store.state.places[0] == ORIGIN


def test_barriers_alone_move_the_place() -> None:
    """Entries without events write no part, and the epoch behind them is noted."""
    log = MemoryLog(2)
    store = started(log)
    log.barrier(4)
    log.refused(1)
    caught_up(writer_of(log, store))
    assert (store.writes, store.parts) == (0, {})
    assert store.state is not None
    assert store.state.places == {0: Place(1, 5), 1: Place(3, 5)}
