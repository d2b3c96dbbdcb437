"""The stream log on Kafka: brokers that go away and come back, records that nobody claimed, ids beside it."""

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from redis import Redis

from tests.pipelines import day
from tests.stores.kafka_mock import MockCluster
from tests.stores.logs import ALL, SHARDS, Clock, event, everything, ids, kafka_log, refused
from tests.streams import logged, opened, record, source, view_of
from tilefold.errors import InputError, StorePolicyError, StoreUnavailableError
from tilefold.stores.kafka_link import KafkaLink
from tilefold.stores.kafka_log import KafkaLog


@pytest.fixture(scope="module")
def mock() -> Iterator[MockCluster]:
    """A cluster that tests share which leave it as it is."""
    with MockCluster(brokers=2) as cluster:
        yield cluster


@pytest.fixture
def name() -> str:
    """A name of its own."""
    return f"kafka-{secrets.token_hex(4)}"


@pytest.fixture
def log(mock: MockCluster, online_url: str, name: str) -> Iterator[KafkaLog]:
    """A new log."""
    made = kafka_log(mock, online_url, name)
    yield made
    made.close()


def test_brokers_that_disappear_are_told_and_come_back(online_url: str) -> None:
    """While they are away every call fails by name; afterwards the same log goes on, with what it had, each event once."""
    with MockCluster() as cluster:
        log = kafka_log(cluster, online_url)
        log.append([event("a")])
        assert ids(log.read(ALL, 10)) == ["a"]
        cluster.down()
        calls = (
            lambda: log.append([event("b")]),
            lambda: log.append_barrier(1),
            lambda: log.read(ALL, 10),
            lambda: log.read({0: 1}, 10, wait_ms=3000),
            log.ends,
            log.starts,
        )
        for call in calls:
            with pytest.raises(StoreUnavailableError, match=r"stream log kafka://127\.0\.0\.1:\d+, topic .* must answer"):
                call()
        cluster.up()
        assert log.append([event("a"), event("b"), event("c", 1)])[0] is None
        log.append_barrier(1)
        assert ids(everything(log)) == ["a", "b", "c"]
        assert {place.epoch for place in log.ends().values()} == {2}
        assert log.events() == 3
        log.close()


def test_a_cluster_that_is_not_there_is_told(online_url: str) -> None:
    """Opening a log without brokers is an error that names them."""
    url = "kafka://127.0.0.1:1?socket.timeout.ms=500"
    with pytest.raises(StoreUnavailableError, match=r"kafka://127\.0\.0\.1:1, topic x\.spend"):
        KafkaLog.connect(url, online_url, "x", "spend", shards=4, horizon_us=1, now_us=Clock())


