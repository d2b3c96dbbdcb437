"""The dead letters of one source: a Delta table of the events that were refused, by UTC day of arrival.

The rule: each refused entry of the stream log stands here once. The table keeps places of its own, and an entry at or before
them is not added again; it is written before the event log's places pass the entry, so a drain that is killed in between and
repeated loses none and doubles none.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import StagedFile, TableSpec
from tilefold.stores.delta_snapshot import Snapshot
from tilefold.stores.drained_places import drained_places, place_claims
from tilefold.stores.event_columns import DATE, EVENT_ID, INGESTED_AT, POSITION, SHARD, TIMESTAMP
from tilefold.stores.one_table import OneTable
from tilefold.stores.rewriting import Rewriting
from tilefold.stores.small_files import stage_with_small
from tilefold.stores.stream_log import Entry, Place
from tilefold.stores.stream_payload import decode_refused

REASON, RECORD = "reason", "record"
SCHEMA = pl.Schema(
    {
        EVENT_ID: pl.String(),  # as given; empty where none was
        REASON: pl.String(),
        RECORD: pl.String(),  # JSON, cut to what an accepted record may have
        INGESTED_AT: TIMESTAMP,
        SHARD: pl.Int32(),  # where it stood in the stream log
        POSITION: pl.Int64(),
        DATE: pl.Date(),
    }
)
_Refused = Mapping[int, Sequence[Entry]]


class DeadLetters(OneTable):
    """The refused events of one source.

    Parameters
    ----------
    uri
        The table's place, local or on an object store.
    storage_options
        Passed on unchanged.
    """

    def __init__(self, uri: str, storage_options: Mapping[str, str] | None = None) -> None:
        self._table = Table(TableSpec(uri, SCHEMA, (DATE,), (INGESTED_AT,), dict(storage_options or {})))

    def add(self, incarnation: str, refused: _Refused, places: Mapping[int, Place]) -> int:
        """Add refused entries of some shards that the table does not hold yet; how many were new.

        Parameters
        ----------
        places
            The places behind all that was read with them.
        """
        added = 0

        def decide(snapshot: Snapshot) -> Change | None:
            nonlocal added
            held = drained_places(snapshot, incarnation, places)
            rows = _rows(refused, held)
            added = rows.height
            if rows.is_empty():
                return None
            changes = [self._change(snapshot, day, part) for (day,), part in rows.partition_by(DATE, as_dict=True).items()]
            further = {shard: max(held[shard], place) for shard, place in places.items()}
            return Change(
                [add for add, _ in changes], pl.concat([gone for _, gone in changes]), place_claims(incarnation, further)
            )

        if any(refused.values()):
            self._table.commit(decide)
        return added

    def count(self) -> int:
        """How many there are."""
        return int(self._table.snapshot().files["rows"].sum())

    def counts(self) -> dict[date, int]:
        """How many there are by UTC day of arrival."""
        grouped = self._table.snapshot().files.group_by(DATE).agg(pl.col("rows").sum()).sort(DATE)
        return dict(grouped.iter_rows())

    def scan(self) -> pl.LazyFrame:
        """All of them."""
        snapshot = self._table.snapshot()
        return snapshot.scan(snapshot.files)

    def forget(self, matches: pl.Expr) -> int:
        """Take out those for which `matches` holds; how many."""
        rewriting = Rewriting(self._table, matches)
        rewriting.run()
        return rewriting.rows

    def _change(self, snapshot: Snapshot, day: date, rows: pl.DataFrame) -> tuple[StagedFile, pl.DataFrame]:
        held = snapshot.files.filter(pl.col(DATE) == day)
        return stage_with_small(self._table, snapshot, held, rows, {DATE: day})


def _rows(refused: _Refused, held: Mapping[int, Place]) -> pl.DataFrame:
    """The entries behind the places that are held."""
    rows = [
        (entry.event_id, *decode_refused(entry.payload), shard, entry.position)
        for shard, entries in refused.items()
        for entry in entries
        if entry.position > held[shard].position
    ]
    raw = {**SCHEMA, INGESTED_AT: pl.Int64()}
    del raw[DATE]
    frame = pl.DataFrame(rows, schema=raw, orient="row")
    return frame.with_columns(pl.col(INGESTED_AT).cast(TIMESTAMP)).with_columns(pl.col(INGESTED_AT).dt.date().alias(DATE))
