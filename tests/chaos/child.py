"""A process of a run, until it is killed: `python -m tests.chaos.child ROLE BASE SEED`.

The rule: a server that does not answer is waited out through a workspace that is opened anew, as a person's program would; any
other error ends the process, which the run tells as a failure.
"""

import contextlib
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from tests.chaos.pushing import Pusher
from tests.chaos.work import BEGIN, SOURCE, VIEWS, ClockedSession, opened
from tests.pipelines import HOUR
from tilefold import Workspace
from tilefold.cli.writing import run_writer
from tilefold.errors import ConflictError, StoreUnavailableError

PAUSE_S = 0.1
Turn = Callable[[Workspace], None]


def pushing(base: Path, seed: str) -> Turn:
    """Ingest events."""
    return Pusher(base, seed).turn


def draining(base: Path, seed: str) -> Turn:
    """Bring the event log up to the stream, now and then."""
    del base
    drawn = random.Random(seed)

    def turn(workspace: Workspace) -> None:
        workspace.drain(SOURCE)
        time.sleep(drawn.uniform(0, 0.5))

    return turn


def materializing(base: Path, seed: str) -> Turn:
    """Materialize a view at the newest watermark or an older one; sometimes in two steps with a pause between."""
    del base
    drawn = random.Random(seed)

    def turn(workspace: Workspace) -> None:
        view, back = drawn.choice(VIEWS).name, drawn.choice([0, 0, 0, 1, 2])
        as_of = max(BEGIN.replace(minute=0) - HOUR, workspace.newest_as_of(view) - timedelta(hours=back))
        if drawn.random() < 0.7:
            workspace.materialize(view, as_of)
        else:
            with contextlib.suppress(ConflictError):  # another process compacted at this watermark meanwhile
                workspace.compact(view, as_of)
                time.sleep(drawn.uniform(0, 0.5))
                workspace.sync(view, as_of)
        time.sleep(drawn.uniform(0, 0.3))

    return turn


ROLES: dict[str, Callable[[Path, str], Turn]] = {
    "ingester": pushing,
    "drainer": draining,
    "materializer": materializing,
}


def turns(base: Path, turn: Turn, ready: Callable[[], None]) -> None:
    """Take turns until a store does not answer."""
    with opened(base) as workspace:
        ready()
        while True:
            turn(workspace)


def work(once: Callable[[], None]) -> None:
    """Do it, and again whenever a store did not answer."""
    while True:
        try:
            once()
        except StoreUnavailableError as error:
            sys.stderr.write(f"waits: {error}\n")
            time.sleep(PAUSE_S)


def end_with(parent: int) -> None:
    """End when the run has ended, however it did."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main(role: str, base: str, seed: str) -> None:
    """Do the role's work."""
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    kind = role.rstrip("0123456789")
    ready = (Path(base) / f"{role}.ready").touch
    if kind == "writer":
        ready()
        work(partial(run_writer, ClockedSession(root=base), [SOURCE]))
    else:
        work(partial(turns, Path(base), ROLES[kind](Path(base), seed), ready))


if __name__ == "__main__":
    main(*sys.argv[1:])
