"""The online store: entities' hashes, marks and begun syncs on a server that speaks the Redis protocol.

The rule: every write compares first, inside the server (see `online_scripts`): stamps and marks only grow, in both parts. So a
crash anywhere, a repeat, or a sleeper that wakes up leaves every key right. A sync goes

    begin(mark)  then  mark(), begun()  then  write_parts(...)...  then  commit(mark)

in this order: marks read before `begin` may be those of a store that was emptied in between.
"""

import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Self

from redis import Redis

from tilefold.engine.codec import PART_START
from tilefold.engine.mark import Mark
from tilefold.errors import StoreUnavailableError
from tilefold.stores.online_connect import check, client_of
from tilefold.stores.online_reads import OnlineClient, OnlineReads
from tilefold.stores.online_samples import StoreUsage, scan, stamp_of, usage
from tilefold.stores.online_scripts import BEGIN, BEGUN_PREFIX, COMMIT, REMOVE, WRITE
from tilefold.stores.script_runner import SCRIPT_KEYS, SLICE_KEYS, Call, batched, spans
from tilefold.stores.server_files import rewrite_files
from tilefold.stores.stream_parts import Seeded

__all__ = ["OnlineClient", "OnlineStore"]

_SAMPLE_STEP = 100


class OnlineStore(OnlineReads):
    """An open store and one workspace's keys in it; safe to share among threads and after a fork.

    Every method raises `StoreUnavailableError`, `StoreFullError` or `StorePolicyError`, and no error of the client library.

    Attributes
    ----------
    client, streams, versions
        As `OnlineReads` has them.
    store_id
        This store's own name, as last seen (at `connect` and at each `begin`): another one than before is another store.
    """

    def __init__(self, client: Redis, prefix: str) -> None:
        super().__init__(client, prefix)
        self._scripts = self._link.scripts
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

    def others(self, view: str, version: str, keys: Collection[bytes]) -> Iterator[bytes]:
        """The keys of all entities but these that hold a batch part which is not empty."""
        there = (key for key in self.scan_entities(view, version) if key not in keys)
        for some in batched(there, _SAMPLE_STEP):
            for key, (part, _) in zip(some, self.read_many(some), strict=True):
                if part is not None and len(part) != PART_START:
                    yield key

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
