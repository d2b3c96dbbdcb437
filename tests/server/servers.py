"""A served workspace, in a thread of the test, and a store behind a proxy that can be slow or away."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from tilefold import Workspace
from tilefold.server.options import ServerOptions
from tilefold.server.running import Running

START_S = 30.0
GET, BATCH, METADATA = (f"/api/v1/feature-service/{name}" for name in ("get-features", "get-features-batch", "metadata"))


@contextlib.contextmanager
def served(workspace: Workspace, **options: Any) -> Iterator[httpx.Client]:
    """A client of a server that answers with this workspace."""
    told: list[str] = []
    started, stop = threading.Event(), threading.Event()

    def note(url: str) -> None:
        told.append(url)
        started.set()

    running = Running(stop=stop, started=note)
    thread = threading.Thread(
        target=workspace.serve, args=("127.0.0.1", 0), kwargs={"options": ServerOptions(**options), "running": running}
    )
    thread.start()
    try:
        assert started.wait(START_S), "it listens"
        with httpx.Client(base_url=told[0], timeout=START_S) as client:
            yield client
    finally:
        stop.set()
        thread.join(START_S)
        assert not thread.is_alive(), "it has stopped"


def params(service: str, keys: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The body of a request for one entity."""
    return {"params": {"featureServiceName": service, "joinKeyMap": keys or {}, **more}}


def rows(service: str, keys: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """The body of a request for many."""
    return {"params": {"featureServiceName": service, "requestData": [{"joinKeyMap": each} for each in keys], **more}}


class Proxy:
    """Stands between a client and a server of the Redis protocol.

    Attributes
    ----------
    open
        Whether replies go through; while it is not set they are held back.
    """

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        place, self._tls = urlsplit(url), tls
        self._url, self._target = place, (place.hostname or "", place.port or 0)
        self.open = threading.Event()
        self.open.set()
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        """The server's URL by way of this."""
        user, _, _ = self._url.netloc.rpartition("@")
        return self._url._replace(netloc=f"{user}@127.0.0.1:{self.port}").geturl()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.open.set()
        self.stop()

    def stop(self) -> None:
        """Close everything: from here on connections are refused."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def start(self) -> None:
        """Listen again, at the same port."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def cut(self) -> None:
        """Break the connections there are."""
        while self._sockets:
            each = self._sockets.pop()
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        listening = self._listening
        while True:
            try:
                near, _ = listening.accept()
                if self._tls is not None:
                    near = self._tls.wrap_socket(near, server_side=True)
                far = socket.create_connection(self._target)
            except OSError:
                return
            self._sockets += [near, far]
            threading.Thread(target=self._pump, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, True), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, held: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                if held:
                    self.open.wait()
                target.sendall(data)
        except OSError:
            pass  # one side is gone, so the other goes too
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
