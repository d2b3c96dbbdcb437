"""What the Lua of `stream_scripts` does, as plain functions over data in memory."""

from typing import Any

from tests.simulation.memory_data import MemoryData
from tests.simulation.memory_stamps import first_of, is_above
from tilefold.engine.stream_codec import REVISION, REVISION_START


class StreamScripts(MemoryData):
    """The scripts of stream writers and seedings; each takes keys and arguments as its Lua does."""

    def _taken(self, keys: list[bytes], args: list[bytes]) -> list[Any]:
        del args
        return [[each for pair in self.fields(keys[0]).items() for each in pair], self.run_id]

    def _write_stream(self, keys: list[bytes], args: list[bytes]) -> bytes:
        state, ttl, lows = self.fields(keys[0]), args[3], int(args[4])
        if state.get(b"log") != args[0] or self.run_id != args[2]:
            return b""
        if args[1] and (b"mark" not in state or is_above(args[1], state[b"mark"])):
            return b""
        rest = args[5 + 2 * lows :]
        for field, low in zip(args[5 : 5 + 2 * lows : 2], args[6 : 6 + 2 * lows : 2], strict=True):
            place = state.get(field)
            if place is None or first_of(place) != first_of(low):
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
            if field not in state or first_of(state[field]) < first_of(place):
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
        if all(field in state and first_of(state[field]) >= first_of(start) for field, start in starts):
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
        if held is None or first_of(held) < first_of(args[0]):
            self.strings[keys[0]] = args[0]
        return 1
