"""The stream part of a key: what was written since the last compaction, as rows by epoch.

The rule: rows of different epochs never join, and no row straddles a watermark, so that a reader can leave out exactly what its
batch part covers. A few rows stay single events at their own times (`loose`); of a busy key those that have passed are settled
into cells, which hold running totals from the newest one back, like the tiles of a batch part:

    epoch 7    settled    |--cell--|--cell--|-cell-|-cell-|        loose   .  . . ..
    epoch 8    settled    none                                     loose         .
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

NOTHING_PRUNED_US = -(2**62)


class Row(NamedTuple):
    """The events of one time, or of one span between two times: first and last in microseconds, the stored components."""

    first_us: int
    last_us: int
    components: tuple[Any, ...]


@dataclass(slots=True)
class Settled:
    """Cells, ascending, column by column; components that run hold totals from the newest cell back.

    `first` and `last` count grains since 1970; `newest_us` is the time of the newest event. `encoded` keeps the bytes until
    something changes.
    """

    first: list[int]
    last: list[int]
    columns: list[list[Any]]
    newest_us: int
    encoded: bytes | None = None


@dataclass(slots=True)
class Group:
    """The rows of one epoch.

    `packed` keeps the bytes of the first loose rows; whoever changes these, and does not only add rows behind them, drops it.
    """

    loose: list[Row] = field(default_factory=list)
    settled: Settled | None = None
    packed: bytes | None = None

    def keep_from(self, start: int) -> None:
        """Leave out the loose rows before this one."""
        self.loose, self.packed = self.loose[start:], None

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing."""
        return not self.loose and self.settled is None


@dataclass(slots=True)
class StreamPart:
    """A key's stream part.

    Attributes
    ----------
    log
        Which stream log `positions` belong to: a number made of its incarnation.
    revision
        Another one with each write; a write compares it. 0 where there was none.
    positions
        By shard how far the log is included; replaced and never changed, as many parts share it.
    groups
        By epoch.
    pruned_us
        The newest event that was left out because no window reached it any more.
    """

    log: int
    revision: int = 0
    positions: Mapping[int, int] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    pruned_us: int = NOTHING_PRUNED_US

    def rows(self) -> int:
        """How many rows and cells there are."""
        return sum(len(g.loose) + (len(g.settled.first) if g.settled else 0) for g in self.groups.values())
