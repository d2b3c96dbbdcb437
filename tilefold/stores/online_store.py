"""The online store: entities' hashes, marks and begun syncs on a server that speaks the Redis protocol.

The rule: every write compares first, inside the server (see `online_scripts`): stamps and marks only grow, in both parts. So a
crash anywhere, a repeat, or a sleeper that wakes up leaves every key right. A sync goes

    begin(mark)  then  mark(), begun()  then  write_parts(...)...  then  commit(mark)

in this order: marks read before `begin` may be those of a store that was emptied in between.
"""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Self, TypeAlias

from redis import Redis
from redis.exceptions import RedisError

from tilefold.engine.mark import Mark
from tilefold.errors import StoreUnavailableError
from tilefold.stores.joined_reads import JoinedReads
from tilefold.stores.joined_trips import JoinedTrips
from tilefold.stores.online_connect import check, client_of
from tilefold.stores.online_keys import OnlineKeys
from tilefold.stores.online_link import OnlineLink
from tilefold.stores.online_samples import StoreUsage, scan, stamp_of, usage
from tilefold.stores.online_scripts import BEGIN, BEGUN_PREFIX, COMMIT, MARK_FIELD, REMOVE, WRITE
from tilefold.stores.round_trips import packed
from tilefold.stores.script_runner import SCRIPT_KEYS, SLICE_KEYS, Call, batched, spans
from tilefold.stores.server_files import rewrite_files
from tilefold.stores.stream_parts import Seeded, StreamParts

# HMGET key b s, as it goes over the wire.
_READ = b"*4\r\n$5\r\nHMGET\r\n$%d\r\n%b\r\n$1\r\nb\r\n$1\r\ns\r\n"
_SAMPLE_STEP = 100

OnlineClient: TypeAlias = Redis
"""What `client` is."""


