"""What each step from the event log to what is served did."""

from dataclasses import dataclass
from datetime import date, datetime


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
class SwitchReport:
    """Which version of a view is served.

    Attributes
    ----------
    old
        The one that was served; None where none was.
    new
        The one that this was about.
    switched
        Whether `new` is served since now.
    reason
        Why not.
    """

    view: str
    old: str | None
    new: str
    switched: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MaterializeReport:
    """What `materialize` did.

    Attributes
    ----------
    compaction, sync
        None where it was skipped; `sync` also where the view is declared `online=False`.
    skipped
        Neither the log nor the definition changed since the mark, or since the compaction of a view with `online=False`.
    switch
        Of a version that is not the served one; None where that was not wanted.
    """

    view: str
    as_of: datetime
    compaction: CompactionReport | None
    sync: SyncReport | None
    skipped: bool
    switch: SwitchReport | None = None
