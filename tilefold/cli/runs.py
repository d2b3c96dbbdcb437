"""Dagster runs that are started from the command line: their progress, as their log tells it.

The rule: all that Dagster says goes to a log file; a person sees one line per finished step, and while one runs, on a
terminal, how many partitions it has done.
"""

import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import IO, Self

from rich.console import Console
from rich.status import Status

from tilefold.cli.faults import say
from tilefold.cli.processes import Child, stop_all
from tilefold.cli.project import Project
from tilefold.cli.session import Session
from tilefold.errors import SystemFault, complaint

_STEP = re.compile(r" - (\w+) - (STEP_START|STEP_SUCCESS|STEP_FAILURE) - ")
_PARTITION = re.compile(r" - (\w+) - (\d{4}-\d\d-\d\d\S*): ")
_LOOK_S = 0.2
_TAIL_LINES = 12


class DagsterRunError(SystemFault):
    """A run that was started from the command line failed."""


def run_module(project: Project, session: Session, module: str, arguments: Sequence[str]) -> None:
    """Run a module of the project that does Dagster runs, and show how far they are.

    Raises
    ------
    DagsterRunError
        If it fails; the message holds the last of its log.
    """
    log = project.home / "output" / f"{module.rpartition('.')[2]}.log"
    log.unlink(missing_ok=True)
    child = Child.start(module, project.command(module, *arguments), project.folder, log, project.environment(session))
    try:
        with log.open(errors="replace") as told, _Progress() as progress:
            _follow(child, told, progress.heard)
    finally:
        stop_all([child])
    if child.process.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
        mend = f"Read {log}, or open the run in the Dagster UI: tilefold up."
        raise DagsterRunError(complaint("Dagster", f"its run must succeed, but it ended so:\n{tail}\n", module, mend))


def _follow(child: Child, told: IO[str], heard: Callable[[str], None]) -> None:
    """Hand out every line that the child logs, until it has ended."""
    ended, begun = False, ""
    while not ended:
        ended = child.ended  # asked before reading: what it wrote before its end is read in the last round
        *lines, begun = (begun + told.read()).split("\n")
        for line in lines:
            heard(line)
        if not ended:
            time.sleep(_LOOK_S)


class _Progress:
    """Turns log lines into lines for people."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._partitions: dict[str, int] = {}
        self._status: Status | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._status = Console(stderr=True).status("Dagster starts ...")
            self._status.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._status is not None:
            self._status.stop()

    def heard(self, line: str) -> None:
        """Take one line of the log."""
        if step := _STEP.search(line):
            self._step(*step.groups())
        elif partition := _PARTITION.search(line):
            name, key = partition.groups()
            self._partitions[name] = self._partitions.get(name, 0) + 1
            self._show(f"{name}: {key}, {self._partitions[name]} partitions")

    def _step(self, name: str, what: str) -> None:
        now_s = time.monotonic()
        if what == "STEP_START":
            self._began[name] = now_s
            self._show(name)
            return
        count = self._partitions.get(name)
        days = f", {count} partitions" if count else ""
        failed = " FAILED" if what == "STEP_FAILURE" else ""
        say(f"  {name}{failed}{days}, {now_s - self._began.get(name, now_s):.1f} s")

    def _show(self, text: str) -> None:
        if self._status is not None:
            self._status.update(text)
