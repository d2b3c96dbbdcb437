"""The tiles of one view: a Delta table by (date, bucket), each day built from one state of the event log.

The rule: a day's tiles are replaced whole, all buckets in one commit, and every file says which state of the day's events
it was built from (`tf_built_from`, the log's fingerprint of the day). A day without tiles keeps one file without rows, so
that it is known to be built. Of two builders of a day the later commit wins, unless it was built from the same events; that
is safe, since a day's tiles are only used while their fingerprint is the log's.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import polars as pl

from tilefold.errors import InputError, complaint
from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import StagedFile, TableSpec
from tilefold.stores.delta_snapshot import Snapshot
from tilefold.stores.one_table import OneTable
from tilefold.stores.rewriting import Partition, Rewriting
from tilefold.stores.tile_snapshot import BUCKET, BUILT_FROM, DATE, PARTITIONS, TileSnapshot

CHUNK_DAYS = 30  # per commit: a crash loses at most these, and a year makes a dozen commits

Buckets = Iterable[tuple[int, pl.DataFrame]]


class TileTable(OneTable):
    """The tiles of one view.

    Parameters
    ----------
    uri
        The table's place, local or on an object store.
    schema
        Columns of a tile row; `tf_...` names are the table's own.
    buckets
        How many buckets to make where the table does not exist yet; an existing table keeps its own number.
    stats_columns
        Integer columns whose range the log keeps per file.
    storage_options
        Passed on unchanged.
    """

    def __init__(
        self,
        uri: str,
        schema: pl.Schema,
        *,
        buckets: int = 1,
        stats_columns: Sequence[str] = (),
        storage_options: Mapping[str, str] | None = None,
    ) -> None:
        if buckets < 1:
            raise InputError(complaint(f"table {uri}", "buckets must be at least 1", buckets, "Set it to 1 or more."))
        columns = pl.Schema({**schema, **PARTITIONS})
        facts = {"buckets": str(buckets)}
        stats = tuple(stats_columns)
        self._table = Table(TableSpec(uri, columns, tuple(PARTITIONS), stats, dict(storage_options or {}), facts))
        self._wanted_buckets = buckets
        self._buckets: int | None = None

    @property
    def buckets(self) -> int:
        """Number of buckets; fixed when the table is created, until then the one asked for."""
        if self._buckets is None and (stored := self._table.property("buckets")) is not None:
            self._buckets = int(stored)
        return self._buckets or self._wanted_buckets

    def create(self) -> None:
        """Create the table now, which fixes the number of buckets; of several creators the first decides."""
        self._table.ensure()

    def snapshot(self, version: int | None = None) -> TileSnapshot:
        """The tiles pinned at the newest version, or at `version`."""
        return TileSnapshot(self._table.snapshot(version))

    def built_from(self, day: date) -> int | None:
        """The state of the day's events that its tiles were built from; None where it was never built."""
        built = self.snapshot().days().get(day)
        return built.fingerprint if built else None

    def replace_days(
        self, days: Iterable[tuple[date, Buckets]], built_from: Mapping[date, int], *, chunk_days: int = CHUNK_DAYS
    ) -> int:
        """Let the given tiles be all tiles of their dates.

        Parameters
        ----------
        days
            A date and its buckets' tiles, one after the other; taken lazily, so that one bucket is in memory at a time.
        built_from
            The state of each date's events.
        chunk_days
            How many dates make one commit. A failure keeps the chunks before it whole and the others as they were.

        Returns
        -------
        int
            The table's version that holds all of them.

        Raises
        ------
        InputError
            A bucket that the table does not have, or a date without a fingerprint.
        ConflictError, FileError, FormatError
            As `Table.commit`.
        """
        self.create()
        version = -1
        chunk: dict[date, list[StagedFile]] = {}
        for day, buckets in days:
            chunk[day] = self._staged(day, buckets, built_from)
            if len(chunk) >= chunk_days:
                version = self._commit(chunk, built_from)
                chunk = {}
        return self._commit(chunk, built_from) if chunk or version < 0 else version

    def forget(self, matches: pl.Expr, moved: Mapping[date, tuple[int, int]]) -> int:
        """Take the tiles out for which `matches` holds; how many.

        Parameters
        ----------
        moved
            Days whose events changed by the same: the fingerprint before and after. Tiles that were built from the former are
            then those of the latter.
        """

        def stand(partition: Partition) -> Partition:
            marks: dict[object, int] = {day: after for day, (before, after) in moved.items() if before == partition[BUILT_FROM]}
            return {**partition, BUILT_FROM: marks[day]} if (day := partition[DATE]) in marks else partition

        rewriting = Rewriting(self._table, matches, moved=stand, keep_empty=True)
        rewriting.run()
        return rewriting.rows

    def _staged(self, day: date, buckets: Buckets, built_from: Mapping[date, int]) -> list[StagedFile]:
        if day not in built_from:
            mend = "Pass the event log's fingerprint of every date that is built."
            raise InputError(complaint(f"table {self.uri}", "built_from must hold every date", day, mend))
        place: dict[str, date | int | str] = {DATE: day, BUILT_FROM: built_from[day]}
        parts = ((self._checked(bucket), rows) for bucket, rows in buckets)
        staged = [self._table.stage(rows, {**place, BUCKET: bucket}) for bucket, rows in parts if not rows.is_empty()]
        return staged or [self._table.stage(self._table.spec.file_schema.to_frame(), {**place, BUCKET: 0})]

    def _checked(self, bucket: int) -> int:
        if not 0 <= bucket < self.buckets:
            mend = "Split keys into the number of buckets that the table was created with (TileTable.buckets)."
            raise InputError(complaint(f"table {self.uri}", f"buckets go from 0 to {self.buckets - 1}", bucket, mend))
        return bucket

    def _commit(self, chunk: Mapping[date, list[StagedFile]], built_from: Mapping[date, int]) -> int:
        before = self.snapshot().days()

        def decide(snapshot: Snapshot) -> Change | None:
            """Leave out days that another builder finished meanwhile from the same events."""
            now = TileSnapshot(snapshot).days()
            done = {d for d in chunk if d in now and now[d].fingerprint == built_from[d] and now[d] != before.get(d)}
            ours = [day for day in chunk if day not in done]
            if not ours:
                return None
            return Change([file for day in ours for file in chunk[day]], snapshot.files.filter(pl.col(DATE).is_in(ours)))

        return self._table.commit(decide)
