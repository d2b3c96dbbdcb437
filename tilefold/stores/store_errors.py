"""What went wrong in a Redis-protocol store, in Tilefold's own errors.

The rule: no error of the client library leaves `stores`, and none of ours shows a password. Each names the store's address and
what a person can do about it. One server is the online store, one the stream log; errors say which.
"""

from typing import NamedTuple, NoReturn

from redis import Redis
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004 - the client library's own, which is not Python's
)

from tilefold.errors import StoreFullError, StorePolicyError, StoreUnavailableError, SystemFault, complaint

Fault = type[StoreUnavailableError] | type[StoreFullError] | type[StorePolicyError]


class Role(NamedTuple):
    """What a store is for: its name in errors, that of its URL, what needs room in it, and what to do when it is full."""

    name: str
    url: str
    room: str
    full: str


ONLINE = Role(
    "online store",
    "online URL",
    "the features",
    "Raise its maxmemory, or serve fewer views or shorter windows; then sync again: nothing is half-written.",
)
STREAM = Role(
    "stream log",
    "stream URL",
    "more events",
    "Send the events again later: those that were not acknowledged may be repeated. If it stays full, see that the source is "
    "drained and its stream writer runs, or raise its maxmemory (the embedded one's: TILEFOLD_STREAM_MEMORY).",
)

# In the texts, {url}, {room} and {full} are the role's.
# The first row whose kind fits: what is raised, the rule, what to do. Children before parents.
_TABLE: tuple[tuple[type[RedisError], Fault, str, str], ...] = (
    (
        OutOfMemoryError,
        StoreFullError,
        "it must have room for {room}, but its memory is used up",
        "{full}",
    ),
    (
        AuthenticationError,
        StoreUnavailableError,
        "it must accept the user and password of the {url}",
        "Put the right ones into the URL: redis://user:password@host:port/0.",
    ),
    (
        NoPermissionError,
        StorePolicyError,
        "its user must be allowed every command that Tilefold uses",
        "Grant the user +@read +@write +@scripting +info +ping on the workspace's keys.",
    ),
    (
        AuthorizationError,
        StoreUnavailableError,
        "it must accept the user of the {url}",
        "Put the right one into the URL: redis://user:password@host:port/0.",
    ),
    (
        BusyLoadingError,
        StoreUnavailableError,
        "it must have loaded its data, but is still at it",
        "Wait until it is ready, then try again.",
    ),
    (
        ReadOnlyError,
        StorePolicyError,
        "it must be a primary, but is a replica that takes no writes",
        "Name the primary in the {url}.",
    ),
    (
        TimeoutError,
        StoreUnavailableError,
        "it must answer in time",
        "Look at its load and the network (or set socket_timeout in the URL's query), then try again.",
    ),
    (
        ResponseError,
        StoreUnavailableError,
        "it refused a command",
        "Look at its log; if another program uses the same keys, give the workspace another name.",
    ),
    (
        RedisError,
        StoreUnavailableError,
        "it must answer, but cannot be reached",
        "Start it or mend the {url} (`tilefold doctor` tries it), then try again.",
    ),
)


class Faults:
    """The errors of one store.

    Attributes
    ----------
    thing
        The store as errors name it: its address without the password.
    role
        What it is for.
    """

    def __init__(self, client: Redis, role: Role = ONLINE) -> None:
        settings = client.connection_pool.connection_kwargs
        place = settings.get("path") or f"{settings.get('host', 'localhost')}:{settings.get('port', 6379)}"
        self.thing = f"{role.name} {place}/{settings.get('db') or 0}"
        self.role = role
        self._password = settings.get("password")

    def translated(self, error: RedisError) -> SystemFault:
        """Our error for one of the client library."""
        _, kind, rule, mend = next(row for row in _TABLE if isinstance(error, row[0]))
        texts = self.role._asdict()
        return kind(complaint(self.thing, rule.format(**texts), self._without_password(str(error)), mend.format(**texts)))

    def fail(self, kind: Fault, rule: str, value: object, mend: str) -> NoReturn:
        """Raise an error of this store that no command reported."""
        raise kind(complaint(self.thing, rule, value, mend))

    def _without_password(self, text: str) -> str:
        return text.replace(self._password, "***") if self._password else text
