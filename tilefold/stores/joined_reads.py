"""Joined requests to a store, with our own errors: what read paths of an event loop use.

The rule: no error of the client library leaves here, as in the other ways to the store.
"""

from redis.exceptions import RedisError

from tilefold.stores.joined_link import Waiter
from tilefold.stores.joined_trips import JoinedTrips
from tilefold.stores.store_errors import Faults


class JoinedReads:
    """Asks the store for a task of the event loop it was made in; see `OnlineStore.joined`."""

    def __init__(self, trips: JoinedTrips, faults: Faults) -> None:
        self._trips, self._faults = trips, faults

    def ask(self, request: bytes, count: int) -> Waiter:
        """Send a request of `count` commands; its replies are for `arrived`."""
        return self._trips.ask(request, count)

    async def arrived(self, waiter: Waiter) -> None:
        """Return when all replies are there, or the waiter gave up.

        Raises
        ------
        StoreUnavailableError, StorePolicyError
            The store is away, too slow, or refuses one of the commands.
        """
        try:
            await waiter.done
        except RedisError as error:
            raise self._faults.translated(error) from error
        for reply in waiter.replies:
            if isinstance(reply, RedisError):
                raise self._faults.translated(reply)

    def close(self) -> None:
        """Close the connection; what waits fails."""
        self._trips.close()
