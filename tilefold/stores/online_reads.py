"""Reads of the online store: the parts of entities, and the marks that say what these hold.

The rule: what is asked at once, and what travels with the requests of others, is asked with the same bytes and told by the same
replies. Nothing here writes.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from redis import Redis
from redis.exceptions import RedisError

from tilefold.engine.mark import Mark
from tilefold.stores.joined_reads import JoinedReads
from tilefold.stores.joined_trips import JoinedTrips
from tilefold.stores.online_keys import OnlineKeys
from tilefold.stores.online_link import OnlineLink
from tilefold.stores.online_scripts import MARK_FIELD
from tilefold.stores.round_trips import packed
from tilefold.stores.script_runner import SLICE_KEYS
from tilefold.stores.stream_parts import StreamParts
from tilefold.stores.version_scripts import MOVED_FIELD
from tilefold.stores.view_versions import ViewVersions

# HMGET key b s, as it goes over the wire.
_READ = b"*4\r\n$5\r\nHMGET\r\n$%d\r\n%b\r\n$1\r\nb\r\n$1\r\ns\r\n"

OnlineClient: TypeAlias = Redis
"""What `client` is."""


class OnlineReads:
    """What an open store tells of one workspace's keys; `OnlineStore` is one that writes them, too.

    Every method raises `StoreUnavailableError`, `StoreFullError` or `StorePolicyError`, and no error of the client library.

    Attributes
    ----------
    client
        The client, for inspection: `decode_responses=False`.
    streams
        The stream parts of entities, and how far each view includes the stream.
    versions
        Which versions of a view there are, and which is served.
    """

    def __init__(self, client: Redis, prefix: str) -> None:
        self._keys = OnlineKeys(prefix)
        self._link = OnlineLink(client)
        self.streams = StreamParts(self._link, self._keys)
        self.versions = ViewVersions(self._link, self._keys)
        self.client = client

    def close(self) -> None:
        """Close all connections."""
        self._link.close()

    def ping(self) -> None:
        """Return if the store answers."""
        self._link.command(b"PING")

    @property
    def connections(self) -> int:
        """How many were ever opened: what was read before the last one may be newer than what is there now."""
        return self._link.trips.connections

    def entity_key(self, view: str, version: str, entity: str) -> bytes:
        """The key of an entity's hash."""
        return self._keys.entity(view, version, entity)

    def mark_key(self, view: str, version: str) -> bytes:
        """The key of the hash that holds a view's mark and begun syncs."""
        return self._keys.state(view, version)

    def read(self, key: bytes) -> Sequence[bytes | None]:
        """The batch part and the stream part of an entity, of one moment; None for what it has not."""
        try:
            parts: Sequence[bytes | None] = self._link.trips.one(_READ % (len(key), key))
        except RedisError as error:
            raise self._link.faults.translated(error) from error
        return parts

    def read_many(self, keys: Sequence[bytes]) -> list[Sequence[bytes | None]]:
        """What `read` says of each key, in the order asked; each of one moment, not all together."""
        try:
            return self._link.trips.many(self.read_request(keys), len(keys))
        except RedisError as error:
            raise self._link.faults.translated(error) from error

    def read_aside(self, keys: Sequence[bytes]) -> Iterator[Sequence[bytes | None]]:
        """What `read_many` says, so few keys at a time that the reads of others wait no longer for it."""
        try:
            yield from self._link.trips.in_slices((_READ % (len(key), key) for key in keys), SLICE_KEYS)
        except RedisError as error:
            raise self._link.faults.translated(error) from error

    def mark(self, view: str, version: str) -> Mark | None:
        """The view's committed mark; None where no sync was ever committed in this store."""
        return self.mark_of(self._link.command(b"HGET", self.mark_key(view, version), MARK_FIELD))

    def held(self, view: str, version: str) -> tuple[Mark | None, str | None]:
        """The view's committed mark, and the version that is served in place of this one; None where this one is."""
        return self.held_of(self._link.command(b"HMGET", self.mark_key(view, version), MARK_FIELD, MOVED_FIELD))

    def served_mark(self, view: str, own: str) -> Mark | None:
        """The committed mark of the version that is served; of `own`, where none is."""
        return self.mark(view, self.versions.of(view).served or own)

    # --- the same as requests that travel with others (see `joined`)

    def joined(self) -> JoinedReads:
        """Reads of many requests on one connection, for the event loop that runs now; the caller closes it."""
        return JoinedReads(JoinedTrips(self._link.trips), self._link.faults)

    def read_request(self, keys: Iterable[bytes]) -> bytes:
        """What `read` sends for each of these keys: one reply per key."""
        return b"".join([_READ % (len(key), key) for key in keys])

    def held_request(self, view: str, version: str) -> bytes:
        """What `held` sends; the reply is for `held_of`."""
        return packed(b"HMGET", self.mark_key(view, version), MARK_FIELD, MOVED_FIELD)

    @classmethod
    def held_of(cls, reply: Sequence[bytes | None]) -> tuple[Mark | None, str | None]:
        """What a store has told of a version."""
        mark, moved = reply
        return cls.mark_of(mark), None if moved is None else moved.decode()

    @staticmethod
    def mark_of(reply: bytes | None) -> Mark | None:
        """The mark that a store has told."""
        return None if reply is None else Mark.from_bytes(reply)
