"""Barriers of an event log: the application transaction `tilefold/barrier`, set to the number of the last one.

The rule: the number is one more than that of the very version that the barrier's commit follows, so no two barriers share one.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tilefold.stores.drained_places import Claims
from tilefold.stores.event_columns import BARRIER
from tilefold.stores.log_results import Barrier
from tilefold.stores.streamed_writes import ClaimedTable


def last_barrier(snapshot: Claims) -> int:
    """Number of the last barrier at or before a version; 0 where there is none."""
    return snapshot.claim(BARRIER) or 0


def number_barrier(table: ClaimedTable, change: Callable[[Mapping[str, int]], Any]) -> Barrier:
    """Take the next number, in a commit of its own; `change` makes one of application transactions alone."""
    number = 0

    def decide(snapshot: Claims) -> Any:
        nonlocal number
        number = last_barrier(snapshot) + 1
        return change({BARRIER: number})

    version = table.commit(decide)
    return Barrier(number, version)
