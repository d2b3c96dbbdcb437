"""Who may do what, and where the server listens."""

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


def status(header: bytes | None, role: Role | None) -> int:
    """The status of a request with this header; 200 where it is let in."""
    headers = [] if header is None else [(b"authorization", header)]
    try:
        authorize(headers, role, SomeKeys())
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
