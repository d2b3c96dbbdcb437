"""What an endpoint declares, and what its handler is given.

The rule: an endpoint is a row (path, methods, role, limit, handler), and everything else about a request - its path, its
rights, its size, its errors, its record - is dealt with once, in `app`, for all of them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qsl

from starlette.types import Scope

from tilefold.server.answers import Answer
from tilefold.server.outcomes import Outcome
from tilefold.server.refusals import Kind, Refusal
from tilefold.server.roles import Role
from tilefold.server.served import Served

BODY_BYTES_MAX = 4 << 20


class Call:
    """One request, as handlers see it.

    Attributes
    ----------
    served
        The workspace as it was when the request came; it stays open until the answer is there.
    outcome
        What the handler found out, for metrics; `endpoint`, `status` and `seconds` are filled in for it.
    began_s
        When the request's head was there (`time.perf_counter`).
    """

    __slots__ = ("began_s", "body", "outcome", "scope", "served")

    def __init__(self, scope: Scope, body: bytes, served: Served, outcome: Outcome, began_s: float) -> None:
        self.scope, self.body, self.served, self.outcome, self.began_s = scope, body, served, outcome, began_s

    @property
    def query(self) -> dict[str, str]:
        """The query's names and values; the last one of a name counts."""
        try:
            return dict(parse_qsl(self.scope["query_string"].decode("ascii"), keep_blank_values=True, errors="strict"))
        except (UnicodeDecodeError, ValueError) as error:
            raise Refusal(Kind.INVALID, "query: it must be percent-encoded UTF-8 of at most 100 fields.") from error

    def header(self, name: bytes) -> bytes | None:
        """The first header of a name, which is in lower case."""
        return next((value for known, value in self.scope["headers"] if known == name), None)


Handler: TypeAlias = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path, and who answers on it.

    Attributes
    ----------
    role
        What a key must be allowed for it; None: open to everybody, always.
    body_bytes_max
        A larger body is refused.
    refused
        How a refusal is told.
    page
        A person opens it in a browser; it must change nothing (see `authorize`).
    """

    path: str
    methods: tuple[str, ...]
    role: Role | None
    handle: Handler
    body_bytes_max: int = BODY_BYTES_MAX
    refused: Callable[[Refusal], Answer] = Refusal.answer
    page: bool = False
