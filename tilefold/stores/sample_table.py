"""Samples of what a view served: a Delta table of reads, by the UTC day on which they were served.

The rule: a sample says what was served and everything that the read could see: the mark in force and, of a stream view, how far
its stream part held the log. Samples older than the days that are kept go in the commit that begins a new day. How many did not
fit, and were dropped, stands beside the samples of their day: application transaction `tilefold/dropped/<day>`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import polars as pl

from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import TableSpec
from tilefold.stores.delta_snapshot import Snapshot
from tilefold.stores.event_columns import DATE
from tilefold.stores.one_table import OneTable
from tilefold.stores.rewriting import Rewriting
from tilefold.stores.small_files import stage_with_small

SAMPLED, READ, END = "tf_sampled_us", "tf_read_us", "tf_end_us"
WATERMARK, EPOCH = "tf_watermark_us", "tf_epoch"
ENTITY, LOG, POSITIONS, STATUSES = "tf_entity", "tf_log", "tf_positions", "tf_statuses"
FACTS = pl.Schema(
    {
        SAMPLED: pl.Int64(),  # when it was served, by the workspace's clock
        READ: pl.Int64(),  # the time that the read was for
        END: pl.Int64(),  # where the windows of a stream view ended
        WATERMARK: pl.Int64(),  # the mark in force
        EPOCH: pl.Int64(),
        ENTITY: pl.String(),  # as in the online key
        LOG: pl.Int64(),  # which stream log the stream part was of; null where the key had none
        POSITIONS: pl.List(pl.Int64()),  # of each shard how far the part held it; -1 where it did not
        STATUSES: pl.List(pl.String()),  # in the order of the features
    }
)
_DROPPED = "tilefold/dropped"  # and "/<day>". Do not change: it is on disk.


class SampleTable(OneTable):
    """The samples of one version of a view.

    Parameters
    ----------
    uri
        The table's place, local or on an object store.
    values
        The columns of the features.
    storage_options
        Passed on unchanged.
    """

    def __init__(self, uri: str, values: pl.Schema, storage_options: Mapping[str, str] | None = None) -> None:
        schema = pl.Schema({**FACTS, **values, DATE: pl.Date()})
        self._table = Table(TableSpec(uri, schema, (DATE,), (SAMPLED,), dict(storage_options or {})))

    def add(self, day: date, rows: pl.DataFrame, *, dropped: int = 0, keep_days: int) -> None:
        """Add samples of a day, and how many did not fit.

        Parameters
        ----------
        keep_days
            Days older than this many before `day` are removed.
        """

        def decide(snapshot: Snapshot) -> Change:
            held = snapshot.files.filter(pl.col(DATE) == day)
            add, merged = stage_with_small(self._table, snapshot, held, rows, {DATE: day})
            old = snapshot.files.filter(pl.col(DATE) < day - timedelta(days=keep_days))
            name = f"{_DROPPED}/{day}"
            claims = {name: (snapshot.claim(name) or 0) + dropped} if dropped else {}
            return Change([add], pl.concat([merged, old]), claims)

        self._table.commit(decide)

    def days(self) -> dict[date, int]:
        """How many samples each day holds, ascending."""
        grouped = self._table.snapshot().files.group_by(DATE).agg(pl.col("rows").sum()).sort(DATE)
        return {day: rows for day, rows in grouped.iter_rows() if rows}

    def dropped(self, days: Iterable[date]) -> int:
        """How many samples of some days did not fit."""
        snapshot = self._table.snapshot()
        return sum(snapshot.claim(f"{_DROPPED}/{day}") or 0 for day in days)

    def of_day(self, day: date) -> pl.DataFrame:
        """The samples of a day, in the order in which they were served."""
        snapshot = self._table.snapshot()
        return snapshot.collect(snapshot.scan(snapshot.files.filter(pl.col(DATE) == day)).drop(DATE).sort(SAMPLED, ENTITY))

    def holds(self, entities: Sequence[str]) -> bool:
        """Whether there is a sample of one of these entities."""
        snapshot = self._table.snapshot()
        found = snapshot.scan(snapshot.files).filter(pl.col(ENTITY).is_in(list(entities))).select(pl.len())
        return bool(snapshot.collect(found).item())

    def forget(self, entities: Sequence[str]) -> int:
        """Take out the samples of some entities; how many."""
        rewriting = Rewriting(self._table, pl.col(ENTITY).is_in(list(entities)))
        rewriting.run()
        return rewriting.rows
