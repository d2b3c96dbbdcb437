"""What `tilefold doctor` looks at, one function per thing.

The rule: a check changes nothing, finds at least one thing to say, and says how to mend whatever is not right. It raises
nothing that it was made to find.
"""

import importlib.metadata
import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tilefold.cli.faults import kind_of
from tilefold.cli.session import Session
from tilefold.cli.show import size, text
from tilefold.declaration.sources import StreamSource
from tilefold.engine.time import to_datetime
from tilefold.errors import TilefoldError
from tilefold.serving.definitions import load_definitions
from tilefold.workspace import Workspace

PYTHON_MIN = (3, 11)
FREE_WARN_BYTES = 2_000_000_000
FREE_FAIL_BYTES = 100_000_000
MEMORY_WARN = 0.8
_PIN = re.compile(r"^([A-Za-z0-9._-]+)\s*==\s*([^\s;,]+)")


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, and how to mend it (empty where nothing is to mend)."""

    level: Level
    subject: str
    found: str
    mend: str = ""


Findings = Iterator[Finding]


def python_version(_: Session) -> Findings:
    """Python is new enough."""
    level = Level.OK if sys.version_info >= PYTHON_MIN else Level.FAIL
    yield Finding(level, "python", platform.python_version(), "" if level is Level.OK else "Use Python 3.11 or newer.")


def packages(_: Session) -> Findings:
    """The packages are those that the project was tested with."""
    pins = [match.groups() for line in importlib.metadata.requires("tilefold") or [] if (match := _PIN.match(line))]
    wrong = [(name, wanted, _installed(name)) for name, wanted in pins if _installed(name) != wanted]
    for name, wanted, found in wrong:
        level = Level.WARN if found else Level.FAIL
        yield Finding(level, "packages", f"{name} is {found or 'missing'}, tested with {wanted}", "make install")
    if not wrong:
        yield Finding(Level.OK, "packages", f"{len(pins)} pinned, all as tested")


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def folder(session: Session) -> Findings:
    """The root exists, can be written and has room."""
    if "://" in session.root:
        yield Finding(Level.OK, "folder", f"{session.root} is on an object store")
        return
    root = Path(session.root).absolute()
    if root.exists() and not root.is_dir():
        yield Finding(Level.FAIL, "folder", f"{root} is a file", "Name another --root, or move the file away.")
        return
    nearest = next(path for path in (root, *root.parents) if path.exists())
    if not root.exists():
        yield Finding(Level.WARN, "folder", f"{root} does not exist yet", "It is made by the first command: tilefold demo")
    if not os.access(nearest, os.W_OK | os.X_OK):
        yield Finding(Level.FAIL, "folder", f"{nearest} cannot be written by you", f"chown or chmod u+rwx {nearest}")
        return
    yield _room(nearest)


def _room(path: Path) -> Finding:
    free = shutil.disk_usage(path).free
    level = Level.FAIL if free < FREE_FAIL_BYTES else Level.WARN if free < FREE_WARN_BYTES else Level.OK
    mend = "" if level is Level.OK else "Free some space, or name a --root on another disk."
    return Finding(level, "folder", f"{path} can be written, {size(free)} free", mend)


def permissions(session: Session) -> Findings:
    """What is in the root is ours to write, and the server's password is ours alone to read."""
    root = Path(session.root)
    if not root.is_dir():
        return
    inside = [path for pattern in ("*", "*/*", "*/*/*") for path in root.glob(pattern) if path.is_dir()]
    locked = [path for path in inside if not os.access(path, os.W_OK | os.X_OK)]
    for path in locked[:3]:
        yield Finding(Level.FAIL, "permissions", f"{path} cannot be written by you", f"chown -R $(id -un) {root}")
    secret = root / "online" / "address.json"
    if secret.exists() and stat.S_IMODE(secret.stat().st_mode) & 0o077:
        yield Finding(Level.FAIL, "permissions", f"{secret} can be read by others", f"chmod 600 {secret}")
    elif not locked:
        yield Finding(Level.OK, "permissions", "folders are yours, the server's password is yours alone")


def definitions(session: Session) -> Findings:
    """The declarations load."""
    try:
        found = load_definitions(session.definitions, session.root)
    except TilefoldError as error:
        yield _fault("definitions", error)
        return
    counts = f"{len(found.sources)} sources, {len(found.views)} views, {len(found.services)} services"
    if found.views:
        yield Finding(Level.OK, "definitions", counts)
    else:
        yield Finding(Level.WARN, "definitions", counts, f"Declare a view in {session.definitions}.")


def store_and_tables(session: Session) -> Findings:
    """The store answers and has room; the tables can be read; what is served is fresh."""
    if not session.online and not Path(session.root).is_dir():
        yield Finding(Level.OK, "store", "embedded, made with the folder")
        return
    try:
        workspace = session.workspace()
    except TilefoldError as error:
        yield _fault("store", error)
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
        yield _fault(subject, error)


def _fault(subject: str, error: TilefoldError) -> Finding:
    return Finding(Level.FAIL, subject, f"{error} ({kind_of(error)})")


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


def _stream(workspace: Workspace, source: str) -> Findings:
    stream, letters = workspace.stream_log(source), workspace.dead_letters(source).count()
    drained = workspace.event_log(source).snapshot().drained(stream.incarnation, range(stream.shards))
    behind = [shard for shard, end in stream.ends().items() if drained[shard].position < end.position]
    waiting = f"{len(behind)} of {stream.shards} shards wait to be drained" if behind else "drained"
    found = f"{stream.events():,} events accepted, {waiting}, {letters:,} dead letters"
    mend = f"tilefold materialize VIEW drains it, and so does Workspace.drain({source!r})." if behind else ""
    yield Finding(Level.WARN if behind else Level.OK, f"stream {source}", found, mend)


def _view(workspace: Workspace, name: str) -> Findings:
    context = workspace.context(name)
    tiles = sum(day.rows for day in context.tile_table().snapshot().days().values())
    compactions = context.compacted.partitions()
    if not context.view.online:
        yield Finding(Level.OK, f"view {name}", f"{tiles:,} tiles, {len(compactions):,} compactions, not online")
        return
    mark = workspace.online_store.mark(name, context.view.version)
    if mark is None:
        yield Finding(Level.WARN, f"view {name}", "not served yet", f"tilefold materialize {name}")
        return
    as_of = to_datetime(mark.watermark_us)
    found = f"{tiles:,} tiles, {len(compactions):,} compactions, served as of {text(as_of)}"
    late = workspace.newest_as_of(name) > as_of
    mend = f"A newer day is due: tilefold materialize {name}" if late else ""
    yield Finding(Level.WARN if late else Level.OK, f"view {name}", found, mend)


CHECKS: tuple[Callable[[Session], Findings], ...] = (
    python_version,
    packages,
    folder,
    permissions,
    definitions,
    store_and_tables,
)
