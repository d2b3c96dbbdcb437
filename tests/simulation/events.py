"""Events of the simulation, and the rows and states that views make of them, without frames."""

from typing import NamedTuple


class Event(NamedTuple):
    """One event: its number in the schedule, its columns, and how far they are from any other."""

    number: int
    event_id: str
    user: str
    time_us: int
    units: int | None
    amount: float | None
    shop: str | None

    @property
    def payload(self) -> bytes:
        """The event as it travels."""
        return b"%d" % self.number
