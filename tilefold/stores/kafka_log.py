"""The stream log on Kafka: a topic per source, a partition per shard.

The rule: what was acknowledged is with all replicas that Kafka waits for (`acks=all`, idempotent producer). Kafka cannot keep
an id out that came before, so each id has one place (see `event_id_places`), claimed when its record is there, and a reader
drops a record whose id has another. A record that nobody claimed, since its producer died, is claimed by its first reader.

A position is a record's offset and one. Headers of a record: `k`, its kind, and `id`, its event id; a barrier's value is its
number. Do not change: it is in topics.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Self

from confluent_kafka import KafkaError, Message, Producer

from tilefold.errors import StorePolicyError, complaint
from tilefold.stores.event_id_places import EventIdPlaces
from tilefold.stores.kafka_link import KafkaLink, quiet
from tilefold.stores.kafka_reader import KafkaReader, Messages
from tilefold.stores.online_connect import client_of
from tilefold.stores.online_link import OnlineLink
from tilefold.stores.stream_log import Entry, Kind, NewEntry, Place

KEEP_S = 3600
_POLL_S = 0.05
_FLUSH_MARGIN_S = 5.0


class KafkaLog:
    """A `StreamLog`; safe to share among threads, not after a fork."""

    def __init__(self, link: KafkaLink, ids: EventIdPlaces, shards: int, keep_s: float) -> None:
        self._link, self._ids, self._keep_s = link, ids, keep_s
        self._reader = KafkaReader(link)
        fixed = {"enable.idempotence": True, "acks": "all", "linger.ms": 1, "delivery.timeout.ms": link.delivery_ms}
        self._delivery_s = link.delivery_ms / 1000 + _FLUSH_MARGIN_S
        with link.faults():
            self._producer = Producer(link.settings | fixed, logger=quiet())
        self.shards = shards
        self.incarnation = ""

    @classmethod
    def connect(
        cls,
        url: str,
        beside: str,
        prefix: str,
        source: str,
        *,
        shards: int,
        horizon_us: int,
        now_us: Callable[[], int],
        keep_s: float = KEEP_S,
    ) -> Self:
        """Open the log of `source` for the workspace `prefix`; its topic `prefix.source` is made where there is none.

        Parameters
        ----------
        beside
            The URL of a Redis-protocol server that keeps the places of event ids.
        shards, horizon_us, now_us, keep_s
            As `ValkeyLog.connect` takes them.

        Raises
        ------
        StorePolicyError
            The topic has another number of partitions, or may not be made.
        StoreUnavailableError
            The brokers, or the server beside them, do not answer.
        """
        link = KafkaLink(url, f"{prefix}.{source}")
        if not link.partitions():
            link.create(shards)
        if (found := link.partitions()) != shards:
            mend = f"Declare PushConfig(shards={found}), or drain the source and delete the topic."
            rule = f"it has {found} partitions, and the number of shards cannot change"
            raise StorePolicyError(complaint(link.thing, rule, shards, mend))
        ids = EventIdPlaces(OnlineLink(client_of(beside)), f"{prefix}:{source}:log", horizon_us, now_us)
        log = cls(link, ids, shards, keep_s)
        try:
            log.incarnation = ids.incarnation(secrets.token_hex(8), log._ends())
        except BaseException:
            log.close()
            raise
        return log

    def append(self, entries: Sequence[NewEntry]) -> list[int | None]:
        """See `StreamLog`. An error may leave some of the entries in."""
        fresh = list(self._fresh(entries))
        offsets = self._produce([_record(entries[number]) for number in fresh])
        self._note_ends([entries[number].shard for number in fresh], offsets)
        positions: list[int | None] = [None] * len(entries)
        for number, offset in zip(fresh, offsets, strict=True):
            positions[number] = offset + 1
        events = [number for number in fresh if entries[number].kind is Kind.EVENT]
        own = [self._place(entries[number].shard, positions[number]) for number in events]
        held = self._ids.claim(zip((entries[number].event_id for number in events), own, strict=True), count=True)
        for number, mine, place in zip(events, own, held, strict=True):
            if mine != place:
                positions[number] = None
        return positions

    def enter_ids(self, event_ids: Sequence[str]) -> None:
        """See `StreamLog`."""
        self._ids.claim((event_id, "elsewhere") for event_id in event_ids)

    def append_barrier(self, number: int) -> None:
        """See `StreamLog`. One that is cut short may stand twice when it is repeated."""
        held = self._ids.numbers("barrier", range(self.shards))
        shards = [shard for shard, largest in held.items() if largest < number]
        offsets = self._produce([(shard, b"%d" % number, [("k", b"1")]) for shard in shards])
        if shards:
            self._note_ends(shards, offsets)
            self._ids.note("barrier", dict.fromkeys(shards, number))

    def read(self, after: Mapping[int, int], limit: int, wait_ms: int = 0) -> dict[int, list[Entry]]:
        """See `StreamLog`."""
        places, deadline_s = dict(after), time.monotonic() + wait_ms / 1000
        while places:
            left_ms = max(0, int((deadline_s - time.monotonic()) * 1000))
            messages = self._reader.read(places, limit, left_ms)
            if found := self._counted(messages):
                return found
            if not messages and not left_ms:
                break
            places |= {shard: _position(some[-1]) for shard, some in messages.items()}
        return {}

    def ends(self) -> dict[int, Place]:
        """See `StreamLog`."""
        barriers = self._ids.numbers("barrier", range(self.shards))
        return {shard: Place(end, barriers[shard] + 1) for shard, end in self._ends().items()}

    def starts(self) -> dict[int, int]:
        """See `StreamLog`."""
        return self._link.firsts(range(self.shards))

    def trim(self, upto: Mapping[int, int]) -> int:
        """See `StreamLog`. Ages are those that producers stamped."""
        return self._trim(upto, self._keep_s)

    def drop(self, upto: Mapping[int, int]) -> bool:
        """See `StreamLog`. Brokers delete the files in their own time."""
        self._trim(upto, 0)
        return False

    def _trim(self, upto: Mapping[int, int], keep_s: float) -> int:
        ends, starts = self._ends(), self.starts()
        before_ms = int((time.time() - keep_s) * 1000)
        young = self._link.since(upto, before_ms)
        cuts = {shard: min(place, ends[shard], _or_end(young[shard], ends[shard])) for shard, place in upto.items()}
        cuts = {shard: cut for shard, cut in cuts.items() if cut > starts[shard]}
        if cuts and self._link.delete_upto(cuts):
            starts |= cuts
        return sum(ends[shard] - starts[shard] for shard in range(self.shards))

    def events(self) -> int:
        """See `StreamLog`."""
        return self._ids.events()

    def close(self) -> None:
        """See `StreamLog`."""
        self._reader.close()
        self._ids.close()

    def _ends(self) -> dict[int, int]:
        return self._link.nexts(range(self.shards))

    def _fresh(self, entries: Sequence[NewEntry]) -> Iterator[int]:
        """The numbers of the entries that are no event whose id has a place, or stands before it."""
        ids = list({entry.event_id for entry in entries if entry.kind is Kind.EVENT})
        seen = {event_id for event_id, place in zip(ids, self._ids.places(ids), strict=True) if place}
        for number, entry in enumerate(entries):
            if entry.kind is not Kind.EVENT:
                yield number
            elif entry.event_id not in seen:
                seen.add(entry.event_id)
                yield number

    def _produce(self, records: Sequence[tuple[int, bytes, list[tuple[str, bytes]]]]) -> list[int]:
        """The offsets of records that all replicas have."""
        delivered: dict[int, int] = {}
        failed: list[KafkaError] = []

        def note(number: int) -> Callable[[KafkaError | None, Message], None]:
            def told(error: KafkaError | None, message: Message) -> None:
                if error is None:
                    delivered[number] = message.offset()
                else:
                    failed.append(error)

            return told

        with self._link.faults():
            for number, (shard, value, headers) in enumerate(records):
                self._send(shard, value, headers, note(number))
            deadline_s = time.monotonic() + self._delivery_s
            while len(delivered) + len(failed) < len(records) and time.monotonic() < deadline_s:
                self._producer.poll(_POLL_S)
        if failed or len(delivered) < len(records):
            raise self._link.translated(failed[0] if failed else KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - its name
        return [delivered[number] for number in range(len(records))]

    def _send(self, shard: int, value: bytes, headers: list[tuple[str, bytes]], told: Callable[..., None]) -> None:
        while True:
            try:
                self._producer.produce(self._link.topic, value, partition=shard, headers=headers, on_delivery=told)
            except BufferError:  # its queue is full: let it send
                self._producer.poll(_POLL_S)
            else:
                return

    def _note_ends(self, shards: Sequence[int], offsets: Sequence[int]) -> None:
        ends: dict[int, int] = {}
        for shard, offset in zip(shards, offsets, strict=True):
            ends[shard] = max(offset + 1, ends.get(shard, 0))
        if ends:
            self._ids.note("end", ends)

    def _counted(self, messages: Messages) -> dict[int, list[Entry]]:
        """The entries of records, without those whose id has another place."""
        entries = [(shard, _entry(message)) for shard, some in messages.items() for message in some]
        events = [(shard, entry) for shard, entry in entries if entry.kind is Kind.EVENT]
        own = [(entry.event_id, self._place(shard, entry.position)) for shard, entry in events]
        held = self._ids.claim(own, count=True)
        doubled = {place for (_, place), other in zip(own, held, strict=True) if place != other}
        found: dict[int, list[Entry]] = {}
        for shard, entry in entries:
            if entry.kind is not Kind.EVENT or self._place(shard, entry.position) not in doubled:
                found.setdefault(shard, []).append(entry)
        return found

    def _place(self, shard: int, position: int | None) -> str:
        return f"{self.incarnation[:8]}/{shard}:{position}"


def _record(entry: NewEntry) -> tuple[int, bytes, list[tuple[str, bytes]]]:
    return entry.shard, entry.payload, [("k", b"%d" % entry.kind), ("id", entry.event_id.encode())]


def _entry(message: Message) -> Entry:
    headers = {name: value or b"" for name, value in message.headers() or ()}
    kind, value = Kind(int(headers["k"])), message.value() or b""
    if kind is Kind.BARRIER:
        return Entry(_position(message), kind, "", b"", int(value))
    return Entry(_position(message), kind, headers["id"].decode(), value, 0)


def _position(message: Message) -> int:
    return int(message.offset()) + 1


def _or_end(offset: int, end: int) -> int:
    """The offset of the first record from a time on; the end where there is none."""
    return end if offset < 0 else offset
