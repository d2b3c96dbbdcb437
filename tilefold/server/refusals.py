"""What the server says when it does not answer: one kind of body, whatever went wrong.

The rule: a caller's mistake is told with the field, what was sent and what is accepted; a fault of ours or of a store is told
without its insides (addresses, paths, tracebacks), which go to the log beside a number that the answer shows.
"""

import logging
import secrets
from enum import Enum
from http import HTTPStatus

import msgspec

from tilefold.errors import CallerError, StoreFullError, StoreUnavailableError, UnknownNameError
from tilefold.server.answers import Answer

RETRY_AFTER_S = 1

_log = logging.getLogger(__name__)


class Kind(Enum):
    """Kinds of refusals: the HTTP status, the gRPC code beside it, and the name."""

    INVALID = (400, 3, "invalid argument")
    UNAUTHENTICATED = (401, 16, "unauthenticated")
    FORBIDDEN = (403, 7, "permission denied")
    NOT_FOUND = (404, 5, "not found")
    WRONG_METHOD = (405, 12, "method not allowed")
    EXHAUSTED = (429, 8, "resource exhausted")
    INTERNAL = (500, 13, "internal")
    UNAVAILABLE = (503, 14, "unavailable")
    TOO_LATE = (504, 4, "deadline exceeded")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[0]


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """A request is not answered.

    Parameters
    ----------
    message
        Names the field, what was sent and what is accepted.
    headers
        Of the answer, beside its type.
    """

    def __init__(self, kind: Kind, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.kind, self.message, self.headers = kind, message, headers

    def answer(self) -> Answer:
        """What is sent."""
        status, code, name = self.kind.value
        return Answer(status, msgspec.json.encode({"error": name, "message": self.message, "code": code}), headers=self.headers)


def refusal_of(error: Exception) -> Refusal:
    """What the sender of a request is told about an error of ours or of Python's."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, UnknownNameError):
        return Refusal(Kind.NOT_FOUND, str(error))
    if isinstance(error, CallerError):
        return Refusal(Kind.INVALID, str(error))
    if isinstance(error, StoreFullError):
        _log.warning("%s", error)
        return unavailable("a store has no room for more events")
    if isinstance(error, StoreUnavailableError):
        _log.warning("%s", error)
        return unavailable("a store does not answer")
    number = secrets.token_hex(4)
    _log.error("error %s", number, exc_info=error)
    mend = "Try again later; whoever runs the server finds the cause in its log under this number."
    return Refusal(Kind.INTERNAL, f"the server: it failed on this request; error number {number}. {mend}")


def unavailable(what: str) -> Refusal:
    """Something is away that may be back soon."""
    after = (b"retry-after", b"%d" % RETRY_AFTER_S)
    message = f"the server: it must reach its stores, but {what}. Try again in {RETRY_AFTER_S} s."
    return Refusal(Kind.UNAVAILABLE, message, (after,))


def refusal_of_status(status: int, headers: tuple[tuple[bytes, bytes], ...] = (), path: str = "", method: str = "") -> Refusal:
    """What the framework refuses before any endpoint is asked: a path or a method that is not there."""
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(value.decode() for name, value in headers if name == b"allow")
        return Refusal(Kind.WRONG_METHOD, f"method: {path} takes {allowed or 'another one'}; got {method!r}.", headers)
    if status == HTTPStatus.NOT_FOUND:
        mend = "GET /openapi.json lists the paths."
        return Refusal(Kind.NOT_FOUND, f"path: it must be one of the server's; got {path!r}. {mend}")
    return Refusal(Kind.INVALID, f"request: it must be HTTP/1.1 as its standard says; got one refused with status {status}.")
