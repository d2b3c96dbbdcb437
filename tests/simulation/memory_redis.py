"""An online store in memory: what a Redis-protocol server keeps, and what its Lua scripts do, as plain functions.

The rule: `OnlineStore` and `StreamParts` run as they are; only what they send is answered here, by `memory_data` and by the
scripts beside it. `test_memory_redis` holds every function of these against the Lua on a real server.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

import hiredis

from tests.simulation.lines import Broken, Line
from tests.simulation.memory_stream_scripts import StreamScripts
from tests.simulation.memory_sync_scripts import SyncScripts
from tilefold.errors import StoreUnavailableError, complaint
from tilefold.stores import online_scripts, source_scripts, stream_scripts
from tilefold.stores.online_keys import OnlineKeys
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.script_runner import Call, Script, batched
from tilefold.stores.stream_parts import StreamParts


class MemoryServer(SyncScripts, StreamScripts):
    """One server: its data, its commands, and its scripts by the digest of their Lua."""

    def run(self, script: Script, call: Call) -> Any:
        """The answer of a script."""
        keys, args = list(call.keys), list(call.args)
        return _SCRIPTS[script.digest](self, keys, args)


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
