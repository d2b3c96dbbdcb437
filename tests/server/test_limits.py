"""How large a request may be: what is larger is refused while it comes, and nothing of it is kept."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.server.servers import GET
from tilefold.server.endpoints import BODY_BYTES_MAX
from tilefold.server.routes import INGEST_BYTES_MAX

CHUNK = b" " * 65_536


def chunks(size: int) -> Iterator[bytes]:
    """Blanks, which JSON may begin with, in a stream of unknown length."""
    for _ in range(size // len(CHUNK) + 1):
        yield CHUNK


@pytest.mark.parametrize(("path", "limit"), [(GET, BODY_BYTES_MAX), ("/ingest", INGEST_BYTES_MAX)])
def test_a_body_that_is_too_large_is_refused(client: httpx.Client, path: str, limit: int) -> None:
    """With its length told or in chunks: the limit is named."""
    for body in (b" " * (limit + 1), chunks(limit)):
        said = client.post(path, content=body)
        assert (said.status_code, f"at most {limit} bytes" in said.json()["message"]) == (400, True)


def test_the_largest_body_is_read(client: httpx.Client) -> None:
    """At the limit it is the body's own mistake that is told."""
    said = client.post(GET, content=b" " * BODY_BYTES_MAX)
    assert (said.status_code, "must be a JSON object" in said.json()["message"]) == (400, True)


@pytest.mark.parametrize("sent", [b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"a" * 200_000])
def test_heads_are_bounded(client: httpx.Client, sent: bytes) -> None:
    """A path or a header without end is cut off or refused, and the server goes on."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=30) as link:
        link.sendall(sent)
        link.shutdown(socket.SHUT_WR)
        assert link.recv(12) in (b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 431", b"")
    assert client.get("/healthz").status_code == 200
