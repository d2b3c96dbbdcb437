"""The ways to talk to Kafka: settings from a URL, the broker's errors as ours, offsets of all partitions at once.

    kafka://user:password@host:9092,host:9092?security.protocol=SASL_SSL&sasl.mechanism=PLAIN

The rule: no error of the client library leaves here, and none of ours shows a password. What stands in the query goes to
librdkafka as it is.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from tilefold.errors import InputError, StorePolicyError, StoreUnavailableError, SystemFault, complaint

REQUEST_TIMEOUT_S = 10.0
DELIVERY_TIMEOUT_MS = 30_000
_DEFAULTS = {"socket.timeout.ms": "10000", "reconnect.backoff.max.ms": "1000", "log.connection.close": "false"}
_FORBIDDEN = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.POLICY_VIOLATION,
    KafkaError.INVALID_REPLICATION_FACTOR,
}


class KafkaLink:
    """One topic of a cluster.

    Attributes
    ----------
    settings
        What every client of it is made with.
    delivery_ms
        How long a producer tries.
    thing
        The topic as errors name it.
    """

    def __init__(self, url: str, topic: str) -> None:
        settings = settings_of(url)
        self.delivery_ms = int(settings.pop("delivery.timeout.ms", DELIVERY_TIMEOUT_MS))
        self.settings = settings
        self.topic = topic
        self.thing = f"stream log kafka://{self.settings['bootstrap.servers']}, topic {topic}"
        self.timeout_s = min(REQUEST_TIMEOUT_S, int(str(self.settings["socket.timeout.ms"])) / 1000)
        self._password = str(self.settings.get("sasl.password", ""))
        with self.faults():
            self.admin = AdminClient(dict(self.settings), logger=quiet())

    @contextmanager
    def faults(self) -> Iterator[None]:
        """A context that turns the client library's errors into ours."""
        try:
            yield
        except KafkaException as error:
            raise self.translated(error.args[0]) from error

    def translated(self, error: KafkaError) -> SystemFault:
        """Our error for one of the client library."""
        text = str(error).replace(self._password, "***") if self._password else str(error)
        if error.code() in _FORBIDDEN:
            mend = "Change the cluster's or the topic's settings, or the user's rights, so that it allows this."
            return StorePolicyError(complaint(self.thing, "its brokers must allow what Tilefold does", text, mend))
        mend = "Start the brokers or mend the stream URL, then try again: events that were not acknowledged may be repeated."
        return StoreUnavailableError(complaint(self.thing, "its brokers must answer", text, mend))

    def partitions(self) -> int:
        """How many the topic has; 0 where there is no such topic."""
        with self.faults():
            topics = self.admin.list_topics(timeout=self.timeout_s).topics
        return len(topics[self.topic].partitions) if self.topic in topics else 0

    def create(self, partitions: int) -> None:
        """Make the topic; nothing of it is dropped but by `delete_upto`. One that was made meanwhile is left as it is."""
        config = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
        with self.faults():
            made = self.admin.create_topics(
                [NewTopic(self.topic, partitions, -1, config=config)], request_timeout=self.timeout_s
            )
            try:
                made[self.topic].result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise

    def firsts(self, shards: Iterable[int]) -> dict[int, int]:
        """The first offset that each partition still has."""
        return self._offsets(shards, OffsetSpec.earliest())

    def nexts(self, shards: Iterable[int]) -> dict[int, int]:
        """The offset that each partition's next record will have."""
        return self._offsets(shards, OffsetSpec.latest())

    def since(self, shards: Iterable[int], time_ms: int) -> dict[int, int]:
        """The offset of each partition's first record from a time on; -1 for none."""
        return self._offsets(shards, OffsetSpec.for_timestamp(time_ms))

    def _offsets(self, shards: Iterable[int], spec: OffsetSpec) -> dict[int, int]:
        asked = {TopicPartition(self.topic, shard): spec for shard in shards}
        with self.faults():
            told = self.admin.list_offsets(asked, request_timeout=self.timeout_s)
            return {place.partition: future.result().offset for place, future in told.items()}

    def delete_upto(self, offsets: Mapping[int, int]) -> bool:
        """Drop the records before these offsets; False where the broker cannot."""
        places = [TopicPartition(self.topic, shard, offset) for shard, offset in offsets.items()]
        with self.faults():
            try:
                for future in self.admin.delete_records(places, request_timeout=self.timeout_s).values():
                    future.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError._UNSUPPORTED_FEATURE:  # noqa: SLF001 - the library's name for it
                    return False
                raise
        return True


def settings_of(url: str) -> dict[str, Any]:
    """What the clients are made with.

    Raises
    ------
    InputError
        The URL names no broker.
    """
    parts = urlsplit(url)
    user, _, brokers = parts.netloc.rpartition("@")
    if not brokers:
        rule = "it must name a broker: kafka://host:port, with special characters of a password as %XX"
        raise InputError(complaint("stream URL", rule, "another text", "Write it as kafka://host:9092."))
    given = dict(parse_qsl(parts.query))
    if user:
        name, _, password = user.partition(":")
        given = {"sasl.username": unquote(name), "sasl.password": unquote(password)} | given
    return {**_DEFAULTS, **given, "bootstrap.servers": brokers}


def quiet() -> logging.Logger:
    """Where the client library logs: what goes wrong is told by our errors."""
    logger = logging.getLogger("tilefold.kafka")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
