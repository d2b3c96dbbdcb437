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
from collections.abc import Callable
from pathlib import Path

from tilefold.cli.checks_workspace import store_and_tables
from tilefold.cli.findings import Finding, Findings, Level, fault
from tilefold.cli.session import Session
from tilefold.cli.show import size
from tilefold.errors import TilefoldError
from tilefold.serving.definitions import load_definitions

PYTHON_MIN = (3, 11)
FREE_WARN_BYTES = 2_000_000_000
FREE_FAIL_BYTES = 100_000_000
_PIN = re.compile(r"^([A-Za-z0-9._-]+)\s*==\s*([^\s;,]+)")


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
        yield fault("definitions", error)
        return
    counts = f"{len(found.sources)} sources, {len(found.views)} views, {len(found.services)} services"
    if found.views:
        yield Finding(Level.OK, "definitions", counts)
    else:
        yield Finding(Level.WARN, "definitions", counts, f"Declare a view in {session.definitions}.")


CHECKS: tuple[Callable[[Session], Findings], ...] = (
    python_version,
    packages,
    folder,
    permissions,
    definitions,
    store_and_tables,
)
