"""Who may do what, and where the server listens."""

import base64
from collections.abc import Mapping

import pytest

from tilefold.errors import InputError
from tilefold.server.access import NoKeys, Role, authorize, check_open, is_loopback
from tilefold.server.refusals import Refusal


class SomeKeys:
    """Keys in clear."""

    required = True
    held: Mapping[str, frozenset[Role]] = {
        "r": frozenset({"read"}),
        "i": frozenset({"ingest"}),
        "a": frozenset({"admin"}),
    }

    def roles_of(self, key: str) -> frozenset[Role] | None:
        """What a key may."""
        return self.held.get(key)


def status(header: bytes | None, role: Role | None, *, page: bool = False) -> int:
    """The status of a request with this header; 200 where it is let in."""
    headers = [] if header is None else [(b"authorization", header)]
    try:
        authorize(headers, role, SomeKeys(), page=page)
    except Refusal as refusal:
        return refusal.kind.status
    return 200


@pytest.mark.parametrize(
    ("header", "role", "wanted"),
    [
        (b"Tecton-key r", "read", 200),
        (b"tecton-key r", "read", 200),
        (b"Bearer r", "read", 200),
        (b"Tecton-key r", "ingest", 403),
        (b"Tecton-key i", "read", 403),
        (b"Tecton-key a", "read", 200),
        (b"Tecton-key a", "ingest", 200),
        (b"Tecton-key x", "read", 401),
        (b"Tecton-key \xff", "read", 401),
        (b"Basic r", "read", 401),
        (b"r", "read", 401),
        (b"", "read", 401),
        (None, "read", 401),
        (None, None, 200),
    ],
)
def test_roles(header: bytes | None, role: Role | None, wanted: int) -> None:
    """No key or another one is 401, the wrong role 403; admin may all; an endpoint without a role is open."""
    assert status(header, role) == wanted


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (b"ann:r", 200),
        (b":a", 200),
        (b"ann:i", 403),
        (b"ann:x", 401),
        (b"ann:r:", 401),
        (b"r", 401),
        (b"ann:\xff", 401),
        (b"", 401),
    ],
)
def test_a_page_takes_a_password(header: bytes, wanted: int) -> None:
    """A person gives the key as the password of any name; only where a page is opened."""
    basic = b"Basic " + base64.b64encode(header)
    assert (status(basic, "read", page=True), status(basic, "read")) == (wanted, 401)


def test_a_browser_is_told_to_ask() -> None:
    """A page without a key is answered with what makes a browser ask for one; anything else is not."""
    for page, scheme in ((True, b"Basic "), (False, b"Tecton-key")):
        with pytest.raises(Refusal) as raised:
            authorize([], "read", SomeKeys(), page=page)
        ((name, value),) = raised.value.headers
        assert (name, value.startswith(scheme)) == (b"www-authenticate", True)


@pytest.mark.parametrize("text", [b"Basic", b"Basic !", b"Basic YQ", b"basic \xff"])
def test_what_is_no_password_is_no_key(text: bytes) -> None:
    """Whatever a page is sent, it is refused and nothing breaks."""
    with pytest.raises(Refusal, match="authorization: "):
        authorize([(b"authorization", text)], "read", SomeKeys(), page=True)


def test_without_keys() -> None:
    """As long as there is no key, none is asked for."""
    authorize([], "admin", NoKeys())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_loopback(host: str) -> None:
    """Only this machine reaches these."""
    assert is_loopback(host)
    check_open(host, NoKeys())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_open_to_others(host: str) -> None:
    """Where others reach it, the server does not start without keys, and says how to make them."""
    with pytest.raises(InputError, match=r"tilefold keys create"):
        check_open(host, NoKeys())
    check_open(host, SomeKeys())
