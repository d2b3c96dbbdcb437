"""A real server in a thread, asked with plain HTTP."""

import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Queue
from typing import Any

from tilefold import Workspace
from tilefold.server.options import ServerOptions
from tilefold.server.running import Running

STOP_S = 30.0


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Asking:
    """A running server's address, and how it is asked."""

    url: str
    context: ssl.SSLContext | None = None

    def get(self, path: str, **headers: str) -> Said:
        """Ask for a page; header names have underscores for dashes."""
        return self._asked(path, None, headers)

    def post(self, path: str, body: Any, **headers: str) -> Said:
        """Send JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._asked(path, data, {"Content_Type": "application/json"} | headers)

    def _asked(self, path: str, data: bytes | None, headers: Mapping[str, str]) -> Said:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{self.url}{path}", data, named)
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.context) as answer:
                return Said(answer.status, dict(answer.headers.items()), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Said(error.code, dict(error.headers.items()), error.read())


@contextmanager
def asked(
    workspace: Workspace, options: ServerOptions | None = None, context: ssl.SSLContext | None = None
) -> Iterator[Asking]:
    """Serve a workspace on a free port of this machine; it has ended when this returns."""
    stop, told = threading.Event(), Queue[str | BaseException]()

    def serve() -> None:
        try:
            workspace.serve("127.0.0.1", 0, options=options, running=Running(stop=stop, started=told.put))
        except BaseException as error:  # noqa: BLE001 - the test is told
            told.put(error)

    thread = threading.Thread(target=serve, name="server")
    thread.start()
    try:
        url = told.get(timeout=STOP_S)
        assert isinstance(url, str), url
        yield Asking(url, context)
    finally:
        stop.set()
        thread.join(STOP_S)
        assert not thread.is_alive()
