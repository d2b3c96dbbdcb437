"""Pages of other sites, and names that lead here."""

import httpx
import pytest

from tests.server.servers import GET, params
from tilefold.server.origins import refuse_foreign_pages
from tilefold.server.refusals import Refusal


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8080", None),
        ("localhost:8080", None),
        ("[::1]:8080", None),
        ("127.0.0.1", "http://127.0.0.1"),
        ("localhost:8080", "http://localhost:8080"),
        (None, None),
    ],
)
def test_ours(host: str | None, origin: str | None) -> None:
    """Requests that are meant for this machine, of no page or of one of ours."""
    given = ((b"host", host), (b"origin", origin))
    refuse_foreign_pages([(name, value.encode()) for name, value in given if value is not None])


@pytest.mark.parametrize(
    ("host", "origin", "field"),
    [
        ("127.0.0.1:8080", "https://example.org", "origin"),
        ("127.0.0.1:8080", "http://127.0.0.1:9090", "origin"),
        ("127.0.0.1:8080", "null", "origin"),
        (None, "https://example.org", "origin"),
        ("example.org:8080", None, "host"),
        ("example.org:8080", "http://example.org:8080", "host"),
        ("[::1", None, "host"),
        ("", None, "host"),
    ],
)
def test_foreign(host: str | None, origin: str | None, field: str) -> None:
    """What a browser sends for other sites' pages is refused, also under a name that was made to lead here."""
    given = ((b"host", host), (b"origin", origin))
    with pytest.raises(Refusal, match=f"^{field}: without API keys") as refused:
        refuse_foreign_pages([(name, value.encode()) for name, value in given if value is not None])
    assert refused.value.kind.status == 403


def test_a_page_cannot_read(client: httpx.Client) -> None:
    """A form of another site, which browsers send without asking first, gets nothing; health is for everybody."""
    body, heads = params("spend", {"user": "ann"}), {"Origin": "https://example.org", "Content-Type": "text/plain"}
    assert client.post(GET, json=body, headers=heads).status_code == 403
    assert client.get("/healthz", headers=heads).status_code == 200
