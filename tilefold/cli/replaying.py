"""`tilefold replay`: the demo's departures, pushed as a stream at a chosen speed.

The rule: it pushes as anybody does, through the Workspace; which source takes them is what `features/flights.py` declares. One
replay at a time moves the position of a root.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from tilefold.cli.endings import told_to_end
from tilefold.cli.faults import say
from tilefold.cli.session import Session
from tilefold.demo.departures import SOURCE, import_departures
from tilefold.demo.replay import Replay, check_speed
from tilefold.engine.time import to_us
from tilefold.errors import InputError, complaint
from tilefold.stores.locks import ProcessLock
from tilefold.workspace import Workspace


def run_replay(session: Session, speed: float, *, with_parent: bool = False) -> None:
    """Push departures until told to end; with `with_parent`, until the process that started this one ends, too.

    Raises
    ------
    InputError
        If the speed is out of its range, or another process replays on the root.
    UnknownNameError
        If no source of departures is declared.
    FileError
        If the departures or the position cannot be read or written.
    """
    check_speed(speed)
    parent = os.getppid() if with_parent else None
    with told_to_end() as end, session.workspace() as workspace, replaying(session) as alone:
        if not alone:
            mend = "End the other one (`tilefold up --speed` has one), or name another --root."
            raise InputError(complaint("tilefold replay", "it must be the only one on its root", session.root, mend))
        replay = replay_of(session, workspace, end.wait)
        if replay.history_left:
            say(f"Pushing {replay.history_left:,} departures of the last two weeks ...")
        say(f"Replaying departures at speed {speed:g}: a minute brings {_span(speed)} of flights. Ctrl-C ends it.")
        replay.play(speed, lambda: _ended(end, parent))


@contextmanager
def replaying(session: Session) -> Iterator[bool]:
    """A context in which no other process replays on the root; whether that is so."""
    folder = Path(session.root) / "source"
    folder.mkdir(parents=True, exist_ok=True)
    lock = ProcessLock(folder / "replay.lock")
    taken = lock.take()
    try:
        yield taken
    finally:
        if taken:
            lock.let_go()


def replay_of(session: Session, workspace: Workspace, pause: Callable[[float], object], wait_for: str | None = None) -> Replay:
    """The replay of a workspace, at the position that is kept in its root; `wait_for` is as `Workspace.ingest` takes it."""
    workspace.definitions.source(SOURCE)
    root = Path(session.root)
    timeline = import_departures(root, workspace.now())

    def push(frame: pl.DataFrame) -> object:
        return workspace.ingest(SOURCE, frame, wait_for=wait_for)

    return Replay(timeline, root, push, lambda: to_us(workspace.now()), lambda text: say(f"replay: {text}"), pause)


def _ended(end: threading.Event, parent: int | None) -> bool:
    return end.is_set() or parent not in (None, os.getppid())


def _span(minutes: float) -> str:
    return f"{minutes / 60:.3g} hours" if minutes >= 60 else f"{minutes:.3g} minutes"  # noqa: PLR2004 - of an hour
