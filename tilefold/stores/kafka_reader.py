"""Reads a topic from given places on.

The rule: a reader that goes on where it stopped keeps its consumer and what that has fetched ahead; any other place makes it
seek.
Consumers belong to no group and commit nothing: places are kept by who reads.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from tilefold.errors import StoreUnavailableError, complaint
from tilefold.stores.kafka_link import KafkaLink, quiet

STALL_S = 10.0
"""How long to wait for a record that the broker says is there."""
_WAIT_STEP_S = 0.5
_MESSAGES_AT_ONCE = 1000
Messages: TypeAlias = dict[int, list[Message]]


@dataclass(slots=True)
class _Cursor:
    """A consumer and where it stands; `error` is the last one that it told of."""

    consumer: Consumer
    places: dict[int, int] = field(default_factory=dict)
    error: KafkaError | None = None


class KafkaReader:
    """The consumers of one topic; safe to share among threads."""

    def __init__(self, link: KafkaLink) -> None:
        self._link = link
        self._idle: list[_Cursor] = []  # append and pop are atomic

    def read(self, after: Mapping[int, int], limit: int, wait_ms: int) -> Messages:
        """The records behind these positions (one more than a record's offset), about `limit`; waits for the first one.

        Raises
        ------
        StoreUnavailableError
            The brokers do not answer.
        """
        targets = {} if wait_ms else self._targets(after)
        if not wait_ms and not targets:
            return {}
        with self._link.faults():
            cursor = self._at(after)
            try:
                found = self._waited(cursor, limit, wait_ms) if wait_ms else self._reached(cursor, targets, limit)
            except BaseException:
                cursor.consumer.close()
                raise
        self._idle.append(cursor)
        if not found and cursor.error is not None:
            self._targets(after)  # raises where the brokers are still away
            cursor.error = None
        return found

    def close(self) -> None:
        """Close the consumers."""
        while self._idle:
            self._idle.pop().consumer.close()

    def _targets(self, after: Mapping[int, int]) -> dict[int, int]:
        """The ends of the partitions that hold something behind these positions."""
        ends = self._link.nexts(after)
        return {shard: end for shard, end in ends.items() if end > after[shard]}

    def _waited(self, cursor: _Cursor, limit: int, wait_ms: int) -> Messages:
        deadline_s = time.monotonic() + wait_ms / 1000
        found: Messages = {}
        while not found and (left_s := deadline_s - time.monotonic()) > 0:
            self._take(cursor, found, 1, min(left_s, _WAIT_STEP_S))
        while found and limit > 1 and (taken := self._take(cursor, found, min(limit - 1, _MESSAGES_AT_ONCE), 0)):
            limit -= taken
        return found

    def _reached(self, cursor: _Cursor, targets: Mapping[int, int], limit: int) -> Messages:
        found: Messages = {}
        stalled_s = time.monotonic() + STALL_S
        while limit > 0 and any(cursor.places[shard] < end for shard, end in targets.items()):
            if taken := self._take(cursor, found, min(limit, _MESSAGES_AT_ONCE), 0.1):
                limit -= taken
                stalled_s = time.monotonic() + STALL_S
            elif time.monotonic() > stalled_s:
                mend = "Look at the brokers, then try again."
                rule = f"its brokers must give records that they have within {STALL_S:g} s"
                raise StoreUnavailableError(complaint(self._link.thing, rule, f"{cursor.error}", mend))
        return found

    def _take(self, cursor: _Cursor, found: Messages, limit: int, wait_s: float) -> int:
        messages = cursor.consumer.consume(limit, wait_s)
        for message in messages:
            if (error := message.error()) is not None:
                raise self._link.translated(error)
            shard, offset = message.partition(), message.offset()
            found.setdefault(shard, []).append(message)
            cursor.places[shard] = offset + 1
        return len(messages)

    def _at(self, after: Mapping[int, int]) -> _Cursor:
        """A consumer that stands behind these positions, or behind what was trimmed."""
        wanted = dict(after)
        cursor = self._idle.pop() if self._idle else self._opened()
        if cursor.places != wanted:
            starts = self._link.firsts(wanted)
            cursor.places = {shard: max(place, starts[shard]) for shard, place in wanted.items()}
            cursor.consumer.assign([TopicPartition(self._link.topic, *place) for place in cursor.places.items()])
        return cursor

    def _opened(self) -> _Cursor:
        def note(error: KafkaError) -> None:
            cursor.error = error

        fixed = {
            "group.id": "tilefold",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 100,
            "error_cb": note,
        }
        cursor = _Cursor(Consumer(self._link.settings | fixed, logger=quiet()))
        return cursor
