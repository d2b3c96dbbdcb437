"""Training sets of any length, written to a file or a table.

The rule: chunks pass through, and what is said of them is counted on their way; nothing holds all of them.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from tilefold.serving.reports import TrainingSetReport
from tilefold.serving.training import CHUNK_ROWS, feature_names, training_chunks
from tilefold.serving.training_view import Selection
from tilefold.stores.training_files import check_place, spine_chunks, write_training_set


@dataclass(frozen=True, slots=True)
class Target:
    """Where a training set goes, and what is said of it: the spine's name in errors, and what time it is."""

    place: str
    storage_options: Mapping[str, str]
    overwrite: bool
    spine: str
    now: datetime


@dataclass(slots=True)
class _Seen:
    """Counts what passes."""

    nulls: dict[str, int]
    rows: int = 0
    after_now: int = 0

    def passing(self, chunks: Iterable[pl.DataFrame], timestamp: str, now: datetime) -> Iterator[pl.DataFrame]:
        for chunk in chunks:
            self.rows += chunk.height
            self.after_now += chunk.select((pl.col(timestamp) > now).sum()).item()
            for name in self.nulls:
                self.nulls[name] += chunk[name].null_count()
            yield chunk


def write_training(
    name: str, selections: Sequence[Selection], spine: pl.LazyFrame, timestamp: str, target: Target
) -> TrainingSetReport:
    """Write the training set of a view or service; raises as `features_for_events`, and FileError for its place."""
    began = time.monotonic()
    check_place(target.place, target.storage_options, overwrite=target.overwrite)
    names = [column for selection in selections for column in feature_names(selection)]
    seen = _Seen(dict.fromkeys(names, 0))
    schema, chunks = spine.collect_schema(), spine_chunks(spine, CHUNK_ROWS, target.spine)
    values = training_chunks(selections, schema, chunks, timestamp)
    write_training_set(seen.passing(values, timestamp, target.now), target.place, target.storage_options)
    return TrainingSetReport(name, target.place, seen.rows, seen.nulls, seen.after_now, time.monotonic() - began)
