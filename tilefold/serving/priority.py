"""Which processes give way to others where all want the same cores.

The rule: a read is waited for, a compaction or a sync is not. So the processes that only build and sync (`tilefold
materialize`, Dagster's runs) lower their priority; a full sync then leaves reads beside it about as fast as they were.
"""

import os
from contextlib import suppress
from pathlib import Path

RUN_NICENESS = 10


def give_way(niceness: int = RUN_NICENESS) -> None:
    """Let this process give way to others until it ends: its threads, and those that they start from here on.

    For a process that is not asked to serve. A thread that gives way more already stays as it is.
    """
    for thread in _threads():
        with suppress(ProcessLookupError):  # it ended meanwhile
            if os.getpriority(os.PRIO_PROCESS, thread) < niceness:
                os.setpriority(os.PRIO_PROCESS, thread, niceness)


def _threads() -> list[int]:
    """Linux counts niceness by thread, and lists them; elsewhere it is the process's."""
    tasks = Path("/proc/self/task")
    return [int(each.name) for each in tasks.iterdir()] if tasks.is_dir() else [0]
