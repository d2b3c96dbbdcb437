"""What became of events: receipts and drains."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from tilefold.stores.stream_log import Place


@dataclass(frozen=True, slots=True)
class Refused:
    """One event that was not accepted, and why."""

    index: int
    event_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the events that were handed over.

    Attributes
    ----------
    days
        The UTC dates whose events changed.
    late
        How many accepted events are older than ids are remembered: one sent twice counts twice until the next compaction.
    positions
        Of each shard of the stream log a position at or before which all events of it stand, the duplicates too.
    """

    accepted: int
    duplicate: int
    refused: list[Refused] = field(default_factory=list)
    days: tuple[date, ...] = ()
    late: int = 0
    positions: Mapping[int, int] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What a drain brought from the stream log into Delta.

    Attributes
    ----------
    days
        Events by the UTC date of their own time, ascending; those that came twice count twice here.
    accepted, refused
        Events that came into the event log, and into the table of dead letters.
    late_days
        The dates before today (UTC): compactions may have covered them already, so they want healing.
    places
        Of each shard the place up to which the event log now holds the stream.
    caught_up
        Whether it came to where the stream ended when it began.
    missed
        Of each shard that was trimmed behind what the event log holds, the positions in between: their events are lost. It
        happens only if the event log was replaced by an older copy, or a foreign hand trimmed the stream.
    left
        How many entries the stream log still keeps.
    """

    days: Mapping[date, int]
    accepted: int
    refused: int
    late_days: tuple[date, ...]
    places: Mapping[int, Place]
    caught_up: bool
    missed: Mapping[int, tuple[int, int]]
    left: int
    duration_s: float
