"""The stream log on a server that speaks the Redis protocol and syncs every write before it answers.

The rule: what was acknowledged is on disk. A server that would answer before that, or evict, is refused at the door, by name.
All that changes the log is one script (see `valkey_log_scripts`), and a script that is repeated after a broken connection gives
the answer of the first time. Above a share of the server's memory limit new events are refused, so that barriers, reads and
trims, which make room, always go on.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NoReturn, Self

from xxhash import xxh3_128_digest

from tilefold.engine.time import DAY_US
from tilefold.errors import NewerFormatError, StoreFullError, StorePolicyError, StoreUnavailableError, complaint
from tilefold.stores.online_connect import check, client_of
from tilefold.stores.online_link import OnlineLink
from tilefold.stores.round_trips import packed
from tilefold.stores.script_runner import Call, Script, batched
from tilefold.stores.server_files import rewrite_files
from tilefold.stores.store_errors import STREAM
from tilefold.stores.stream_log import Entry, NewEntry, Place
from tilefold.stores.valkey_log_parts import batch_entries, check_synced, chunks, read_command, runs_of
from tilefold.stores.valkey_log_scripts import APPEND, BARRIER, ENTER_IDS, FORMAT, FULL, GONE, OPEN, TRIM

KEEP_S = 3600
"""How long an entry is kept at least, so that a store that comes back a little older finds what it lost."""
PRESSED_KEEP_S = 60
"""The same, once memory is used up to `MEMORY_SHARE`."""
MEMORY_SHARE = 0.9
"""Of the server's limit; above it new events are refused."""
READ_BYTES_MAX = 16 * 1024 * 1024
_FIRST_BATCHES = 8
_WAIT_STEP_MS = 2000
_IDS_AT_ONCE = 1000
_ANSWER_TTL_MS = b"60000"  # a repeat comes within seconds


