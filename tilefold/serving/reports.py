"""What each step tells about itself; asset metadata, the CLI and tests read these.

The rule: numbers carry their unit in the name, and a report says what was done, not what was meant to be done.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

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


@dataclass(frozen=True, slots=True)
class DayReport:
    """The tiles of one day: from how many events they were built, how many there are, and their files' size."""

    day: date
    events: int
    tiles: int
    size_bytes: int
    rebuilt: bool


@dataclass(frozen=True, slots=True)
class TilesReport:
    """What building tiles did, day by day."""

    view: str
    days: tuple[DayReport, ...]
    duration_s: float

    @property
    def rebuilt(self) -> tuple[date, ...]:
        """The days that were built anew."""
        return tuple(report.day for report in self.days if report.rebuilt)


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """What a compaction made.

    Attributes
    ----------
    keys, tiles_before, tiles_after, events
        Keys with a part, the cells they were made from, the tiles they hold, and the events in them.
    keys_computed
        Keys whose part was computed; the others were taken over from the compaction before.
    size_bytes, largest_part_bytes
        Of all parts, and of the largest one.
    predecessor
        The (watermark in microseconds, epoch) of the compaction it started from.
    rebuilt_days
        Days whose tiles had to be built anew first.
    """

    view: str
    as_of: datetime
    epoch: int
    keys: int
    tiles_before: int
    tiles_after: int
    events: int
    keys_computed: int
    size_bytes: int
    largest_part_bytes: int
    predecessor: tuple[int, int] | None
    rebuilt_days: tuple[date, ...]
    duration_s: float


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did to the online store.

    Attributes
    ----------
    written, unchanged, removed
        Keys whose part was written, left as it was, and emptied because no window holds anything of them.
    bytes
        Of the parts that were written.
    superseded
        A newer compaction was there, or came in between: nothing, or nothing more, was changed.
    full
        Every key was written, since the store did not hold what this workspace wrote before.
    """

    view: str
    as_of: datetime
    epoch: int
    written: int
    unchanged: int
    removed: int
    bytes: int
    superseded: bool
    full: bool
    duration_s: float

    @property
    def status(self) -> str:
        """`superseded` or `committed`."""
        return "superseded" if self.superseded else "committed"


@dataclass(frozen=True, slots=True)
class PruneReport:
    """Which compactions were removed.

    Attributes
    ----------
    removed
        The watermark and the epoch of each, ascending.
    kept
        How many are left.
    served
        The watermark and the epoch that the online store serves, which is kept; None where it serves none.
    """

    view: str
    removed: tuple[tuple[datetime, int], ...]
    kept: int
    served: tuple[datetime, int] | None


@dataclass(frozen=True, slots=True)
class MaterializeReport:
    """What `materialize` did.

    Attributes
    ----------
    compaction, sync
        None where it was skipped; `sync` also where the view is declared `online=False`.
    skipped
        Neither the log nor the definition changed since the mark, or since the compaction of a view with `online=False`.
    """

    view: str
    as_of: datetime
    compaction: CompactionReport | None
    sync: SyncReport | None
    skipped: bool


@dataclass(frozen=True, slots=True)
class ForgottenView:
    """What was taken out of one version of a view: tiles, parts of compactions, online keys."""

    view: str
    version: str
    tiles: int
    parts: int
    online: int


@dataclass(frozen=True, slots=True)
class ForgetReport:
    """What was taken out of an entity.

    Attributes
    ----------
    events
        Rows of the event log, repeats included.
    days
        The UTC dates that they lay on. Other views of the source are built anew for these at their next compaction.
    dead_letters
        Refused events that named it.
    files_removed
        Files of earlier versions of the tables that were deleted.
    online_files_rewritten, stream_files_rewritten
        Whether the servers' own files are free of it; False where the server keeps them its own way.
    source_files
        Where the files are that the source imports: it must be taken out of these by hand, or the next import brings it back.
    left
        Where it still stands, since somebody wrote meanwhile: forget it again.
    """

    source: str
    entity: Mapping[str, Any]
    events: int
    days: tuple[date, ...]
    dead_letters: int
    views: tuple[ForgottenView, ...]
    files_removed: int
    online_files_rewritten: bool
    stream_files_rewritten: bool
    source_files: str | None
    left: tuple[str, ...]
    duration_s: float
