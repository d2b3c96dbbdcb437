"""What `tilefold doctor` looks at inside of a workspace: its store, its event logs, its streams, its views.

The rule: as in `checks`: nothing is changed, and one thing that cannot be read hides no other.
"""

from collections.abc import Callable
from pathlib import Path

from tilefold.cli.findings import Finding, Findings, Level, fault
from tilefold.cli.one_up import is_up
from tilefold.cli.session import Session
from tilefold.cli.show import size, text, writers
from tilefold.declaration.sources import StreamSource
from tilefold.engine.time import to_datetime
from tilefold.errors import TilefoldError
from tilefold.serving.stream_standing import Standing
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
            if workspace.streams_used() and isinstance(workspace.definitions.source(source), StreamSource):
                yield from _guarded(f"stream {source}", lambda source=source: _stream(workspace, source))  # type: ignore[misc]
        for view in workspace.definitions.views:
            yield from _guarded(f"view {view}", lambda view=view: _view(workspace, view))  # type: ignore[misc]


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


def _view(workspace: Workspace, name: str) -> Findings:
    context = workspace.context(name)
    tiles = sum(day.rows for day in context.tile_table().snapshot().days().values())
    compactions = context.compacted.partitions()
    if not context.view.online:
        yield Finding(Level.OK, f"view {name}", f"{tiles:,} tiles, {len(compactions):,} compactions, not online")
        return
    served = workspace.versions(name).served
    if served not in (None, context.view.version):
        yield Finding(Level.WARN, f"view {name}", f"version {served} is served, not that of the definitions", "tilefold plan")
    mark = workspace.online_store.served_mark(name, context.view.version)
    if (
        mark is None
        and context.is_stream
        and workspace.streams_used()
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


def _stream(workspace: Workspace, source: str) -> Findings:
    """What was pushed is written and drained, and somebody sees to it."""
    stream, letters = workspace.stream_log(source), workspace.dead_letters(source).count()
    drained = workspace.event_log(source).snapshot().drained(stream.incarnation, range(stream.shards))
    behind = [shard for shard, end in stream.ends().items() if drained[shard].position < end.position]
    waiting = f"{len(behind)} of {stream.shards} shards wait to be drained" if behind else "drained"
    standing = workspace.stream_standing(source)
    found = f"{stream.events():,} events accepted, {waiting}, {letters:,} dead letters; {writers(standing)}"
    mend = _writer_mend(standing)
    if behind and not mend and not is_up(workspace.root):
        mend = f"tilefold materialize VIEW drains it, and so does Workspace.drain({source!r}); tilefold up does all the time."
    yield Finding(Level.WARN if mend else Level.OK, f"stream {source}", found, mend)


def _writer_mend(standing: Standing) -> str:
    """What to do where events wait for a writer; empty where none needs to."""
    if standing.waiting:
        return f"A writer waits: {standing.waiting}"
    if standing.lag and not standing.owners:
        return f"{standing.lag:,} events wait for a writer: tilefold write-stream (tilefold up has one)"
    if standing.behind_s > BEHIND_WARN_S:
        return f"It has been behind for {standing.behind_s:.0f} s: start another tilefold write-stream beside it"
    return ""
