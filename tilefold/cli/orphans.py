"""What our children started and left behind when they ended.

The rule: on Linux every orphan below us becomes our child, whatever group or session it is in, so it is ours to end and to
reap: when we return, nothing of it is in the process table. A process whose parent ended before it would else wait there, dead,
until the system's first process reaps it, which takes seconds in some containers. Elsewhere the children's groups must do.
"""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress

from tilefold.cli.process_table import DEAD, processes

GRACE_S = 5.0
_POLL_S = 0.02
_SET_CHILD_SUBREAPER = 36  # of prctl(2)


class Orphans:
    """Takes in orphans from its making on; children that there are by then are left alone."""

    def __init__(self) -> None:
        self._adopts = sys.platform == "linux" and ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        self._kept = set(_children())

    def reap(self, expected: set[int]) -> None:
        """Let dead orphans go; `expected` are living children, whose end somebody else waits for."""
        for number, state in self._strays().items():
            if state in DEAD and number not in expected:
                _reap(number)

    def end(self) -> None:
        """Return when no child is left but those from before: asked to end first, killed after the grace.

        The grace begins anew with each one that comes up: an orphan's own children are ours when it is gone, and not before.
        """
        began, seen, told = time.monotonic(), set[int](), set[tuple[int, int]]()
        while strays := self._strays():
            now = time.monotonic()
            if not strays.keys() <= seen:
                began = now
                seen |= strays.keys()
            if now - began >= 2 * GRACE_S:
                break
            self._tell(strays, signal.SIGTERM if now - began < GRACE_S else signal.SIGKILL, told)
            time.sleep(_POLL_S)

    def _tell(self, strays: dict[int, str], loud: signal.Signals, told: set[tuple[int, int]]) -> None:
        """Reap the dead, and tell the others once."""
        for number, state in strays.items():
            if state in DEAD:
                _reap(number)
            elif (number, loud) not in told:
                told.add((number, loud))
                with suppress(ProcessLookupError):
                    os.kill(number, loud)

    def _strays(self) -> dict[int, str]:
        found = _children() if self._adopts else {}
        return {number: state for number, state in found.items() if number not in self._kept}


def _children() -> dict[int, str]:
    """Our children by number, each with its state."""
    return {each.number: each.state for each in processes() if each.parent == os.getpid()}


def _reap(number: int) -> None:
    with suppress(ChildProcessError):  # somebody else has
        os.waitpid(number, os.WNOHANG)
