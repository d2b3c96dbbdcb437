"""Who may do what.

The rule: an endpoint names the role it needs, or none; this is the one place that compares. Once any key exists every request
to an endpoint with a role must bring one, on loopback too. Without keys the server only listens on loopback.
"""

import base64
import binascii
import ipaddress
from collections.abc import Iterable
from typing import Protocol

from tilefold.errors import InputError, complaint
from tilefold.server.refusals import Kind, Refusal
from tilefold.server.roles import Role

AUTHORIZATION = b"authorization"
_SCHEMES = (b"tecton-key ", b"bearer ")
_CHALLENGE = ((b"www-authenticate", b"Tecton-key, Bearer"),)
_BASIC = b"basic "
_ASK_PERSON = ((b"www-authenticate", b'Basic realm="tilefold: the API key is the password", charset="UTF-8"'),)


class Keys(Protocol):
    """The API keys of a workspace; `ApiKeys` is one."""

    @property
    def required(self) -> bool:
        """Whether there is any key, so that each request must bring one."""
        ...

    def roles_of(self, key: str) -> frozenset[Role] | None:
        """What the holder of a key may do (`admin` may all); None where there is no such key, or it was revoked."""
        ...


class NoKeys:
    """No key, and none asked for."""

    required = False

    def roles_of(self, key: str) -> frozenset[Role] | None:  # noqa: ARG002 - there is none
        """None."""
        return None


def authorize(headers: Iterable[tuple[bytes, bytes]], role: Role | None, keys: Keys, *, page: bool = False) -> None:
    """Raise `Refusal` unless the request may use an endpoint of this role.

    Parameters
    ----------
    page
        A person opens it in a browser, which asks for the key as a password. A browser sends that along wherever a request
        starts from, so only what changes nothing may be a page.
    """
    if role is None or not keys.required:
        return
    challenge = _ASK_PERSON if page else _CHALLENGE
    roles = keys.roles_of(_key(headers, challenge, page=page))
    if roles is None:
        raise Refusal(Kind.UNAUTHENTICATED, "authorization: the key must be one of this workspace's; got another.", challenge)
    if role not in roles and "admin" not in roles:
        held = ", ".join(sorted(roles)) or "none"
        raise Refusal(Kind.FORBIDDEN, f"authorization: the key must have the role {role!r}; got a key with: {held}.")


def _key(headers: Iterable[tuple[bytes, bytes]], challenge: tuple[tuple[bytes, bytes], ...], *, page: bool) -> str:
    """The key that a request brings."""
    accepted = "Send `Authorization: Tecton-key KEY` or `Authorization: Bearer KEY`."
    for name, value in headers:
        if name == AUTHORIZATION:
            if page and value.lower().startswith(_BASIC):
                return _password(value)
            if not value.lower().startswith(_SCHEMES):
                raise Refusal(Kind.UNAUTHENTICATED, f"authorization: its scheme is not accepted. {accepted}", challenge)
            return value.partition(b" ")[2].strip().decode("latin-1")
    raise Refusal(Kind.UNAUTHENTICATED, f"authorization: it is missing. {accepted}", challenge)


def _password(value: bytes) -> str:
    """The password of a Basic header; empty, which is no key, where it is none."""
    try:
        return base64.b64decode(value.partition(b" ")[2].strip(), validate=True).decode("latin-1").partition(":")[2]
    except binascii.Error:
        return ""


def check_open(host: str, keys: Keys) -> None:
    """Refuse to listen where others can reach us while everybody may do everything."""
    if keys.required or is_loopback(host):
        return
    mend = (
        "Make keys (`tilefold keys create NAME --role read`), or give them as TILEFOLD_API_KEYS=key:read,other:ingest, "
        "or listen on 127.0.0.1."
    )
    raise InputError(complaint("the server", "without API keys it only listens on loopback", host, mend))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
