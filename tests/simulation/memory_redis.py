"""An online store in memory: what a Redis-protocol server keeps, and what its Lua scripts do, as plain functions.

The rule: `OnlineStore` and `StreamParts` run as they are; only what they send is answered here. `test_memory_redis` holds every
function below against the Lua on a real server.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any, NoReturn

import hiredis

from tests.simulation.lines import Broken, Line
from tilefold.engine.codec import EMPTY_FLAG, HEADER
from tilefold.engine.mark import STAMP_SIZE_BYTES
from tilefold.engine.stream_codec import REVISION, REVISION_START
from tilefold.errors import StoreUnavailableError, complaint
from tilefold.stores import online_scripts, source_scripts, stream_scripts
from tilefold.stores.online_keys import OnlineKeys
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.script_runner import Call, Script, batched
from tilefold.stores.stream_parts import StreamParts

Hash = dict[bytes, bytes]
_NUMBER = struct.Struct(">q")
_STAMP = struct.Struct(">qq")


class MemoryServer:
    """The data of one server.

    Attributes
    ----------
    run_id
        Changes when the server is started again.
    changed, notes
        The keys that were written since somebody emptied this; those whose stream part was, with the token of a seeding.
    """

    _runs = count(1)

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.hashes: dict[bytes, Hash] = {}
        self.sets: dict[bytes, set[bytes]] = {}
        self.strings: dict[bytes, bytes] = {}
        self.deadlines_ms: dict[bytes, int] = {}
        self.changed: set[bytes] = set()
        self.notes: list[tuple[bytes, bytes | None]] = []
        self.run_id = b""
        self.restart()

    def restart(self) -> None:
        """Start again with the same data."""
        self.run_id = b"%040x" % next(self._runs)

    def saved(self) -> "MemoryServer":
        """A copy of the data."""
        copy = MemoryServer(self._now_ms)
        copy.take_over(self)
        return copy

    def take_over(self, other: "MemoryServer") -> None:
        """Hold what another server holds, as after a restart from its files."""
        self.changed |= self.hashes.keys() | other.hashes.keys()
        self.hashes = {key: dict(fields) for key, fields in other.hashes.items()}
        self.sets = {key: set(members) for key, members in other.sets.items()}
        self.strings, self.deadlines_ms = dict(other.strings), dict(other.deadlines_ms)
        self.restart()

    # --- commands

    def command(self, name: bytes, *words: bytes) -> Any:
        """The reply to one command."""
        return getattr(self, "_" + name.decode().lower())(*words)

    def fields(self, key: bytes) -> Hash:
        """A hash as it is now; an empty one that is kept nowhere if there is none."""
        if self.deadlines_ms.get(key, 2**62) <= self._now_ms():
            self._del(key)
        return self.hashes.get(key, {})

    def _written(self, key: bytes) -> Hash:
        self.fields(key)
        self.changed.add(key)
        return self.hashes.setdefault(key, {})

    def _del(self, key: bytes) -> int:
        self.deadlines_ms.pop(key, None)
        self.changed.add(key)
        return int(self.hashes.pop(key, None) is not None)

    def _hget(self, key: bytes, field: bytes) -> bytes | None:
        return self.fields(key).get(field)

    def _hmget(self, key: bytes, *fields: bytes) -> list[bytes | None]:
        held = self.fields(key)
        return [held.get(field) for field in fields]

    def _hkeys(self, key: bytes) -> list[bytes]:
        return list(self.fields(key))

    def _hdel(self, key: bytes, *names: bytes) -> None:
        held = self._written(key)
        for name in names:
            held.pop(name, None)
        if not held:
            self._del(key)

    def _get(self, key: bytes) -> bytes | None:
        return self.strings.get(key)

    def _mget(self, *keys: bytes) -> list[bytes | None]:
        return [self.strings.get(key) for key in keys]

    def _set(self, key: bytes, value: bytes, *options: bytes) -> bytes | None:
        assert options == (b"NX", b"GET"), options
        held = self.strings.get(key)
        self.strings.setdefault(key, value)
        return held

    def _sadd(self, key: bytes, *members: bytes) -> None:
        self.sets.setdefault(key, set()).update(members)

    def _smembers(self, key: bytes) -> list[bytes]:
        return list(self.sets.get(key, ()))

    def _srem(self, key: bytes, *members: bytes) -> None:
        self.sets.get(key, set()).difference_update(members)

    def _scan(self, cursor: bytes, *options: bytes) -> list[Any]:
        assert (cursor, options[0], options[1][-2:]) == (b"0", b"MATCH", b":*"), options
        prefix = options[1][:-1].replace(b"\\", b"")
        return [b"0", [key for key in list(self.hashes) if key.startswith(prefix) and self.fields(key)]]

    # --- scripts, as they stand in `online_scripts` and `stream_scripts`

    def run(self, script: Script, call: Call) -> Any:
        """The answer of a script."""
        keys, args = list(call.keys), list(call.args)
        return _SCRIPTS[script.digest](self, keys, args)

    def _begin(self, keys: list[bytes], args: list[bytes]) -> int | bytes:
        state, mine = self.fields(keys[0]), args[0]
        stamps = [value for name, value in state.items() if name == b"mark"] + [n[1:] for n in state if n[:1] == b"+"]
        if any(_above(stamp, mine) for stamp in stamps):
            return 0
        self._written(keys[0])[b"+" + mine] = b""
        return self.run_id

    def _write(self, keys: list[bytes], args: list[bytes]) -> int:
        mine, ttl = args[:2]
        mark = self.fields(keys[0]).get(b"mark")
        if mark and _above(mark, mine):
            return 0
        for key, part in zip(keys[1:], args[2:], strict=True):
            old = self.fields(key).get(b"b")
            if old is not None and _above(_stamp(old), mine):
                return 0
            self._written(key)[b"b"] = part
            if ttl and (old is not None or not self._expire_nx(key, ttl)):
                self._expire_gt(key, ttl)
        return 1

    def _remove(self, keys: list[bytes], args: list[bytes]) -> int:
        mark = self.fields(keys[0]).get(b"mark")
        removed = 0
        for key in keys[1:] if mark else ():
            assert mark is not None
            part = self.fields(key).get(b"b")
            empty = part is not None and part[1] == EMPTY_FLAG and b"s" not in self.fields(key)
            if part is not None and empty and not _above(_stamp(part), args[0]) and not _above(_stamp(part), mark):
                removed += self._del(key)
        return removed

    def _commit(self, keys: list[bytes], args: list[bytes]) -> int:
        state, mine = self.fields(keys[0]), args[0]
        mark = state.get(b"mark")
        if mark and _above(mark, mine):
            return 0
        begun = mark == mine or b"+" + mine in state
        if not begun or self.strings.get(keys[1]) != args[1] or self.run_id != args[2]:
            return -1
        seed = state.get(b"seed")
        if len(args) > 3:
            if seed is None and mark == mine and state.get(b"log") == args[4]:
                return 1
            if seed != args[3]:
                return 0
            self._hdel(keys[0], b"seed")
            self._written(keys[0]).update({b"log": args[4], **dict(zip(args[5::2], args[6::2], strict=True))})
        elif seed is not None:
            return 0
        held = self._written(keys[0])
        held.update({b"mark": mine, b"store": args[1]})
        self._hdel(keys[0], *[name for name in held if name[:1] == b"+" and not _above(name[1:], mine)])
        return 1

    def _taken(self, keys: list[bytes], args: list[bytes]) -> list[Any]:
        del args
        return [[each for pair in self.fields(keys[0]).items() for each in pair], self.run_id]

    def _write_stream(self, keys: list[bytes], args: list[bytes]) -> bytes:
        state, ttl, lows = self.fields(keys[0]), args[3], int(args[4])
        if state.get(b"log") != args[0] or self.run_id != args[2]:
            return b""
        if args[1] and (b"mark" not in state or _above(args[1], state[b"mark"])):
            return b""
        rest = args[5 + 2 * lows :]
        for field, low in zip(args[5 : 5 + 2 * lows : 2], args[6 : 6 + 2 * lows : 2], strict=True):
            place = state.get(field)
            if place is None or _first(place) != _first(low):
                return b""
        done = b""
        for key, expected, part in zip(keys[1:], rest[::2], rest[1::2], strict=True):
            old = self.fields(key).get(b"s")
            revision = b"" if old is None else old[REVISION_START : REVISION_START + REVISION.size]
            if revision == expected:
                self._write_part(key, part, ttl, None)
            done += b"1" if revision == expected else b"0"
        return done

    def _write_part(self, key: bytes, part: bytes, ttl: bytes, token: bytes | None) -> None:
        fresh = not self.fields(key)
        self.notes.append((key, token))
        self._written(key)[b"s"] = part
        if ttl and (fresh or key in self.deadlines_ms) and not self._expire_nx(key, ttl):
            self._expire_gt(key, ttl)

    def _advance(self, keys: list[bytes], args: list[bytes]) -> int:
        state = self.fields(keys[0])
        if state.get(b"log") != args[0] or self.run_id != args[1]:
            return 0
        for field, place in zip(args[2::2], args[3::2], strict=True):
            if field not in state or _first(state[field]) < _first(place):
                self._written(keys[0])[field] = place
        return 1

    def _register(self, keys: list[bytes], args: list[bytes]) -> int:
        state = self.fields(keys[0])
        if b"log" in state or b"seed" in state:
            return 0
        self._written(keys[0]).update({b"log": args[0], **dict(zip(args[1::2], args[2::2], strict=True))})
        return 1

    def _begin_seed(self, keys: list[bytes], args: list[bytes]) -> int:
        gone = [name for name in self.fields(keys[0]) if name == b"log" or (name[:1] == b"w" and name[1:2].isdigit())]
        self._written(keys[0])[b"seed"] = args[0]
        self._hdel(keys[0], *gone)
        return 1

    def _lapse(self, keys: list[bytes], args: list[bytes]) -> int:
        state = self.fields(keys[0])
        if state.get(b"log") != args[0]:
            return 0
        starts = zip(args[2::2], args[3::2], strict=True)
        if all(field in state and _first(state[field]) >= _first(start) for field, start in starts):
            return 0
        self._written(keys[0]).pop(b"mark", None)
        return self._begin_seed(keys, args[1:])

    def _seed(self, keys: list[bytes], args: list[bytes]) -> int:
        if self.fields(keys[0]).get(b"seed") != args[0]:
            return 0
        for key, part in zip(keys[1:], args[2:], strict=True):
            self._write_part(key, part, args[1], args[0])
        return 1

    def _clear(self, keys: list[bytes], args: list[bytes]) -> int:
        if self.fields(keys[0]).get(b"seed") != args[0]:
            return 0
        for key in keys[1:]:
            self.notes.append((key, args[0]))
            self._hdel(key, b"s")
        return 1

    def _latest(self, keys: list[bytes], args: list[bytes]) -> int:
        held = self.strings.get(keys[0])
        if held is None or _first(held) < _first(args[0]):
            self.strings[keys[0]] = args[0]
        return 1

    def _expire_nx(self, key: bytes, ttl: bytes) -> bool:
        if key in self.deadlines_ms:
            return False
        self.deadlines_ms[key] = self._now_ms() + int(ttl)
        return True

    def _expire_gt(self, key: bytes, ttl: bytes) -> None:
        if key in self.deadlines_ms:  # a key that never expires lives longer than any other
            self.deadlines_ms[key] = max(self.deadlines_ms[key], self._now_ms() + int(ttl))


_SCRIPTS: dict[bytes, Callable[[MemoryServer, list[bytes], list[bytes]], Any]] = {
    online_scripts.BEGIN.digest: MemoryServer._begin,
    online_scripts.WRITE.digest: MemoryServer._write,
    online_scripts.REMOVE.digest: MemoryServer._remove,
    online_scripts.COMMIT.digest: MemoryServer._commit,
    stream_scripts.TAKEN.digest: MemoryServer._taken,
    stream_scripts.WRITE_STREAM.digest: MemoryServer._write_stream,
    stream_scripts.ADVANCE.digest: MemoryServer._advance,
    stream_scripts.REGISTER.digest: MemoryServer._register,
    stream_scripts.BEGIN_SEED.digest: MemoryServer._begin_seed,
    stream_scripts.LAPSE.digest: MemoryServer._lapse,
    stream_scripts.SEED.digest: MemoryServer._seed,
    stream_scripts.CLEAR.digest: MemoryServer._clear,
    source_scripts.LATEST.digest: MemoryServer._latest,
}


def _first(value: bytes) -> int:
    number: int = _NUMBER.unpack_from(value)[0]
    return number


def _above(one: bytes, other: bytes) -> bool:
    if one == other or len(one) < STAMP_SIZE_BYTES:
        return False
    (time, epoch), (other_time, other_epoch) = _STAMP.unpack(one), _STAMP.unpack(other)
    return bool(time > other_time or epoch > other_epoch)


def _stamp(part: bytes) -> bytes:
    return part[HEADER.size : HEADER.size + STAMP_SIZE_BYTES]


class MemoryLink:
    """What `OnlineLink` is to a server, over a line that may break; it is its own `trips`, `scripts` and `faults`."""

    def __init__(self, server: MemoryServer, line: Line) -> None:
        self._server, self._line = server, line
        self.trips = self.scripts = self.faults = self

    @property
    def connections(self) -> int:
        """See `RoundTrips`: one per run of the server."""
        return int(self._server.run_id, 16)

    def command(self, *words: bytes) -> Any:
        """See `OnlineLink`."""
        return self._again(lambda: self._line.call(lambda: self._server.command(*words)))

    def one(self, request: bytes) -> Any:
        """See `RoundTrips`."""
        return self.many(request, 1)[0]

    def many(self, request: bytes, replies: int) -> list[Any]:
        """See `RoundTrips`."""
        reader = hiredis.Reader()
        reader.feed(request)
        commands = [reader.gets() for _ in range(replies)]
        return self._again(lambda: [self._line.call(lambda c=words: self._server.command(*c)) for words in commands])

    def in_slices(self, commands: Iterable[bytes], length: int) -> Iterator[Any]:
        """See `RoundTrips`."""
        for some in batched(commands, length):
            yield from self.many(b"".join(some), len(some))

    def run(self, script: Script, call: Call) -> Any:
        """See `ScriptRunner`."""
        return self.run_all(script, [call])[0]

    ask = run

    def run_all(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        """See `ScriptRunner`."""
        return self._again(lambda: [self._line.call(lambda c=call: self._server.run(script, c)) for call in calls])

    def run_overlapped(self, script: Script, batches: Iterable[Sequence[Call]]) -> Iterator[Any]:
        """See `ScriptRunner`."""
        for batch in batches:
            yield from self.run_all(script, batch)

    def fail(self, fault: type[Exception], rule: str, value: object, mend: str) -> NoReturn:
        """See `Faults`."""
        raise fault(complaint("online store in memory", rule, value, mend))

    def _again(self, ask: Callable[[], Any]) -> Any:
        """After a broken connection everything is sent once more."""
        try:
            return ask()
        except Broken:
            return self._second(ask)

    def _second(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Broken as error:
            raise StoreUnavailableError(complaint("online store in memory", "it must answer", "silence", "Wait.")) from error

    def close(self) -> None:
        """See `OnlineLink`."""


class MemoryOnline(OnlineStore):
    """An `OnlineStore` of one process."""

    def __init__(self, server: MemoryServer, line: Line, prefix: str = "sim") -> None:
        self._keys = OnlineKeys(prefix)
        self._link: Any = MemoryLink(server, line)
        self._scripts = self._link.scripts
        self.streams = StreamParts(self._link, self._keys)
        self.store_id = ""
        self._servers = {}
