"""Where the stream logs of a workspace live: a server by URL, or an embedded one of its own beside the online store's.

The rule: nothing is opened before a stream is used. A log that is opened is first brought to the last barrier of its event log:
a new one begins in the epoch that is in force, never in the first.
"""

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

from tilefold.declaration.sources import Source, StreamSource
from tilefold.engine.time import span_us
from tilefold.errors import InputError, StoreMismatchError, complaint
from tilefold.serving.binding import Binding
from tilefold.stores.embedded import EmbeddedServer, open_embedded
from tilefold.stores.event_log import EventLog
from tilefold.stores.stream_log import StreamLog
from tilefold.stores.valkey_log import ValkeyLog

MEMORY_VARIABLE = "TILEFOLD_STREAM_MEMORY"
DEFAULT_MEMORY = "1gb"
KAFKA = "kafka://"
_MEMORY = re.compile(r"[0-9]+([kmg]b?)?", re.IGNORECASE)


class StreamHome:
    """Opens the stream logs of one workspace, once each, and closes them.

    Parameters
    ----------
    binding
        The workspace's root and name, and the place of its streams that it is bound to.
    url
        A Redis-protocol server, or `kafka://host:port`; None for an embedded server under the root.
    online_url
        The online store's server: beside Kafka it keeps which ids came before.
    """

    def __init__(self, binding: Binding, url: str | None, online_url: str) -> None:
        self._binding, self._url, self._online_url = binding, url, online_url
        self._server: EmbeddedServer | None = None
        self._logs: dict[str, StreamLog] = {}
        self._lock = threading.Lock()

    def log(self, source: Source, event_log: EventLog, now_us: Callable[[], int]) -> StreamLog:
        """The log of a source.

        Raises
        ------
        InputError
            The source takes no pushed events, or there is no place for an embedded server.
        StoreMismatchError
            The workspace is bound to another place.
        StoreUnavailableError, StorePolicyError
            The server does not answer or is not fit.
        """
        if not isinstance(source, StreamSource):
            mend = "Declare it as a StreamSource, or use append."
            raise InputError(
                complaint(f"source '{source.name}'", "only a StreamSource takes pushed events", "BatchSource", mend)
            )
        with self._lock:
            if source.name not in self._logs:
                self._logs[source.name] = self._opened(source, event_log, now_us)
            return self._logs[source.name]

    def used(self) -> bool:
        """Whether a log was ever opened, here or elsewhere."""
        return self._binding.bound() is not None

    def close(self) -> None:
        """Close the logs; the owner of the embedded server returns after it has exited."""
        with self._lock:
            while self._logs:
                self._logs.popitem()[1].close()
            if self._server is not None:
                self._server.close()

    def _opened(self, source: StreamSource, event_log: EventLog, now_us: Callable[[], int]) -> StreamLog:
        self._binding.check(self._url)
        self._check_owner(source.name)
        log = self._connected(source, now_us)
        try:
            self._binding.bind(self._url)  # once it has answered: a mistyped URL binds nothing
            if barrier := event_log.last_barrier():
                log.append_barrier(barrier)
        except BaseException:
            log.close()
            raise
        return log

    def _check_owner(self, source: str) -> None:
        """One workspace of a root alone has the stream of a source.

        Barriers of the event log go to its own stream log: events in another's would be of an epoch that compactions of this
        root take to be behind them.
        """
        binding = self._binding
        owner = binding.catalog.put_if_absent(f"stream_of_{source.lower()}", binding.name)
        if owner != binding.name:
            mend = "Give this workspace a root of its own; it may share the servers."
            thing, rule = f"source '{source}' in {binding.root}", f"its stream belongs to the workspace {owner!r}"
            raise StoreMismatchError(complaint(thing, rule, binding.name, mend))

    def _connected(self, source: StreamSource, now_us: Callable[[], int]) -> StreamLog:
        name, shards = self._binding.name, source.stream_config.shards
        horizon_us = span_us(source.stream_config.dedupe_horizon)
        if self._url and self._url.startswith(KAFKA):
            connect = _kafka()
            return connect(self._url, self._online_url, name, source.name, shards=shards, horizon_us=horizon_us, now_us=now_us)
        return ValkeyLog.connect(self._place(), name, source.name, shards=shards, horizon_us=horizon_us, now_us=now_us)

    def _place(self) -> str:
        """The URL of the server, started where it is an embedded one."""
        if self._url:
            return self._url
        if self._server is None:
            self._server = open_embedded(self._folder(), "stream", {"appendfsync": "always", "maxmemory": _memory()})
        return self._server.url

    def _folder(self) -> Path:
        if "://" in self._binding.root:
            mend = 'Give stream="redis://host:6379/0": an embedded server needs a folder of its own.'
            raise InputError(complaint("workspace", "a root on an object store needs a stream URL", self._binding.root, mend))
        return Path(self._binding.root)


def _kafka() -> Callable[..., StreamLog]:
    """Opens a log on Kafka; its client library is an optional extra.

    Raises
    ------
    InputError
        The library is not installed.
    """
    try:
        from tilefold.stores.kafka_log import KafkaLog  # noqa: PLC0415 - only where it is wanted
    except ModuleNotFoundError as error:
        mend = "Install it: pip install tilefold[kafka]."
        raise InputError(complaint("stream URL", "Kafka needs the library confluent-kafka", KAFKA, mend)) from error
    return KafkaLog.connect


def _memory() -> str:
    """How much memory an embedded server that is started here may use."""
    given = os.environ.get(MEMORY_VARIABLE) or DEFAULT_MEMORY
    if not _MEMORY.fullmatch(given):
        mend = "Write 1gb, 512mb or a number of bytes; 0 for no limit."
        raise InputError(complaint(MEMORY_VARIABLE, "it must be a size", given, mend))
    return given
