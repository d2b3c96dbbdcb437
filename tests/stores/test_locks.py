"""Locks tell who lives."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tilefold.errors import StoreUnavailableError
from tilefold.stores.locks import Opening, ProcessLock, SharedLock

_TAKE = """
import sys
from pathlib import Path
from tilefold.stores.locks import ProcessLock
print(ProcessLock(Path(sys.argv[1])).take())
"""


def _taken_by_another_process(path: Path) -> bool:
    return subprocess.check_output([sys.executable, "-c", _TAKE, str(path)], text=True).strip() == "True"


def test_a_shared_lock_is_taken_once(tmp_path: Path) -> None:
    """Two open files cannot both hold a shared lock, not even in one process."""
    first, second = SharedLock(tmp_path / "lock"), SharedLock(tmp_path / "lock")
    assert first.take()
    assert not second.take()
    first.let_go()
    assert second.take()


def test_a_child_goes_on_holding_a_shared_lock(tmp_path: Path) -> None:
    """A lock left to a child is held until the child has exited."""
    lock = SharedLock(tmp_path / "lock")
    assert lock.take()
    child = subprocess.Popen(["sleep", "60"], pass_fds=(lock.file,))
    lock.leave_to_child()
    assert lock.held_elsewhere()
    child.kill()
    child.wait()
    assert not lock.held_elsewhere()


def test_letting_go_frees_a_lock_that_a_fork_holds_by_accident(tmp_path: Path) -> None:
    """A lock let go is free even while a child still has the open file."""
    lock = SharedLock(tmp_path / "lock")
    assert lock.take()
    child = subprocess.Popen(["sleep", "60"], pass_fds=(lock.file,))
    lock.let_go()
    assert not lock.held_elsewhere()
    child.kill()
    child.wait()


def test_a_process_lock_is_taken_once_in_a_process(tmp_path: Path) -> None:
    """A second owner in the same process is refused, and its asking does not free the first one's lock."""
    first = ProcessLock(tmp_path / "lock")
    assert first.take()
    assert not ProcessLock(tmp_path / "lock").take()
    assert not _taken_by_another_process(tmp_path / "lock")
    first.let_go()
    assert _taken_by_another_process(tmp_path / "lock")


def test_a_forked_child_does_not_keep_a_process_lock(tmp_path: Path) -> None:
    """A child that outlives its parent's ownership does not go on holding it."""
    lock = ProcessLock(tmp_path / "lock")
    assert lock.take()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)  # until the parent closes its end
        os._exit(0)
    lock.let_go()
    assert _taken_by_another_process(tmp_path / "lock")
    os.close(write)
    os.close(read)
    os.waitpid(child, 0)


def test_a_forked_child_is_refused_what_its_parent_owns(tmp_path: Path) -> None:
    """A child asks the kernel, and not what it remembers of its parent."""
    lock = ProcessLock(tmp_path / "lock")
    assert lock.take()
    child = os.fork()
    if child == 0:
        os._exit(ProcessLock(tmp_path / "lock").take())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    lock.let_go()


def test_openings_come_one_after_the_other(tmp_path: Path) -> None:
    """A second opener waits until the first one is done."""
    order: list[str] = []

    def second() -> None:
        with Opening(tmp_path / "lock", 10):
            order.append("second")

    with Opening(tmp_path / "lock", 10):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_an_opening_that_never_ends_is_an_error(tmp_path: Path) -> None:
    """Who waits too long is told which file is held."""
    with Opening(tmp_path / "lock", 1), pytest.raises(StoreUnavailableError, match="lock"), Opening(tmp_path / "lock", 0.01):
        pass
