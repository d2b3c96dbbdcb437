"""librdkafka's built-in mock cluster, held by itself: its brokers go down and come back when they are told.

The client's property `test.mock.num.brokers` makes the same cluster, but gives no hold on it; so the library that the client
brings is called directly.
"""

import ctypes
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import confluent_kafka

_PRODUCER = 0


def _library() -> Any:
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    lib = ctypes.CDLL(str(next(folder.glob("librdkafka*"))))
    pointer, number = ctypes.c_void_p, ctypes.c_int
    types: dict[str, tuple[Any, list[Any]]] = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_new": (pointer, [number, pointer, ctypes.c_char_p, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_set_log_level": (None, [pointer, number]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, [pointer]),
        "rd_kafka_mock_topic_create": (number, [pointer, ctypes.c_char_p, number, number]),
        "rd_kafka_mock_broker_set_down": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_up": (number, [pointer, ctypes.c_int32]),
    }
    for name, (result, arguments) in types.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


class MockCluster:
    """A running mock cluster."""

    def __init__(self, brokers: int = 1) -> None:
        self._lib, self._brokers = _library(), brokers
        self._topics: set[str] = set()
        error = ctypes.create_string_buffer(512)
        self._client = self._lib.rd_kafka_new(_PRODUCER, self._lib.rd_kafka_conf_new(), error, len(error))
        assert self._client, error.value
        self._lib.rd_kafka_set_log_level(self._client, 0)
        self._cluster = self._lib.rd_kafka_mock_cluster_new(self._client, brokers)

    @property
    def url(self) -> str:
        """Where it is; clients give up soon, so that tests of what is down are short."""
        brokers = self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        return f"kafka://{brokers}?delivery.timeout.ms=3000&socket.timeout.ms=2000&reconnect.backoff.max.ms=100"

    def topic(self, name: str, partitions: int = 4) -> None:
        """Make a topic, once: the mock cluster does not take the request that makes one."""
        if name in self._topics:
            return
        self._topics.add(name)
        assert self._lib.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, self._brokers) == 0

    def down(self) -> None:
        """Let all brokers disappear."""
        for broker in range(1, self._brokers + 1):
            self._lib.rd_kafka_mock_broker_set_down(self._cluster, broker)

    def up(self) -> None:
        """Let them come back with what they had."""
        for broker in range(1, self._brokers + 1):
            self._lib.rd_kafka_mock_broker_set_up(self._cluster, broker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lib.rd_kafka_mock_cluster_destroy(self._cluster)
        self._lib.rd_kafka_destroy(self._client)
