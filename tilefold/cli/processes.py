"""Child processes that must all be gone when we are.

The rule: each child leads a session of its own, so that Ctrl-C reaches us alone and we stop the children in order. A child is
asked to end (SIGTERM), then its whole group is, then what is left is killed; `stop` returns when nothing of it lives.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tilefold.cli.process_table import DEAD, PROCESSES, processes

GRACE_S = 15.0
GROUP_GRACE_S = 5.0
_POLL_S = 0.05
_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class Child:
    """A started process with its group.

    Attributes
    ----------
    log
        The file that holds what it says.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, name: str, command: Sequence[str], folder: Path, log: Path, env: Mapping[str, str]) -> Self:
        """Start it, its output going to the end of its log."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own commands
                list(command),
                cwd=folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, process, log)

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self.process.poll() is not None

    def tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])

    def ask_to_end(self) -> None:
        """Send SIGTERM to the process alone: it ends its own children in order."""
        if not self.ended:
            self.process.terminate()

    def stop(self, deadline_s: float) -> None:
        """Return when neither it nor any of its group lives.

        Parameters
        ----------
        deadline_s
            Until when (monotonic) it may end by itself.
        """
        _wait(lambda: self.ended, deadline_s)
        if self._signal_group(signal.SIGTERM):
            _wait(lambda: not self._group_lives(), time.monotonic() + GROUP_GRACE_S)
        if self._signal_group(signal.SIGKILL):
            _wait(lambda: not self._group_lives(), time.monotonic() + GROUP_GRACE_S)
        self.process.wait()

    def _group_lives(self) -> bool:
        self.process.poll()  # reaps it: a dead child that nobody asked after still counts as one of its group
        if not PROCESSES.is_dir():  # as Linux has it; elsewhere the group is asked by signal 0
            return self._signal_group(0)
        return any(each.group == self.process.pid and each.state not in DEAD for each in processes())

    def _signal_group(self, number: int) -> bool:
        """Whether there was anybody left to signal."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return False
        return True


def stop_all(children: Sequence[Child]) -> None:
    """End all of them at once, and return when none is left."""
    for child in children:
        child.ask_to_end()
    deadline_s = time.monotonic() + GRACE_S
    for child in children:
        child.stop(deadline_s)


def _wait(done: Callable[[], bool], deadline_s: float) -> None:
    while not done() and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
