"""File locks: who may open a folder, who owns its server, and whether that server lives.

The rule: liveness is asked of the kernel, never of a process number. A lock ends with the process that holds it, so no number
that was given to another process, no leftover file and no zombie can lie. Two kinds are used for what they do on a fork:

- `SharedLock` (flock) belongs to the open file, so a child that inherits the file keeps it locked after its parent is gone.
- `ProcessLock` (fcntl record lock) belongs to the process alone, so a child that outlives its parent does not keep it.
"""

import fcntl
import os
import time
from pathlib import Path

from tilefold.errors import StoreUnavailableError, complaint

_POLL_S = 0.005


class SharedLock:
    """An exclusive lock on a file; whoever inherits the open file holds it too. Not reentrant."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    @property
    def file(self) -> int:
        """The open file of a taken lock, to hand to a child."""
        assert self._file is not None, f"{self._path} is not locked here"
        return self._file

    def take(self) -> bool:
        """Take the lock if nobody has it; whether it was taken."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    def wait(self, timeout_s: float) -> bool:
        """Take the lock as soon as it is free; whether it was taken in time."""
        deadline_s = time.monotonic() + timeout_s
        while not self.take():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(_POLL_S)
        return True

    def let_go(self) -> None:
        """Unlock, also for children that were forked meanwhile and hold the file by accident."""
        fcntl.flock(self.file, fcntl.LOCK_UN)
        self.leave_to_child()

    def leave_to_child(self) -> None:
        """Close the file without unlocking it: a child that inherited it goes on holding the lock."""
        os.close(self.file)
        self._file = None

    def held_elsewhere(self) -> bool:
        """Whether another open file holds the lock now."""
        if not self.take():
            return True
        self.let_go()
        return False


class ProcessLock:
    """An exclusive lock of this process, one object per process and path: closing any other open file of it would unlock it."""

    _held: dict[Path, int] = {}  # noqa: RUF012 - of the process, as the lock is: path -> the process that took it

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> bool:
        """Take the lock if neither this process nor another one has it; whether it was taken."""
        if self._held.get(self._path) == os.getpid():
            return False
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # POSIX allows either errno
            os.close(file)
            return False
        self._file = file
        self._held[self._path] = os.getpid()
        return True

    def let_go(self) -> None:
        """Unlock."""
        assert self._file is not None, f"{self._path} is not locked here"
        del self._held[self._path]
        os.close(self._file)
        self._file = None


class Opening:
    """A context in which nobody else opens or closes the servers of one folder."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._lock = SharedLock(path)
        self._path = path
        self._timeout_s = timeout_s

    def __enter__(self) -> None:
        if not self._lock.wait(self._timeout_s):
            raise StoreUnavailableError(
                complaint(
                    f"embedded store {self._path.parent}",
                    f"opening it must not take longer than {self._timeout_s:g} s, but another process is still at it",
                    str(self._path),
                    "End the process that holds this file (`fuser` names it), then open again.",
                )
            )

    def __exit__(self, *_: object) -> None:
        self._lock.let_go()
