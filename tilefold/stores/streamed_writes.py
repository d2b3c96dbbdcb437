"""Brings entries of a stream log into an event log, in one commit with the places behind them.

The rule: what is read starts behind the places of the very version that the commit lands on. When another drain came first, it
is read again from where that one ended; when anything else came in between, what was staged is used as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, Protocol, TypeAlias

from tilefold.stores.drained_places import Claims, drained_places, place_claims
from tilefold.stores.stream_log import Place

Places: TypeAlias = dict[int, Place]


class Streamed(NamedTuple):
    """Events that were read behind some places, as rows of the event log, and the places behind all that was read."""

    rows: Any
    places: Mapping[int, Place]


@dataclass(frozen=True, slots=True)
class StreamedResult:
    """What one commit brought: events by UTC date, and the places that the log now holds the stream up to."""

    days: Mapping[date, int]
    places: Places
    version: int


class Version(Claims, Protocol):
    """One version of a table."""

    @property
    def version(self) -> int:
        """Its number."""
        ...


class ClaimedTable(Protocol):
    """A table with application transactions, changed by compare-and-set of its version; see `Table`."""

    def snapshot(self) -> Any:
        """Its newest `Version`."""
        ...

    def commit(self, decide: Callable[[Any], Any]) -> int:
        """Apply the change that `decide` makes of the newest version; it runs again whenever another writer came first."""
        ...


class Staging(Protocol):
    """Rows on their way into a table.

    Attributes
    ----------
    days
        How many there are by UTC date.
    """

    days: Mapping[date, int]

    def stage(self, snapshot: Any) -> None:
        """Make ready what is not ready yet for this version."""
        ...

    def change(self, claims: Mapping[str, int]) -> Any:
        """What brings them into the version that they were staged for, with these application transactions."""
        ...


class StreamedWrite:
    """One commit of streamed events."""

    def __init__(
        self,
        table: ClaimedTable,
        staging: Callable[[Any], Staging],
        incarnation: str,
        shards: Sequence[int],
        read: Callable[[Places], Streamed],
    ) -> None:
        self._table, self._staging = table, staging
        self._incarnation, self._shards, self._read = incarnation, shards, read
        self._behind: Places | None = None
        self._places: Places = {}
        self._staged: Staging | None = None

    def commit(self) -> StreamedResult:
        """Read, write and commit; without anything new no commit is made."""
        snapshot: Version = self._table.snapshot()
        self._prepared(snapshot)  # outside of the table's lock, so that other writers go on
        version = snapshot.version if self._places == self._behind else self._table.commit(self._decide)
        assert self._staged is not None, "it is prepared"
        return StreamedResult(dict(sorted(self._staged.days.items())), self._places, version)

    def _decide(self, snapshot: Version) -> Any:
        staged = self._prepared(snapshot)
        return None if self._places == self._behind else staged.change(place_claims(self._incarnation, self._places))

    def _prepared(self, snapshot: Version) -> Staging:
        """What is to come, staged as far as it was not yet for this version."""
        behind = drained_places(snapshot, self._incarnation, self._shards)
        if self._staged is None or behind != self._behind:
            rows, places = self._read(behind)
            self._behind, self._places, self._staged = behind, {**behind, **places}, self._staging(rows)
        self._staged.stage(snapshot)
        return self._staged
