"""A month of spending in a workspace of its own: what several benchmarks start from."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.spending import START, spending_view, zipf_days
from tilefold import Workspace

DAYS = 30
VIEW_NAME = "spent"
END = START + timedelta(days=DAYS)
KEEP = "TILEFOLD_BENCH_ROOT"
"""Environment variable: a folder whose month is made once and used again."""


def workspace(root: Path, now: datetime = END + timedelta(hours=12)) -> Workspace:
    """The workspace at a clock just behind its data."""
    view = spending_view(VIEW_NAME, (1, 7, 30))
    return Workspace(root=root, definitions=[view], clock=lambda: now)


@contextlib.contextmanager
def filled(events: int, keys: int) -> Iterator[Path]:
    """A root whose event log holds a month of events."""
    with contextlib.ExitStack() as stack:
        kept = os.environ.get(KEEP)
        root = Path(kept) if kept else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with workspace(root) as ws:
            if not ws.event_log("spending").snapshot().has_history():
                for _, frame in zipf_days(events, keys, DAYS):
                    ws.append("spending", frame)
        yield root
