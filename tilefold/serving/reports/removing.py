"""What was taken away, and what stayed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


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
class RemovedVersion:
    """A version that was removed.

    Attributes
    ----------
    keys
        How many entities were deleted from the online store.
    size_bytes
        Of the files of its tables, which were deleted; 0 where they stay.
    users
        The other workspaces of the root that have use of its tables, which stay therefore.
    """

    version: str
    keys: int
    size_bytes: int
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemovalReport:
    """Which versions of a view were removed.

    Attributes
    ----------
    served
        The version that is served, which stays.
    left
        What stays too, by version, and why.
    """

    view: str
    served: str | None
    removed: tuple[RemovedVersion, ...]
    left: Mapping[str, str]


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
