"""Parity: served values that were sampled, recomputed from the event log.

The rule: three steps, each for what the one before has left. Nothing of tiles, compactions or parts is used in any.

    all events of the read's own time, in bulk          equal: right
    the events that the read could see, in bulk         equal: late, since others came after it
    the same by the naive reference, read by read       equal: late, or right where nothing came since
    a day within reach was replaced since               corrected
    else                                                a mismatch

The log must hold what the samples saw: who calls this drains the stream first.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from tilefold.engine.time import day_of, to_datetime
from tilefold.serving.context import ViewContext
from tilefold.serving.parity_bulk import SAMPLE, Findings, compare_all, compare_seen
from tilefold.serving.parity_events import EDGE, events_behind
from tilefold.serving.parity_naive import Judge
from tilefold.serving.parity_report import EXAMPLES, Example, Finding, ParityReport
from tilefold.serving.progress import ProgressBar
from tilefold.stores import sample_table as table

CHUNK = 50_000
HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Which samples are recomputed.

    Attributes
    ----------
    since_us
        Those served at this time or later.
    samples_max
        At most so many, the newest; None: all.
    """

    since_us: int = 0
    samples_max: int | None = None


def recompute(context: ViewContext, asked: Asked, log_number: int | None = None) -> ParityReport:
    """Recompute the samples of a view.

    Parameters
    ----------
    log_number
        Which stream log its source has now: samples of another one cannot be told by their places.
    """
    report = ParityReport(context.view.name, features={feature.name: Counter() for feature in context.view.features})
    days = {day: rows for day, rows in context.samples.days().items() if day >= day_of(asked.since_us)}
    report.dropped = context.samples.dropped(days)
    judge = Judge(context, context.log.snapshot(), log_number)
    with ProgressBar(f"{context.view.name}: samples", sum(days.values())) as bar:
        for samples in _chunks(context, list(days), asked):
            _add(report, samples, _found(context, samples, judge, report))
            bar.update(report.samples, sum(days.values()))
    return report


def _chunks(context: ViewContext, days: Sequence[date], asked: Asked) -> Iterator[pl.DataFrame]:
    """The samples, newest days first, some at a time, numbered, with where their windows end."""
    left = asked.samples_max
    edge = pl.col(table.END if context.is_stream else table.WATERMARK).alias(EDGE)
    for day in reversed(days):
        rows = context.samples.of_day(day).filter(pl.col(table.SAMPLED) >= asked.since_us)
        if left is not None:
            rows = rows.tail(left)
            left -= rows.height
        for start in range(0, rows.height, CHUNK):
            yield rows[start : start + CHUNK].with_columns(edge).with_row_index(SAMPLE)


def _found(context: ViewContext, samples: pl.DataFrame, judge: Judge, report: ParityReport) -> Findings:
    """What some samples are found to be; mismatches are shown in the report."""
    found = Findings.of(context, samples)
    events = events_behind(context, judge.log, samples)
    compare_all(context, samples, events, found)
    compare_seen(context, samples, events, found)
    for sample in found.open_samples(samples).iter_rows(named=True):
        number = sample[SAMPLE]
        for name, (finding, expected) in judge.judge(sample, found.open_of(number), events).items():
            found.settle(name, np.array([number]), finding)
            if finding is Finding.MISMATCH and len(report.examples) < EXAMPLES:
                served = sample[f"{context.view.name}__{name}"]
                read_at = to_datetime(sample[table.READ])
                report.examples.append(Example(sample[table.ENTITY], name, served, expected, read_at))
    return found


def _add(report: ParityReport, samples: pl.DataFrame, found: Findings) -> None:
    """Count what was found, by feature and by hour."""
    report.samples += samples.height
    hours = (samples[table.READ] // HOUR_US).to_numpy()
    for hour in np.unique(hours):
        chosen = np.flatnonzero(hours == hour)
        of_hour = report.hours.setdefault(to_datetime(int(hour) * HOUR_US), Counter())
        for name, counts in report.features.items():
            of_chosen = found.counts(name, chosen)
            counts.update(of_chosen)
            of_hour.update(of_chosen)
