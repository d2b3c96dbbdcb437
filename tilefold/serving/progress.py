"""Progress bars for people who wait.

The rule: nothing is drawn in the first two seconds, nor where standard error is no terminal.
"""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

PATIENCE_S = 2.0


class ProgressBar:
    """One bar; `update` may be called as often as there is news."""

    def __init__(self, title: str, total: int | None = None) -> None:
        self._title, self._total = title, total
        self._began = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, item: object = None) -> None:
        """One more is done."""
        del item
        self.update(self._done + 1, self._total)

    def update(self, done: int, total: int | None) -> None:
        """So many are done, of so many."""
        self._done = done
        if self._bar is None and sys.stderr.isatty() and time.monotonic() - self._began > PATIENCE_S:
            self._draw(total)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)

    def _draw(self, total: int | None) -> None:

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self._title, total=total)
        self._bar.start()
