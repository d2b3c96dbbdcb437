"""A process that works day after day until it is killed: `python -m tests.kill.child ROOT FIRST_STEP [CLASS METHOD WHEN]`.

With a point given it kills itself before or after the first call of that method.
"""

import os
import signal
import sys
from itertools import count
from typing import Any

from tests.kill.work import opened, take
from tilefold.stores.compacted_table import CompactedTable
from tilefold.stores.event_log import EventLog
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.tile_table import TileTable

CLASSES: dict[str, Any] = {each.__name__: each for each in (CompactedTable, EventLog, OnlineStore, TileTable)}


def arm(owner: str, method: str, when: str) -> None:
    """Let the process die at a call."""
    real = getattr(CLASSES[owner], method)

    def deadly(*arguments: Any, **named: Any) -> None:
        if when == "after":
            real(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(CLASSES[owner], method, deadly)


def main(root: str, first: str, *point: str) -> None:
    """Work for ever, saying which day is begun."""
    workspace = opened(root)
    if point:
        arm(*point)
    for step in count(int(first)):
        print(step, flush=True)  # noqa: T201 - what the parent reads
        take(workspace, step)


if __name__ == "__main__":
    main(*sys.argv[1:])