class ValkeyLog:
    """A `StreamLog`; safe to share among threads and after a fork."""

    def __init__(self, link: OnlineLink, key: str, horizon_us: int, keep_s: float, now_us: Callable[[], int]) -> None:
        self._link = link
        self._key = key.encode()
        self._horizon_us, self._keep_s, self._now_us = horizon_us, keep_s, now_us
        self._ids_ttl_ms = b"%d" % ((horizon_us + DAY_US) // 1000)
        self._caller = secrets.token_hex(8)
        self.incarnation = ""
        self.shards = 0

    @classmethod
    def connect(
        cls,
        url: str,
        prefix: str,
        source: str,
        *,
        shards: int,
        horizon_us: int,
        now_us: Callable[[], int],
        keep_s: float = KEEP_S,
    ) -> Self:
        """Open the log of `source` for the workspace `prefix`; it is made where there is none.

        Parameters
        ----------
        shards
            How many a new log gets.
        horizon_us
            How long ids are remembered.
        now_us
            The clock: it tells the day of arrival of an id, and nothing else.
        keep_s
            How long an entry is kept at least, by the server's clock.

        Raises
        ------
        StorePolicyError
            The server does not sync each write, evicts, is too old or a cluster; or the log has another number of shards.
        StoreUnavailableError
            It does not answer, or refuses the password.
        """
        link = OnlineLink(client_of(url, STREAM), STREAM, _WAIT_STEP_MS / 1000)
        log = cls(link, f"{prefix}:{source}:log", horizon_us, keep_s, now_us)
        try:
            check(link)
            check_synced(link)
            log._open(shards)
        except BaseException:
            link.close()
            raise
        return log

    def append(self, entries: Sequence[NewEntry]) -> list[int | None]:
        """See `StreamLog`. More entries than one script may take go in several; an error then leaves the first ones in."""
        positions: list[int | None] = []
        for chunk in chunks(entries):
            positions += self._append(chunk)
        return positions

    def enter_ids(self, event_ids: Sequence[str]) -> None:
        """See `StreamLog`."""
        day = b"%d" % (self._now_us() // DAY_US)
        for some in batched(event_ids, _IDS_AT_ONCE):
            hashes = [xxh3_128_digest(event_id.encode()) for event_id in some]
            self._ask(ENTER_IDS, self._key, [day, self._ids_ttl_ms, *hashes])

    def append_barrier(self, number: int) -> None:
        """See `StreamLog`."""
        self._ask(BARRIER, self._key, [b"%d" % number, b"%d" % self.shards])

    def read(self, after: Mapping[int, int], limit: int, wait_ms: int = 0) -> dict[int, list[Entry]]:
        """See `StreamLog`. Reads about `READ_BYTES_MAX` at most, however large the limit is."""
        found: dict[int, list[Entry]] = {}
        places, batches, entries, size_bytes = dict(after), _FIRST_BATCHES, 0, 0
        while places and entries < limit and size_bytes < READ_BYTES_MAX:
            reply = self._next(places, batches, 0 if found else wait_ms)
            for shard, some in reply.items():
                read = [*chain.from_iterable(batch_entries(batch, places[shard]) for batch in some)]
                found.setdefault(shard, []).extend(read)
                places[shard] = read[-1].position
                entries += len(read)
                size_bytes += sum(len(entry.payload) for entry in read)
            places = {shard: places[shard] for shard, some in reply.items() if len(some) == batches}
            batches *= 2
        return found

    def ends(self) -> dict[int, Place]:
        """See `StreamLog`."""
        facts = self._facts()
        return {shard: Place(_fact(facts, "end", shard), _fact(facts, "barrier", shard) + 1) for shard in range(self.shards)}

    def starts(self) -> dict[int, int]:
        """See `StreamLog`."""
        facts = self._facts()
        return {shard: _fact(facts, "start", shard) for shard in range(self.shards)}

    def trim(self, upto: Mapping[int, int]) -> int:
        """See `StreamLog`. When memory is short, entries are kept for `PRESSED_KEEP_S` only."""
        return self._trim(upto, int(self._keep_s * 1000))

    def drop(self, upto: Mapping[int, int]) -> bool:
        """See `StreamLog`."""
        self._trim(upto, 0)
        return rewrite_files(self._link)

    def _trim(self, upto: Mapping[int, int], keep_ms: int) -> int:
        limits = [b"%d" % keep_ms, b"%d" % min(keep_ms, PRESSED_KEEP_S * 1000), b"%f" % MEMORY_SHARE]
        pairs = [b"%d" % number for pair in upto.items() for number in pair]
        return int(self._ask(TRIM, self._key, [*limits, *pairs]))

    def events(self) -> int:
        """See `StreamLog`."""
        return int(self._facts().get(b"events", 0))

    def close(self) -> None:
        """See `StreamLog`."""
        self._link.close()

    def _open(self, shards: int) -> None:
        drawn = secrets.token_hex(8).encode()
        found = self._link.scripts.ask(OPEN, Call([self._key], [drawn, b"%d" % shards]))
        incarnation, found_shards, form = found
        if int(form) > FORMAT:
            mend = "Upgrade Tilefold, or open it with the release that made it."
            raise NewerFormatError(complaint(self._thing, f"this release reads formats up to {FORMAT}", int(form), mend))
        if int(found_shards) != shards:
            mend = f"Declare PushConfig(shards={int(found_shards)}), or drain the source and delete its keys {self._thing}*."
            rule = f"it was made with {int(found_shards)} shards, which cannot change"
            self._link.faults.fail(StorePolicyError, rule, shards, mend)
        self.incarnation, self.shards = incarnation.decode(), shards

    @property
    def _thing(self) -> str:
        return self._key.decode()

    def _append(self, entries: Sequence[NewEntry]) -> Iterator[int | None]:
        today, oldest = (us // DAY_US for us in (self._now_us(), self._now_us() - self._horizon_us))
        order = sorted(range(len(entries)), key=lambda number: entries[number].shard)
        facts = [b"%d" % today, b"%d" % oldest, self._ids_ttl_ms, _ANSWER_TTL_MS, b"%f" % MEMORY_SHARE]
        args = [secrets.token_bytes(12), *facts, *runs_of([entries[number] for number in order])]
        answer = self._ask(APPEND, self._key, args, self._call_key())
        if answer == FULL:
            rule = f"it must have room for {STREAM.room}, but {MEMORY_SHARE:.0%} of its memory is used"
            self._link.faults.fail(StoreFullError, rule, f"{len(entries)} more", STREAM.full)
        base, _, flags = answer.partition(b":")
        positions: list[int | None] = [None] * len(entries)
        position = int(base)
        for number, flag in zip(order, flags, strict=True):
            if flag == ord("1"):
                position += 1
                positions[number] = position
        return iter(positions)

    def _call_key(self) -> bytes:
        """Where the server keeps the answer to this caller's last call: a thread makes one at a time."""
        return self._key + f":call:{self._caller}-{os.getpid()}-{threading.get_ident()}".encode()

    def _ask(self, script: Script, key: bytes, args: Sequence[bytes], *more_keys: bytes) -> Any:
        answer = self._link.scripts.ask(script, Call([key, *more_keys], [self.incarnation.encode(), *args]))
        if answer == GONE:
            self._gone()
        return answer

    def _next(self, after: Mapping[int, int], batches: int, wait_ms: int) -> dict[int, list[Any]]:
        """The next batches of some shards as the server gives them; waits in steps."""
        deadline_s = time.monotonic() + wait_ms / 1000
        while True:
            left_ms = max(0, int((deadline_s - time.monotonic()) * 1000))
            command = read_command(self._key, after, batches, min(left_ms, _WAIT_STEP_MS))
            reply, incarnation = self._link.waiting(command, packed(b"HGET", self._key, b"incarnation"))
            if incarnation is None or incarnation.decode() != self.incarnation:
                self._gone()
            if reply or not left_ms:
                return {int(key.rpartition(b":")[2]): some for key, some in reply or ()}

    def _facts(self) -> dict[bytes, bytes]:
        flat = self._link.command(b"HGETALL", self._key)
        facts: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
        if facts.get(b"incarnation", b"").decode() != self.incarnation:
            self._gone()
        return facts

    def _gone(self) -> NoReturn:
        rule = "it must hold what it held when it was opened, but was emptied or replaced meanwhile"
        mend = "Open the workspace again: the log begins anew. Events that were not drained before are lost with it."
        self._link.faults.fail(StoreUnavailableError, rule, self._thing, mend)


def _fact(facts: Mapping[bytes, bytes], name: str, shard: int) -> int:
    return int(facts.get(f"{name}:{shard}".encode(), 0))
