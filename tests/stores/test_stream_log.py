"""What every stream log keeps: places, order, ids once, barriers by their numbers."""

import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.stores.kafka_mock import MockCluster
from tests.stores.logs import (
    ALL,
    HORIZON_US,
    SHARDS,
    Clock,
    event,
    everything,
    ids,
    kafka_log,
    refused,
    stream_server,
    valkey_log,
)
from tilefold.engine.time import DAY_US
from tilefold.stores.stream_log import Entry, Kind, Place, StreamLog


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that all logs share."""
    with stream_server(tmp_path_factory.mktemp("streams")) as server:
        yield server.url


@pytest.fixture
def clock() -> Clock:
    """The clock of the log."""
    return Clock()


@pytest.fixture(scope="module")
def mock() -> Iterator[MockCluster]:
    """A Kafka cluster that all logs share."""
    with MockCluster() as cluster:
        yield cluster


@pytest.fixture(params=["valkey", "kafka"])
def log(request: pytest.FixtureRequest, url: str, clock: Clock) -> Iterator[StreamLog]:
    """A new log of each kind."""
    opened: StreamLog
    if request.param == "kafka":
        opened = kafka_log(request.getfixturevalue("mock"), url, clock=clock)
    else:
        opened = valkey_log(url, clock=clock)
    yield opened
    opened.close()


def test_what_was_appended_is_read_in_order(log: StreamLog) -> None:
    """Entries come back as they went in, each at the position that `append` told, in order of positions."""
    given = [event("a", 1), event("b", 0, b"\x00\xff"), refused("c", 1), event("", 3), event("é", 1)]
    positions = log.append(given)
    found = everything(log)
    assert {shard: [entry.position for entry in some] for shard, some in found.items()} == {
        shard: sorted(position for position, entry in zip(positions, given, strict=True) if entry.shard == shard and position)
        for shard in (0, 1, 3)
    }
    by_place = {(shard, entry.position): entry for shard, some in found.items() for entry in some}
    for position, each in zip(positions, given, strict=True):
        assert position is not None
        assert by_place[each.shard, position] == Entry(position, each.kind, each.event_id, each.payload, 0)


def test_an_empty_log_is_at_its_origin(log: StreamLog) -> None:
    """Nothing was written, trimmed or counted."""
    assert log.append([]) == []
    assert log.ends() == dict.fromkeys(range(SHARDS), Place(0, 1))
    assert log.starts() == ALL
    assert (log.events(), log.read(ALL, 10)) == (0, {})


def test_an_id_is_accepted_once(log: StreamLog) -> None:
    """An id that was accepted has no position again, in the same call or a later one, whatever its payload and shard."""
    first = log.append([event("a"), event("b"), event("a", 2)])
    assert first[2] is None
    assert log.append([event("b", 3, b"other"), event("c")])[0] is None
    assert ids(everything(log)) == ["a", "b", "c"]
    assert log.events() == 3


def test_refused_entries_are_not_deduplicated(log: StreamLog) -> None:
    """Refused events stand as often as they came, and take no id away from an event."""
    assert None not in log.append([refused("a"), refused("a"), event("a")])
    assert (len(everything(log)[0]), log.events()) == (3, 1)


def test_entered_ids_are_dropped(log: StreamLog) -> None:
    """Ids that came another way count as accepted; those of the log keep their places."""
    log.append([event("a")])
    log.enter_ids(["a", "b", *(f"more {number}" for number in range(2500))])
    assert log.append([event("b"), event("more 2499"), event("c"), event("a")])[:2] == [None, None]
    assert ids(everything(log)) == ["a", "c"]


@pytest.mark.parametrize(("days", "accepted"), [(0.9, False), (2.9, False), (4.1, True), (-1.5, False), (-40, False)])
def test_ids_are_remembered_for_the_horizon(log: StreamLog, clock: Clock, days: float, accepted: bool) -> None:
    """An id is dropped for three days of the clock, also when the clock jumps back, and forgotten a day later."""
    log.append([event("a")])
    clock.now_us += int(days * DAY_US)
    assert (log.append([event("a")]) != [None]) is accepted
    assert HORIZON_US == 3 * DAY_US


def test_positions_grow_within_a_shard(log: StreamLog) -> None:
    """Over many calls of many sizes, and barriers in between, each shard's positions ascend and end where `ends` says."""
    for number in range(30):
        log.append([event(f"{number}-{each}", each % SHARDS) for each in range(number)])
        if number % 10 == 0:
            log.append_barrier(number // 10 + 1)
    for shard, some in everything(log).items():
        positions = [entry.position for entry in some]
        assert positions == sorted(set(positions))
        assert log.ends()[shard] == Place(positions[-1], 4)


def test_a_barrier_stands_in_every_shard_once(log: StreamLog) -> None:
    """A barrier that is repeated, or comes after a larger one, adds nothing; the epoch behind it is its number and one."""
    for number in (3, 3, 2):
        log.append_barrier(number)
    found = everything(log)
    assert [(entry.kind, entry.number, entry.event_id) for some in found.values() for entry in some] == [
        (Kind.BARRIER, 3, "")
    ] * SHARDS
    assert {place.epoch for place in log.ends().values()} == {4}


def test_reading_begins_behind_a_position(log: StreamLog) -> None:
    """A reader that stands in the midst of what one call brought gets the rest of it, and only the shards it asks for."""
    positions = log.append([event(str(number), number % 2) for number in range(10)])
    middle = positions[4]
    assert middle is not None
    assert [entry.event_id for entry in log.read({0: middle}, 100)[0]] == ["6", "8"]
    assert log.read({0: middle}, 100).keys() == {0}


def test_a_large_call_comes_back_whole(log: StreamLog) -> None:
    """More entries than one script may take, and entries larger than one script should be, all get in."""
    many = [event(f"many {number}", number % SHARDS) for number in range(2500)]
    large = [event(f"large {number}", 1, bytes([number]) * 400_000) for number in range(3)]
    assert None not in log.append([*many, *large])
    found = everything(log)
    assert sorted(ids(found)) == sorted(entry.event_id for entry in [*many, *large])
    assert [entry.payload for entry in found[1] if entry.event_id.startswith("large")] == [entry.payload for entry in large]


def test_a_reader_waits_for_the_first_entry(log: StreamLog) -> None:
    """A waiting reader gets an entry as soon as it is there, long before its time is over."""
    writer = threading.Timer(0.2, lambda: log.append([event("a", 2)]))
    writer.start()
    began_s = time.monotonic()
    found = log.read(ALL, 10, wait_ms=20_000)
    assert ids(found) == ["a"]
    assert 0.1 < time.monotonic() - began_s < 15
    writer.join()


def test_a_reader_in_vain_gets_nothing(log: StreamLog) -> None:
    """After its time a waiting reader comes back with nothing, and not before."""
    began_s = time.monotonic()
    assert log.read(ALL, 10, wait_ms=150) == {}
    assert time.monotonic() - began_s >= 0.15


def test_two_threads_with_the_same_ids(log: StreamLog) -> None:
    """Events that two callers send at once are accepted once each."""
    positions: list[list[int | None]] = []

    def send(order: int) -> None:
        given = [event(f"id {number}", number % SHARDS) for number in range(300)][::order]
        positions.extend(log.append(given[start : start + 10]) for start in range(0, 300, 10))

    threads = [threading.Thread(target=send, args=(order,)) for order in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = [position for some in positions for position in some if position is not None]
    assert (len(accepted), log.events()) == (300, 300)
    assert sorted(ids(everything(log))) == sorted(f"id {number}" for number in range(300))


@pytest.mark.parametrize("kind", ["valkey", "kafka"])
def test_a_second_opener_finds_the_same_log(url: str, mock: MockCluster, kind: str) -> None:
    """All openers of one name see one incarnation; another name is another log."""
    kinds = {"valkey": partial(valkey_log, url), "kafka": partial(kafka_log, mock, url)}
    one, two, other = kinds[kind](f"same-{kind}"), kinds[kind](f"same-{kind}"), kinds[kind]()
    one.append([event("a")])
    assert (ids(everything(two)), two.append([event("a")]), two.incarnation) == (["a"], [None], one.incarnation)
    assert (ids(everything(other)), other.incarnation == one.incarnation) == ([], False)
    for each in (one, two, other):
        each.close()
