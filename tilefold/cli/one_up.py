"""One `tilefold up` at a time on a root.

The rule: who is up holds a lock in the Dagster home, which ends with its process; the address beside it is for people.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tilefold.errors import InputError, complaint
from tilefold.stores.locks import ProcessLock

_LOCK, _ADDRESS = "up.lock", "up.url"


@contextlib.contextmanager
def alone(home: Path, url: str) -> Iterator[None]:
    """Hold the Dagster home; whoever else wants it is told where it is up."""
    lock, address = ProcessLock(home / _LOCK), home / _ADDRESS
    if not lock.take():
        where = address.read_text() if address.exists() else "another address"
        mend = f"Look at {where}, end that one (Ctrl-C where it runs), or name another --root."
        raise InputError(complaint("tilefold up", "it must be the only one on its root", str(home.parent), mend))
    try:
        address.write_text(url)
        yield
    finally:
        address.unlink(missing_ok=True)
        lock.let_go()


def is_up(root: str) -> bool:
    """Whether one is up on a root."""
    home = Path(root) / "dagster"
    if not (home / _ADDRESS).exists():
        return False
    lock = ProcessLock(home / _LOCK)
    free = lock.take()
    if free:
        lock.let_go()
    return not free
