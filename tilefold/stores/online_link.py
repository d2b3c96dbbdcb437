"""One store's connections, scripts and errors, held together.

The rule: what goes through here comes back as a value or as one of our own errors.
"""

from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from tilefold.stores.round_trips import RoundTrips, packed
from tilefold.stores.script_runner import ScriptRunner
from tilefold.stores.store_errors import ONLINE, Faults, Role


class OnlineLink:
    """The ways to talk to one store.

    Parameters
    ----------
    wait_s
        The longest that a command sent by `waiting` may wait inside the server.
    """

    def __init__(self, client: Redis, role: Role = ONLINE, wait_s: float = 0) -> None:
        self.client = client
        self.faults = Faults(client, role)
        self.trips = RoundTrips(client)
        self._waiting_trips = RoundTrips(client, wait_s)
        self.scripts = ScriptRunner(self.trips, self.faults)

    def command(self, *command: bytes) -> Any:
        """The reply to one command that may be repeated."""
        try:
            return self.trips.one(packed(*command))
        except RedisError as error:
            raise self.faults.translated(error) from error

    def waiting(self, *commands: bytes) -> list[Any]:
        """The replies to packed commands, sent at once, that may be repeated and may wait, on connections of their own."""
        try:
            return self._waiting_trips.many(b"".join(commands), len(commands))
        except RedisError as error:
            raise self.faults.translated(error) from error

    def facts(self, *sections: str) -> dict[str, Any]:
        """What INFO says in these sections."""
        try:
            return {name: fact for section in sections for name, fact in self.client.info(section).items()}
        except RedisError as error:
            raise self.faults.translated(error) from error

    def close(self) -> None:
        """Close all connections."""
        self.trips.close()
        self._waiting_trips.close()
        self.client.close()
