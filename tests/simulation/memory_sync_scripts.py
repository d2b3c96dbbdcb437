"""What the Lua of `online_scripts` does, as plain functions over data in memory."""

from tests.simulation.memory_data import MemoryData
from tests.simulation.memory_stamps import is_above, stamp_of
from tilefold.engine.codec import EMPTY_FLAG


class SyncScripts(MemoryData):
    """The scripts of syncs; each takes keys and arguments as its Lua does."""

    def _begin(self, keys: list[bytes], args: list[bytes]) -> int | bytes:
        state, mine = self.fields(keys[0]), args[0]
        stamps = [value for name, value in state.items() if name == b"mark"] + [n[1:] for n in state if n[:1] == b"+"]
        if any(is_above(stamp, mine) for stamp in stamps):
            return 0
        self._written(keys[0])[b"+" + mine] = b""
        return self.run_id

    def _write(self, keys: list[bytes], args: list[bytes]) -> int:
        mine, ttl = args[:2]
        mark = self.fields(keys[0]).get(b"mark")
        if mark and is_above(mark, mine):
            return 0
        for key, part in zip(keys[1:], args[2:], strict=True):
            old = self.fields(key).get(b"b")
            if old is not None and is_above(stamp_of(old), mine):
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
            if part is not None and empty and not is_above(stamp_of(part), args[0]) and not is_above(stamp_of(part), mark):
                removed += self._del(key)
        return removed

    def _commit(self, keys: list[bytes], args: list[bytes]) -> int:
        state, mine = self.fields(keys[0]), args[0]
        mark = state.get(b"mark")
        if mark and is_above(mark, mine):
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
        self._hdel(keys[0], *[name for name in held if name[:1] == b"+" and not is_above(name[1:], mine)])
        return 1
