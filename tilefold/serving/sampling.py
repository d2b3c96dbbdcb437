"""Samples of what is served, so that it can be recomputed later: a share of all reads, with what each of them could see.

The rule: a read is never held up and never fails by it. It puts a reference into memory; a thread of its own makes rows of them
and writes them, when there are enough or after a while. What does not fit into memory, or cannot be written, is dropped,
counted and told. A row that the read cache answered was sampled, or not, when it was read.
"""

import logging
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from tilefold.engine.time import day_of
from tilefold.errors import InputError, complaint
from tilefold.serving.context import ViewContext
from tilefold.serving.read import ViewReader, ViewValues
from tilefold.serving.sampled_rows import Noted, rows_of

KEEP_DAYS = 30
PENDING_MAX = 50_000
FLUSH_ROWS = 10_000
FLUSH_S = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How much of what is served is sampled.

    Attributes
    ----------
    rate
        The share of entities read that is sampled: 0 for none, 1 for all.
    keep_days
        For how many days samples are kept.
    seed
        What the choice is drawn from; None: another one each time.
    flush_s
        After how many seconds a sample is written at the latest.
    """

    rate: float = 0.0
    keep_days: int = KEEP_DAYS
    seed: int | None = None
    flush_s: float = FLUSH_S

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            mend = "Give 0 for no samples, 0.01 for one read in a hundred, 1 for all."
            raise InputError(complaint("sampling", "its rate must be a share from 0 to 1", self.rate, mend))
        if self.keep_days < 1:
            raise InputError(complaint("sampling", "samples are kept for at least a day", self.keep_days, "Give 1 or more."))


class Sampler:
    """Samples the reads of one workspace; safe to share between threads.

    Parameters
    ----------
    now_us
        The workspace's clock.

    Attributes
    ----------
    tell
        Called by the writing thread with a view's name, `written` or `dropped`, and how many.
    """

    def __init__(self, settings: Sampling, now_us: Callable[[], int]) -> None:
        self._settings, self._now_us = settings, now_us
        self._drawn = random.Random(settings.seed)  # noqa: S311 - a sample, no secret
        self._pending: deque[Noted] = deque()
        self._lost: Counter[ViewReader] = Counter()
        self._wake, self._ended = threading.Event(), threading.Event()
        self._starting, self._flushing = threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None
        self.tell: Callable[[str, str, int], object] = _tell_nobody

    def note(
        self, reader: ViewReader, keys: Sequence[bytes], parts: Sequence[Sequence[bytes | None]], rows: Sequence[ViewValues]
    ) -> None:
        """Take note of some of the entities of a read, which has folded these rows from these parts."""
        rate, draw = self._settings.rate, self._drawn.random
        chosen = [number for number in range(len(rows)) if draw() < rate] if rate < 1 else range(len(rows))
        if not chosen:
            return
        sampled_us = self._now_us()
        for number in chosen:
            if len(self._pending) >= PENDING_MAX:
                self._lost[reader] += 1  # of threads that come here at once some may be told as one: it is a lower bound
                continue
            stream = parts[number][1]
            head = None if stream is None else reader.context.stream_codec.head(stream)
            self._pending.append(Noted(reader, keys[number], head, rows[number], sampled_us))
        if self._thread is None:
            self._start()
        if len(self._pending) >= FLUSH_ROWS:
            self._wake.set()

    def flush(self) -> None:
        """Write what has been noted by now."""
        with self._flushing:
            noted = [self._pending.popleft() for _ in range(len(self._pending))]
            lost, self._lost = self._lost, Counter()
            by_table = sorted(noted, key=_table_of)
            for _, group in groupby(by_table, _table_of):
                some = list(group)
                context = some[0].reader.context
                missed = sum(lost.pop(reader) for reader in list(lost) if reader.context is context)
                self._write(context, some, missed)
            self._lost.update(lost)

    def close(self) -> None:
        """Write what is left, and end the thread."""
        self._ended.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="write samples", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._wake.wait(self._settings.flush_s)
            self._wake.clear()
            self.flush()

    def _write(self, context: ViewContext, noted: Sequence[Noted], missed: int) -> None:
        """Write the samples of a view, day by day."""
        for day, group in groupby(sorted(noted, key=_day_of), _day_of):
            some = list(group)
            try:
                rows = rows_of(context, some)
                context.samples.add(day, rows, dropped=missed, keep_days=self._settings.keep_days)
            except Exception as error:  # noqa: BLE001 - whatever it is, reads go on; it is told and counted
                _log.warning("%d samples of view '%s' could not be written: %s", len(some), context.view.name, error)
                self.tell(context.view.name, "dropped", len(some) + missed)
            else:
                self.tell(context.view.name, "written", len(some))
                self.tell(context.view.name, "dropped", missed)
            missed = 0


def _tell_nobody(view: str, outcome: str, rows: int) -> None:
    """Where nothing counts."""
    del view, outcome, rows


def _table_of(noted: Noted) -> tuple[str, str, int]:
    reader = noted.reader
    return reader.view_name, reader.version, id(reader.context)


def _day_of(noted: Noted) -> date:
    return day_of(noted.sampled_us)
