"""Which processes give way to others where all want the same cores.

The rule: a read is waited for, a compaction or a sync is not. So the processes that only build and sync (`tilefold
materialize`, Dagster's runs) lower their priority; a full sync then leaves reads beside it about as fast as they were.
"""

import os

RUN_NICENESS = 10


def give_way(niceness: int = RUN_NICENESS) -> None:
    """Let this process, in all threads that it starts from here on, give way to others until it ends.

    For the main thread of a process that is not asked to serve. A process that gives way more already stays as it is.
    """
    if os.getpriority(os.PRIO_PROCESS, 0) < niceness:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
