"""What the stream log on a Redis-protocol server sends and gets, and what it asks of the server.

The rule: nothing here is stateful. How large a script may be is set here: it keeps the server busy for a millisecond or so.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from redis.exceptions import RedisError
from xxhash import xxh3_128_digest

from tilefold.errors import StorePolicyError
from tilefold.stores.online_link import OnlineLink
from tilefold.stores.round_trips import packed
from tilefold.stores.stream_log import Entry, Kind, NewEntry

CHUNK_ENTRIES = 1000  # the server's Lua can unpack some 8,000 values, three go with each entry
CHUNK_BYTES = 256 * 1024
_LARGEST = b"18446744073709551615"
_new_entry = partial(tuple.__new__, Entry)  # of five values: `Entry(...)` takes several times as long
_KINDS = {ord("0") + kind: kind for kind in Kind}  # looked up: calling an enumeration takes a microsecond
_SETTINGS = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}


def check_synced(link: OnlineLink) -> None:
    """Raise `StorePolicyError` unless the server syncs every write to disk before it answers."""
    for name, wanted in _SETTINGS.items():
        rule = f"its {name} must be {wanted}: what it acknowledges must be on disk"
        try:
            found = link.client.config_get(name).get(name)
        except RedisError as error:
            mend = "Let its user call CONFIG GET, or name a server that syncs each write."
            link.faults.fail(StorePolicyError, rule, f"no answer ({error})", mend)
        if found != wanted:
            mend = (
                f"Set {name} {wanted} in its configuration; it should be a server of its own, since it then waits for its disk."
            )
            link.faults.fail(StorePolicyError, rule, found, mend)


def chunks(entries: Sequence[NewEntry]) -> Iterator[Sequence[NewEntry]]:
    """The entries in runs that one script may take."""
    start = size_bytes = 0
    for end, entry in enumerate(entries):
        entry_bytes = len(entry.payload) + len(entry.event_id)
        if end > start and (end - start == CHUNK_ENTRIES or size_bytes + entry_bytes > CHUNK_BYTES):
            yield entries[start:end]
            start, size_bytes = end, 0
        size_bytes += entry_bytes
    if start < len(entries):
        yield entries[start:]


def runs_of(entries: Sequence[NewEntry]) -> list[bytes]:
    """Entries in order of shards as the script takes them: how many runs, (shard, entries) each, three values per entry."""
    runs = [(shard, len(list(some))) for shard, some in groupby(entries, key=lambda entry: entry.shard)]
    args = [b"%d" % number for number in (len(runs), *(number for run in runs for number in run))]
    for kind, _, event_id, payload in entries:
        name = event_id.encode()
        args += (xxh3_128_digest(name) if kind is Kind.EVENT else b"", b"%d%b" % (kind, name), payload)
    return args


def read_command(log: bytes, after: Mapping[int, int], batches: int, wait_ms: int) -> bytes:
    """Asks for the next batches of some shards; waits for the first one where `wait_ms` is not 0."""
    block = (b"BLOCK", b"%d" % wait_ms) if wait_ms else ()
    streams = [log + b":%d" % shard for shard in after]
    places = [b"%d-%b" % (position, _LARGEST) for position in after.values()]
    return packed(b"XREAD", b"COUNT", b"%d" % batches, *block, b"STREAMS", *streams, *places)


def batch_entries(batch: Any, after: int) -> list[Entry]:
    """The entries of one batch that stand behind a position."""
    name, fields = batch
    end, count = int(name.partition(b"-")[0]), len(fields) // 2
    known = min(max(after - (end - count), 0), count)  # of a batch that was read in part before
    heads, values = fields[2 * known :: 2], fields[2 * known + 1 :: 2]
    positions, kinds = range(end - count + known + 1, end + 1), [_KINDS[head[0]] for head in heads]
    if Kind.BARRIER in kinds:
        return [_entry(*each) for each in zip(positions, kinds, heads, values, strict=True)]
    event_ids = [head[1:].decode() for head in heads]
    return [*map(_new_entry, zip(positions, kinds, event_ids, values, [0] * len(kinds), strict=True))]


def _entry(position: int, kind: Kind, head: bytes, value: bytes) -> Entry:
    if kind is Kind.BARRIER:
        return Entry(position, kind, "", b"", int(value))
    return Entry(position, kind, head[1:].decode(), value, 0)