def test_a_producer_that_died_before_it_claimed(log: KafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its event is in the topic, not acknowledged: sent again it counts once, whether it was read in between or not."""

    def die(*_: object, **__: object) -> list[str]:
        raise KeyboardInterrupt

    for event_id, read_between in (("a", False), ("b", True)):
        with monkeypatch.context() as patch:
            patch.setattr(log._ids, "claim", die)
            patch.setattr(log._ids, "places", lambda wanted: [""] * len(wanted))
            with pytest.raises(KeyboardInterrupt):
                log.append([event(event_id)])
        if read_between:
            assert ids(everything(log)) == ["a", "b"]
        log.append([event(event_id)])
    assert ids(everything(log)) == ["a", "b"]
    assert (log.events(), log.ends()[0].position) == (2, 3), "one of them stands twice in the topic"


def test_producers_that_race_for_an_id(log: KafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two records of an id one counts, for whoever reads, and its producer alone is told that it was accepted."""
    monkeypatch.setattr(log._ids, "places", lambda wanted: [""] * len(wanted))
    positions = [log.append([event("a", shard)])[0] for shard in (2, 1, 2)]
    assert positions == [1, None, None]
    assert ids(everything(log)) == ["a"]
    log.append([event("b", 1)])
    assert ids(log.read({1: 0, 2: 1}, 1)) == ["b"], "repeats at the end of a shard keep nothing from being read"


def test_a_reader_passes_any_number_of_repeats(log: KafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read whose first records are all repeats gives what stands behind them."""
    log.append([event("a", 3)])
    with monkeypatch.context() as patch:
        patch.setattr(log._ids, "places", lambda wanted: [""] * len(wanted))
        for _ in range(20):
            log.append([event("a", 0)])
    log.append([event("b", 0)])
    assert ids(log.read({0: 0}, 3)) == ["b"]
    assert ids(log.read({0: 0}, 3, wait_ms=5000)) == ["b"]
    assert log.read({0: 21}, 3, wait_ms=100) == {}


def test_ids_that_were_lost_are_claimed_again(log: KafkaLog, online_url: str, name: str) -> None:
    """When the server beside Kafka loses its ids, readers still take each event of the topic, and each once."""
    log.append([event("a"), event("b", 1)])
    with Redis.from_url(online_url) as admin:
        for key in admin.keys(f"{name}:spend:log:ids:*"):
            admin.delete(key)
    log.append([event("a")])
    assert ids(everything(log)) == ["a", "b"]


def test_a_log_has_another_incarnation_when_it_is_another(mock: MockCluster, online_url: str, name: str) -> None:
    """The same topic keeps its name; a topic that is shorter than it was, or whose name was lost, is a new log."""
    first = kafka_log(mock, online_url, name)
    first.append([event("a"), event("b")])
    again = kafka_log(mock, online_url, name)
    assert again.incarnation == first.incarnation
    with MockCluster() as other:
        replaced = kafka_log(other, online_url, name)
        assert replaced.incarnation != first.incarnation
        assert replaced.append([event("a"), event("c")]) == [None, 1], "ids outlive the topic"
        replaced.close()
    with Redis.from_url(online_url) as admin:
        admin.delete(f"{name}:spend:log")
    lost = kafka_log(mock, online_url, name)
    assert lost.incarnation not in (first.incarnation, replaced.incarnation)
    assert ids(everything(lost)) == ["a", "b"]
    for each in (first, again, lost):
        each.close()


def test_another_number_of_partitions_is_refused(mock: MockCluster, online_url: str, name: str) -> None:
    """Shards are partitions, and their number cannot change."""
    mock.topic(f"{name}.spend", 3)
    with pytest.raises(
        StorePolicyError, match=r"it has 3 partitions, .* cannot change; got 4\. Declare PushConfig\(shards=3\)"
    ):
        kafka_log(mock, online_url, name)


class Told:
    """A result that is there."""

    def __init__(self, error: int | None = None) -> None:
        self.error = error

    def result(self) -> None:
        """Nothing, or an error of the broker."""
        if self.error is not None:
            raise KafkaException(KafkaError(self.error))


@pytest.mark.parametrize("error", [None, KafkaError.TOPIC_ALREADY_EXISTS])
def test_a_topic_is_made_so_that_nothing_is_dropped(mock: MockCluster, error: int | None) -> None:
    """It has a partition per shard, the brokers' own number of replicas, and no retention; another maker may be first."""
    link, asked = KafkaLink(mock.url, "t"), []

    class Admin:
        """Takes what the mock cluster does not."""

        def create_topics(self, topics: list[Any], request_timeout: float) -> dict[str, Told]:
            """Remember what was asked."""
            asked.extend([*topics, request_timeout])
            return {"t": Told(error)}

    link.admin = Admin()
    link.create(4)
    topic, _ = asked
    assert (topic.topic, topic.num_partitions, topic.replication_factor) == ("t", 4, -1)
    assert topic.config == {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


def test_what_the_brokers_forbid_is_told_apart(mock: MockCluster) -> None:
    """Missing rights and too large records are settings to change, not an outage."""
    link = KafkaLink(mock.url, "t")
    for code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.MSG_SIZE_TOO_LARGE):
        assert isinstance(link.translated(KafkaError(code)), StorePolicyError)
    assert isinstance(link.translated(KafkaError(KafkaError._ALL_BROKERS_DOWN)), StoreUnavailableError)


def test_trimming_deletes_records(log: KafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records before the given positions go, if they are old enough; a broker that cannot delete keeps them."""
    log.append([event(str(number), number % 2) for number in range(6)])
    ends = {shard: place.position for shard, place in log.ends().items()}
    assert log.trim(ends) == 6, "the mock cluster cannot"
    deleted: dict[int, int] = {}
    monkeypatch.setattr(log._link, "delete_upto", lambda cuts: deleted.update(cuts) or True)
    assert log.trim({0: 2, 1: 0, 2: 0, 3: 0}) == 4
    assert deleted == {0: 2}
    asked: list[int] = []

    def since(shards: dict[int, int], time_ms: int) -> dict[int, int]:
        asked.append(time_ms)
        return dict.fromkeys(shards, 1)

    monkeypatch.setattr(log._link, "since", since)
    deleted.clear()
    assert log.trim(ends) == 4
    assert (deleted, len(asked)) == ({0: 1, 1: 1}, 1), "the second of each shard is too young"


def test_reading_behind_what_was_trimmed(log: KafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader whose place is gone begins with the first record that is left."""
    log.append([event("a"), event("b"), event("c")])
    monkeypatch.setattr(log._link, "firsts", lambda shards: dict.fromkeys(shards, 2))
    assert ids(log.read({0: 0}, 10)) == ["c"]
    monkeypatch.setattr(log._link, "firsts", lambda shards: dict.fromkeys(shards, 3))
    assert log.read({0: 1}, 10) == {}


def test_a_barrier_that_was_cut_short_may_stand_twice(log: KafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeated after a crash it changes no epoch, since it carries its number."""
    with monkeypatch.context() as patch:
        patch.setattr(log._ids, "note", lambda *_: None)
        log.append_barrier(3)
    log.append_barrier(3)
    log.append_barrier(3)
    numbers = [entry.number for some in everything(log).values() for entry in some]
    assert numbers == [3] * 2 * SHARDS
    assert {place.epoch for place in log.ends().values()} == {4}


def test_a_full_queue_is_waited_for(mock: MockCluster, online_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More records than the producer holds at once get in all the same."""
    name, real = f"kafka-{secrets.token_hex(4)}", KafkaLink.__init__

    def small(self: KafkaLink, url: str, topic: str) -> None:
        real(self, url, topic)
        self.settings = self.settings | {"queue.buffering.max.messages": 10}

    monkeypatch.setattr(KafkaLink, "__init__", small)
    log = kafka_log(mock, online_url, name)
    assert None not in log.append([*(event(str(number)) for number in range(200)), refused("r")])
    assert len(ids(everything(log))) == 200
    log.close()


def test_without_the_library_it_is_told(tmp_path: Path, online_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka is an extra: who has not installed it is told how."""
    monkeypatch.setitem(sys.modules, "tilefold.stores.kafka_log", None)
    with (
        opened(tmp_path, online_url, "kafka://a:9092") as ws,
        pytest.raises(InputError, match=r"pip install tilefold\[kafka\]"),
    ):
        ws.ingest("pushed", [])


def test_a_workspace_on_kafka(tmp_path: Path, online_url: str, mock: MockCluster, name: str) -> None:
    """Pushed events go the whole way: served at once, drained once, compacted behind barriers, refused ones kept."""
    mock.topic(f"{name}.pushed", SHARDS)
    with opened(tmp_path, online_url, mock.url, view_of(source()), name=name) as ws:
        given = [record("a", 8, number, str(number)) for number in range(20)]
        receipt = ws.ingest("pushed", [*given, given[0], record("a", 8, "bad")])
        assert (receipt.accepted, receipt.duplicate, len(receipt.refused)) == (20, 1, 1)
        assert ws.get_features("spend", {"user": "a"}).values["spend.units_sum_30d"] == 190
        report = ws.materialize("spend", day(9))
        assert report.compaction is not None
        assert (report.compaction.events, report.compaction.epoch) == (20, 1)
        ws.ingest("pushed", [record("a", 8, 5, "late")])
        assert ws.get_features("spend", {"user": "a"}).values["spend.units_sum_30d"] == 195
        assert not ws.materialize("spend", day(9)).skipped
        assert ws.get_features("spend", {"user": "a"}).values["spend.units_sum_30d"] == 195
        assert logged(ws) == sorted([str(number) for number in range(20)] + ["late"])
        assert ws.dead_letters("pushed").count() == 1
        assert ws.drain("pushed").caught_up
