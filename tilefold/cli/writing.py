"""`tilefold write-stream`: the stream writer as a process of its own.

The rule: each source has a loop in a thread of its own, over a workspace of its own, so that one whose log is away holds up
no other. This process opens the workspace once more beside them: where it is the first to open the root, it owns the embedded
servers until its end, whatever the loops open anew.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from tilefold.cli.endings import told_to_end
from tilefold.cli.faults import say
from tilefold.cli.quiet_gc import QuietCollector
from tilefold.cli.session import Session
from tilefold.declaration.sources import StreamSource
from tilefold.errors import InputError, complaint
from tilefold.serving.definitions import Definitions
from tilefold.serving.writer_loop import WriterLoop
from tilefold.serving.writer_seat import WriterSeat, drawn_name
from tilefold.workspace import Workspace

_LOOK_S = 0.5
_opening = threading.Lock()  # loading definitions tells their files the root by the environment, which is the process's


def stream_sources(definitions: Definitions) -> list[str]:
    """The sources that take pushed events."""
    return [name for name, source in definitions.sources.items() if isinstance(source, StreamSource)]


def run_writer(session: Session, sources: Sequence[str], *, with_parent: bool = False) -> None:
    """Write the streams of some sources, of all where none is named, until told to end.

    Parameters
    ----------
    with_parent
        End with the process that started this one, too.

    Raises
    ------
    InputError
        If a source takes no pushed events, or none does.
    """
    with told_to_end() as end, session.workspace() as keeper:
        names = _chosen(keeper, sources)
        name, collector = drawn_name(), QuietCollector()
        loops = [_loop(session, source, name, end, collector) for source in names]
        say(f"Writing the stream of {', '.join(names)} as {name}. Ctrl-C ends it.")
        with ThreadPoolExecutor(len(loops)) as threads:
            running = [threads.submit(_run, loop, end) for loop in loops]
            _stay(running, end, os.getppid() if with_parent else None)
            for each in running:
                each.result()


def _chosen(workspace: Workspace, sources: Sequence[str]) -> list[str]:
    """The sources to write; their logs are open then."""
    names = list(dict.fromkeys(sources)) or stream_sources(workspace.definitions)
    if not names:
        mend = "Declare a StreamSource; sources with files alone have no stream."
        raise InputError(complaint("tilefold write-stream", "there must be a source that takes pushed events", None, mend))
    for name in names:
        workspace.stream_log(name)
    return names


def _loop(session: Session, source: str, name: str, end: threading.Event, collector: QuietCollector) -> WriterLoop:
    seat = partial(_seat, session, source, name)
    return WriterLoop(seat(), seat, lambda text: say(f"{source}: {text}"), end.wait, collector.rest)


def _seat(session: Session, source: str, name: str) -> WriterSeat:
    with _opening:
        workspace = session.workspace()
        try:
            return WriterSeat(workspace.stream_desk(source), name, workspace.close)
        except BaseException:
            workspace.close()
            raise


def _run(loop: WriterLoop, end: threading.Event) -> None:
    """Run a loop; if it breaks, the others end too."""
    try:
        loop.run(end.is_set)
    finally:
        end.set()


def _stay(running: Sequence[Future[None]], end: threading.Event, parent: int | None) -> None:
    """Wait until the end."""
    while not end.wait(_LOOK_S):
        if any(each.done() for each in running) or parent not in (None, os.getppid()):
            end.set()
