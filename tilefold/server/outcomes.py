"""What is known of each request when it has been answered: for metrics and logs.

The rule: an outcome is reported once per request, after its answer was handed to the connection, refused ones too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class Outcome:
    """How one request went.

    Attributes
    ----------
    endpoint
        Its path as declared; empty for a path that is not there (what callers make up must not become a label).
    service
        The feature service or view that was read, once it is known to exist; else empty.
    status
        The HTTP status.
    seconds
        From the request's head to its answer.
    store_s
        How long the online store took; None where it was not asked.
    rows
        Entities that were asked for.
    stale, timed_out, not_ready
        How many of the rows hold a value that is STALE, TIME_OUT or NOT_READY.
    ingested
        Of each source: how many events were `accepted`, `duplicate`, `refused`, `late`.
    cached
        Rows that were answered from the read cache alone.
    """

    endpoint: str
    service: str = ""
    status: int = 0
    seconds: float = 0.0
    store_s: float | None = None
    rows: int = 0
    stale: int = 0
    timed_out: int = 0
    not_ready: int = 0
    cached: int = 0
    ingested: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


class Observer(Protocol):
    """Takes outcomes; it must be quick and never raise."""

    def record(self, outcome: Outcome) -> None:
        """Take note of one request."""
        ...


class NoObserver:
    """Takes no note."""

    def record(self, outcome: Outcome) -> None:
        """Nothing."""
