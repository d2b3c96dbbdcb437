"""A process that pushes and drains until it is killed.

    python -m tests.kill.drain_child ROOT ONLINE STREAM NAME FIRST [POINT WHEN]

With a point given it kills itself before or after the first call of that method, and pushes nothing before it drains.
"""

import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

from tests.streams import opened, record
from tilefold.stores.dead_letters import DeadLetters
from tilefold.stores.delta import Table
from tilefold.stores.event_log import EventLog
from tilefold.stores.valkey_log import ValkeyLog

EVENTS, REFUSED = 9, 2
POINTS: dict[str, tuple[Any, str]] = {
    "dead letters": (DeadLetters, "add"),
    "staged file": (Table, "stage"),
    "commit": (Table, "_write"),
    "event log": (EventLog, "append_streamed"),
    "trim": (ValkeyLog, "trim"),
}


def batch(number: int) -> list[dict[str, Any]]:
    """What is pushed at once: events of several days, the last of the batch before again, and some that are refused."""
    good = [record(f"u{each}", 9 - each % 3, number, f"{number}-{each}") for each in range(EVENTS)]
    return [*good, record("u", 9, number, f"{number - 1}-0"), *[record("r", 9, "bad", f"r{number}")] * REFUSED]


def arm(point: str, when: str) -> None:
    """Let the process die at a call."""
    owner, method = POINTS[point]
    real = getattr(owner, method)

    def deadly(*arguments: Any, **named: Any) -> None:
        if when == "after":
            real(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, method, deadly)


def main(root: str, online: str, stream: str, name: str, first: str, *point: str) -> None:
    """Push and drain for ever, saying which batches were acknowledged."""
    workspace = opened(Path(root), online, stream, name=name)
    workspace.stream_log("pushed")._keep_s = 0  # type: ignore[attr-defined]
    if point:
        arm(*point)
        workspace.drain("pushed")
    print("ready", flush=True)
    for number in count(int(first)):
        workspace.ingest("pushed", batch(number))
        print(number, flush=True)
        if number % 3 == 0:
            workspace.drain("pushed")


if __name__ == "__main__":
    main(*sys.argv[1:])
