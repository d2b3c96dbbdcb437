"""A process that works day after day until it is killed: `python -m tests.kill.child ROOT FIRST_STEP [CLASS METHOD WHEN CALL]`.

It says `opening` before it opens the workspace, then each day that it begins. With a point given it kills itself before or
after a call of that method: the first one where CALL is 1.
"""

import os
import signal
import sys
from itertools import count
from typing import Any

from tests.kill.work import opened, take
from tilefold.stores.compacted_table import CompactedTable
from tilefold.stores.delta import Table
from tilefold.stores.event_log import EventLog
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.tile_table import TileTable

CLASSES: dict[str, Any] = {each.__name__: each for each in (CompactedTable, EventLog, OnlineStore, Table, TileTable)}


def arm(owner: str, method: str, when: str, call: str) -> None:
    """Let the process die at a call."""
    real, calls = getattr(CLASSES[owner], method), count(1)

    def deadly(*arguments: Any, **named: Any) -> Any:
        last = next(calls) == int(call)
        if last and when == "before":
            die()
        result = real(*arguments, **named)
        if last:
            die()
        return result

    setattr(CLASSES[owner], method, deadly)


def die() -> None:
    """End as `kill -9` ends."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(root: str, first: str, *point: str) -> None:
    """Work for ever, saying what is begun."""
    tell("opening")
    workspace = opened(root)
    if point:
        arm(*point)
    for step in count(int(first)):
        tell(step)
        take(workspace, step)


def tell(what: object) -> None:
    """Say it to the parent at once."""
    print(what, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
