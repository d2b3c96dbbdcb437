"""What a Redis-protocol server keeps, in memory, and the commands that `OnlineStore` and `StreamParts` send to it.

The rule: a command is a method of its name; one that nothing sends is not here.
"""

from collections.abc import Callable
from itertools import count
from typing import Any, Self

Hash = dict[bytes, bytes]


class MemoryData:
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

    def saved(self) -> Self:
        """A copy of the data."""
        copy = type(self)(self._now_ms)
        copy.take_over(self)
        return copy

    def take_over(self, other: "MemoryData") -> None:
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

    def _expire_nx(self, key: bytes, ttl: bytes) -> bool:
        if key in self.deadlines_ms:
            return False
        self.deadlines_ms[key] = self._now_ms() + int(ttl)
        return True

    def _expire_gt(self, key: bytes, ttl: bytes) -> None:
        if key in self.deadlines_ms:  # a key that never expires lives longer than any other
            self.deadlines_ms[key] = max(self.deadlines_ms[key], self._now_ms() + int(ttl))
