"""What `tilefold doctor` looks at inside of a workspace: its store, its event logs, its streams, its views.

The rule: as in `checks`: nothing is changed, and one thing that cannot be read hides no other.
"""

from collections.abc import Callable
from pathlib import Path

from tilefold.cli.findings import Finding, Findings, Level, fault
from tilefold.cli.listing import has_stream
from tilefold.cli.session import Session
from tilefold.cli.show import size, text
from tilefold.cli.show import writers as show_writers
from tilefold.cli.writing import stream_sources
from tilefold.engine.time import to_datetime
from tilefold.errors import TilefoldError
from tilefold.workspace import Workspace

MEMORY_WARN = 0.8
BEHIND_WARN_S = 10.0


def store_and_tables(session: Session) -> Findings:
    """The store answers and has room; the tables can be read; what is served is fresh."""
    if not session.online and not Path(session.root).is_dir():
        yield Finding(Level.OK, "store", "embedded, made with the folder")
        return
    try:
        workspace = session.workspace()
    except TilefoldError as error:
        yield fault("store", error)
        return
    with workspace:
        yield from _guarded("store", lambda: _store(workspace))
        for source in workspace.definitions.sources:
            yield from _guarded(f"source {source}", lambda source=source: _log(workspace, source))  # type: ignore[misc]
        for source in stream_sources(workspace.definitions):
            yield from _guarded(f"stream {source}", lambda source=source: stream(session, workspace, source))  # type: ignore[misc]
        for view in workspace.definitions.views:
            yield from _guarded(f"view {view}", lambda view=view: _view(session, workspace, view))  # type: ignore[misc]


def _guarded(subject: str, look: Callable[[], Findings]) -> Findings:
    try:
        yield from look()
    except TilefoldError as error:
        yield fault(subject, error)


def _store(workspace: Workspace) -> Findings:
    usage = workspace.online_store.usage()
    room = f" of {size(usage.limit_bytes)}" if usage.limit_bytes else ""
    found = f"{usage.server}, never evicts, {size(usage.memory_bytes)}{room} used, {usage.keys:,} keys"
    full = usage.limit_bytes and usage.memory_bytes > MEMORY_WARN * usage.limit_bytes
    yield Finding(Level.WARN if full else Level.OK, "store", found, "Raise its maxmemory." if full else "")


def _log(workspace: Workspace, source: str) -> Findings:
    days = workspace.event_log(source).snapshot().days()
    if not days:
        yield Finding(
            Level.WARN, f"source {source}", "no events yet", "tilefold materialize VIEW imports or append() adds them"
        )
        return
    rows = sum(files.rows for files in days.values())
    yield Finding(Level.OK, f"source {source}", f"{rows:,} events of {len(days):,} days, {min(days)} to {max(days)}")


def _view(session: Session, workspace: Workspace, name: str) -> Findings:
    context = workspace.context(name)
    tiles = sum(day.rows for day in context.tile_table().snapshot().days().values())
    compactions = context.compacted.partitions()
    if not context.view.online:
        yield Finding(Level.OK, f"view {name}", f"{tiles:,} tiles, {len(compactions):,} compactions, not online")
        return
    mark = workspace.online_store.mark(name, context.view.version)
    if (
        mark is None
        and context.is_stream
        and has_stream(session)
        and workspace.stream_desk(context.view.source.name).takes(context.view)
    ):
        yield Finding(Level.OK, f"view {name}", "served from its stream alone, not compacted yet")
        return
    if mark is None:
        yield Finding(Level.WARN, f"view {name}", "not served yet", f"tilefold materialize {name}")
        return
    as_of = to_datetime(mark.watermark_us)
    found = f"{tiles:,} tiles, {len(compactions):,} compactions, served as of {text(as_of)}"
    late = workspace.newest_as_of(name) > as_of
    mend = f"A newer day is due: tilefold materialize {name}" if late else ""
    yield Finding(Level.WARN if late else Level.OK, f"view {name}", found, mend)


def stream(session: Session, workspace: Workspace, source: str) -> Findings:
    """What was pushed is written and drained, and somebody sees to it."""
    if not has_stream(session):
        yield Finding(Level.OK, f"stream {source}", "nothing was pushed yet")
        return
    standing = workspace.stream_standing(source)
    refused = workspace.dead_letters(source).count()
    found = f"{show_writers(standing)}, {standing.lag or 0:,} events wait for it, {refused:,} refused events so far"
    mend = ""
    if standing.waiting:
        mend = f"A writer waits: {standing.waiting}"
    elif standing.lag and not standing.owners:
        mend = "Start a writer: tilefold write-stream (tilefold up has one)"
    elif standing.behind_s > BEHIND_WARN_S:
        mend = f"It has been behind for {standing.behind_s:.0f} s: start another tilefold write-stream beside it"
    yield Finding(Level.WARN if mend else Level.OK, f"stream {source}", found, mend)
