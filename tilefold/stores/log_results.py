"""What writing to an event log tells its caller."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What a write to the log did.

    Attributes
    ----------
    accepted, duplicate
        Events that entered, and events that the log held already or that stood twice among the given.
    days
        Dates that changed, ascending.
    version
        The log's version that holds the events.
    """

    accepted: int
    duplicate: int
    days: tuple[date, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Barrier:
    """A place in the log: everything up to `version` has an epoch of at most `number`, everything after it a larger one."""

    number: int
    version: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was taken out of a log.

    Attributes
    ----------
    rows
        How many, repeats included.
    days
        Dates that changed, each with the fingerprint of its files before and after.
    """

    rows: int
    days: Mapping[date, tuple[int, int]]