class OnlineStore:
    """An open store and one workspace's keys in it; safe to share among threads and after a fork.

    Every method raises `StoreUnavailableError`, `StoreFullError` or `StorePolicyError`, and no error of the client library.

    Attributes
    ----------
    client
        The client, for inspection: `decode_responses=False`.
    streams
        The stream parts of entities, and how far each view includes the stream.
    store_id
        This store's own name, as last seen (at `connect` and at each `begin`): another one than before is another store.
    """

    def __init__(self, client: Redis, prefix: str) -> None:
        self._keys = OnlineKeys(prefix)
        self._link = OnlineLink(client)
        self._scripts = self._link.scripts
        self.streams = StreamParts(self._link, self._keys)
        self.client = client
        self.store_id = ""
        self._servers: dict[tuple[str, str, Mark], bytes] = {}  # the server's run id at the begin of each sync

    @classmethod
    def connect(cls, url: str, prefix: str) -> Self:
        """Open the store at `url` for the workspace `prefix`.

        Raises
        ------
        InputError
            The URL or the prefix cannot be used.
        StorePolicyError
            The server evicts keys, is too old, or is a cluster.
        StoreUnavailableError
            It does not answer, or refuses the password.
        """
        store = cls(client_of(url), prefix)
        try:
            check(store._link)
            store.store_id = store._identify()
        except BaseException:
            store.close()
            raise
        return store

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

    # --- the same as requests that travel with others (see `joined`)

    def joined(self) -> JoinedReads:
        """Reads of many requests on one connection, for the event loop that runs now; the caller closes it."""
        return JoinedReads(JoinedTrips(self._link.trips), self._link.faults)

    def read_request(self, keys: Iterable[bytes]) -> bytes:
        """What `read` sends for each of these keys: one reply per key."""
        return b"".join([_READ % (len(key), key) for key in keys])

    def mark_request(self, view: str, version: str) -> bytes:
        """What `mark` sends; the reply is for `mark_of`."""
        return packed(b"HGET", self.mark_key(view, version), MARK_FIELD)

    @staticmethod
    def mark_of(reply: bytes | None) -> Mark | None:
        """The mark that a store has told."""
        return None if reply is None else Mark.from_bytes(reply)

    def begun(self, view: str, version: str) -> list[Mark]:
        """The syncs that have begun and may have written keys, without those that a committed one has made void."""
        fields = self._link.command(b"HKEYS", self.mark_key(view, version))
        return [Mark.from_bytes(field[len(BEGUN_PREFIX) :]) for field in fields if field.startswith(BEGUN_PREFIX)]

    def begin(self, view: str, version: str, mark: Mark) -> bool:
        """Enter a sync among the begun ones, before its first key; False where it is superseded, and nothing is changed.

        It must be at or above the committed mark and every begun sync in both parts. Beginning again changes nothing.
        """
        self.store_id = self._identify()
        answer = self._scripts.ask(BEGIN, Call([self.mark_key(view, version)], [mark.to_bytes()]))
        if answer:
            self._servers[view, version, mark] = answer
        return bool(answer)

    def write_parts(
        self, view: str, version: str, mark: Mark, entities: Sequence[bytes], blobs: Sequence[bytes], ttl_ms: int | None
    ) -> bool:
        """Write batch parts, each unless the entity has a newer one; False where a newer part or mark stops the sync.

        Parameters
        ----------
        entities
            The keys, as `entity_key` names them.
        blobs
            Their batch parts, in the same order, stamped with `mark`.
        ttl_ms
            From now; a key that lives longer keeps its time. None: nothing expires.
        """
        assert len(entities) == len(blobs), "one part per entity"
        state, stamp = self.mark_key(view, version), mark.to_bytes()
        ttl = b"" if ttl_ms is None else b"%d" % ttl_ms
        calls = (Call([state, *entities[span]], [stamp, ttl, *blobs[span]]) for span in spans(map(len, blobs)))
        return all(self._scripts.run(WRITE, call) for call in calls)

    def note_emptied(self, view: str, version: str, keys: Sequence[bytes]) -> None:
        """Remember keys that a sync is about to empty, so that a later one can remove them."""
        self._link.command(b"SADD", self._keys.emptied(view, version), *keys)

    def emptied(self, view: str, version: str) -> set[bytes]:
        """The keys that were emptied and not yet removed."""
        return set(self._link.command(b"SMEMBERS", self._keys.emptied(view, version)))

    def forget_emptied(self, view: str, version: str, keys: Iterable[bytes]) -> None:
        """Take back `note_emptied`."""
        for some in batched(keys, SCRIPT_KEYS):
            self._link.command(b"SREM", self._keys.emptied(view, version), *some)

    def drop_part(self, key: bytes) -> None:
        """Remove a batch part whatever its stamp says: for bytes that are broken."""
        self._link.command(b"HDEL", key, b"b")

    def forget(self, view: str, version: str, keys: Sequence[bytes]) -> int:
        """Delete entities, whatever their parts say; how many there were."""
        there = 0
        for some in batched(keys, SLICE_KEYS):
            there += self._link.command(b"DEL", *some)
        self.forget_emptied(view, version, keys)
        return there

    def rewrite_files(self) -> bool:
        """See `server_files.rewrite_files`."""
        return rewrite_files(self._link)

    def remove_emptied(self, view: str, version: str, keys: Iterable[bytes], below: Mark) -> int:
        """Delete those keys whose batch part is empty, stamped at or below `below` and the mark, and alone; how many."""
        state, stamp = self.mark_key(view, version), below.to_bytes()
        calls = (Call([state, *some], [stamp]) for some in batched(keys, SCRIPT_KEYS))
        return sum(self._scripts.run(REMOVE, call) for call in calls)

    def commit(self, view: str, version: str, mark: Mark, seeded: Seeded | None = None) -> bool:
        """Move the view's mark and void the begun syncs not above it, in one step; False where it is superseded.

        With `seeded`, the stream parts that the sync has written count from the same moment on.

        Raises
        ------
        StoreUnavailableError
            The store was emptied, replaced or started again since `begin`: what the sync wrote before may be lost.
        """
        keys = [self.mark_key(view, version), self._keys.store_id]
        seeds = [] if seeded is None else seeded.to_args()
        server = self._servers.get((view, version, mark), b"")
        answer = self._scripts.run(COMMIT, Call(keys, [mark.to_bytes(), self.store_id.encode(), server, *seeds]))
        if answer < 0:
            rule = "it must hold all that the sync wrote, but was emptied, replaced or started again meanwhile"
            self._link.faults.fail(StoreUnavailableError, rule, f"no begun sync {mark}", "Sync again: all keys are written.")
        if answer:
            self._forget_below(view, version, mark)
        return bool(answer)

    def _forget_below(self, view: str, version: str, mark: Mark) -> None:
        """Syncs below a committed mark are superseded, whatever server they began on; its own may be committed again."""
        for key in [key for key in self._servers if key[:2] == (view, version) and key[2] != mark]:
            if mark.at_or_above(key[2]):
                del self._servers[key]

    def scan_entities(self, view: str, version: str, count: int | None = None) -> Iterator[bytes]:
        """Keys of a view's entities, in no order, `count` at most; one may come twice while the store grows."""
        return islice(scan(self._link, self._keys.all_entities(view, version)), count)

    def sample_stamps(self, view: str, version: str, count: int) -> Iterator[tuple[bytes, Mark]]:
        """The keys of `count` entities at most, with the stamps of their batch parts."""
        for keys in batched(self.scan_entities(view, version, count), _SAMPLE_STEP):
            for key, (part, _) in zip(keys, self.read_many(keys), strict=True):
                if part is not None:
                    yield key, stamp_of(key, part)

    def usage(self) -> StoreUsage:
        """How full the store is."""
        return usage(self._link)

    def _identify(self) -> str:
        """The store's id, drawn now where it has none."""
        drawn = secrets.token_hex(8).encode()
        found: bytes | None = self._link.command(b"SET", self._keys.store_id, drawn, b"NX", b"GET")
        return (found or drawn).decode()
