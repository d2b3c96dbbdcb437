"""The compactions of one view: a Delta table by (as-of, epoch, bucket), each compaction written once.

The rule: a compaction exists if and only if its one commit exists. Its facts (what it was built from, what it counted) lie in
the footer of a file without rows in bucket -1 of the same commit, so they can neither be missing nor be left over, and
reading them opens one small file.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import polars as pl

from tilefold.errors import ConflictError, complaint
from tilefold.stores.compacted_snapshot import (
    AS_OF,
    BUCKET,
    EPOCH,
    FACTS,
    MANIFEST,
    PARTITIONS,
    CompactedSnapshot,
    is_compaction,
)
from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import StagedFile, TableSpec
from tilefold.stores.delta_snapshot import Snapshot
from tilefold.stores.one_table import OneTable
from tilefold.stores.rewriting import Rewriting

_RUN = "run_id"
_T = TypeVar("_T")
_R = TypeVar("_R")


class CompactedTable(OneTable):
    """The compactions of one view.

    Parameters
    ----------
    uri
        The table's place, local or on an object store.
    schema
        Columns of a compacted row; `tf_...` names are the table's own.
    storage_options
        Passed on unchanged.
    """

    def __init__(self, uri: str, schema: pl.Schema, *, storage_options: Mapping[str, str] | None = None) -> None:
        columns = pl.Schema({**schema, **PARTITIONS})
        options = dict(storage_options or {})
        self._table = Table(TableSpec(uri, columns, tuple(PARTITIONS), (), options, compression="lz4"))

    def write(
        self,
        as_of_us: int,
        epoch: int,
        buckets: Iterable[tuple[int, pl.DataFrame | Callable[[], pl.DataFrame]]],
        metadata: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
        *,
        run_id: str = "",
        workers: int = 1,
    ) -> int:
        """Write one compaction in one commit; returns the table's version that holds it.

        Parameters
        ----------
        as_of_us, epoch
            The watermark and the number of the compaction.
        buckets
            Bucket and rows, or a function that computes them where they are written; buckets without rows may be left out.
        metadata
            Facts, as JSON values; a function is called once all buckets are written.
        run_id
            Who writes. Writing again with the same id that is not empty does nothing; with another it is an error.
        workers
            How many buckets may be computed and written at once, each in a thread: so many are in memory.

        Raises
        ------
        ConflictError
            The compaction exists already.
        FileError, FormatError
            As `Table.commit`.
        """
        place = {AS_OF: as_of_us, EPOCH: epoch}
        if self._is_done(self._table.snapshot(), as_of_us, epoch, run_id):
            return self._table.snapshot().version
        self._table.ensure()
        staged = in_threads(lambda each: self._stage(place, *each), buckets, workers)
        known = metadata() if callable(metadata) else metadata
        facts = json.dumps({**known, _RUN: run_id}, sort_keys=True)
        nothing = self._table.spec.file_schema.to_frame()
        staged.append(self._table.stage(nothing, {**place, BUCKET: MANIFEST}, footer={FACTS: facts}))
        return self._table.commit(lambda snapshot: None if self._is_done(snapshot, as_of_us, epoch, run_id) else Change(staged))

    def _stage(
        self, place: Mapping[str, int], bucket: int, rows: pl.DataFrame | Callable[[], pl.DataFrame]
    ) -> StagedFile | None:
        """Write the file of a bucket, which nothing names yet; None where it has no rows."""
        made = rows() if callable(rows) else rows
        return None if made.is_empty() else self._table.stage(made, {**place, BUCKET: bucket})

    def snapshot(self) -> CompactedSnapshot:
        """The compactions pinned at the newest version."""
        return CompactedSnapshot(self._table.snapshot())

    def metadata(self, as_of_us: int, epoch: int) -> dict[str, Any]:
        """See `CompactedSnapshot`."""
        return self.snapshot().metadata(as_of_us, epoch)

    def partitions(self) -> list[tuple[int, int]]:
        """See `CompactedSnapshot`."""
        return self.snapshot().partitions()

    def latest(self, as_of_us: int) -> int | None:
        """See `CompactedSnapshot`."""
        return self.snapshot().latest(as_of_us)

    def scan(self, as_of_us: int, epoch: int, bucket: int | None = None) -> pl.LazyFrame:
        """See `CompactedSnapshot`."""
        return self.snapshot().scan(as_of_us, epoch, bucket)

    def prune(self, keep: Callable[[int, int], bool]) -> list[tuple[int, int]]:
        """Remove every compaction that `keep(as_of_us, epoch)` does not want, in one commit; returns the removed ones.

        Their files stay on disk until `vacuum`.
        """
        removed: list[tuple[int, int]] = []

        def decide(snapshot: Snapshot) -> Change | None:
            removed[:] = [each for each in CompactedSnapshot(snapshot).partitions() if not keep(*each)]
            gone = pl.any_horizontal(pl.lit(False), *(is_compaction(*each) for each in removed))
            return Change(removes=snapshot.files.filter(gone)) if removed else None

        if self._table.snapshot().version >= 0:
            self._table.commit(decide)
        return removed

    def forget(self, matches: pl.Expr) -> int:
        """Take the keys out of every compaction for which `matches` holds; how many parts that was.

        The one case in which a compaction changes: it is as if the keys had never been.
        """
        rewriting = Rewriting(self._table, matches, keep_empty=True)
        rewriting.run()
        return rewriting.rows

    def _is_done(self, snapshot: Snapshot, as_of_us: int, epoch: int, run_id: str) -> bool:
        """Whether this very run wrote it before; another run's is an error."""
        there = CompactedSnapshot(snapshot)
        if there.files(as_of_us, epoch).is_empty():
            return False
        writer = there.metadata(as_of_us, epoch)[_RUN]
        if not run_id or writer != run_id:
            mend = "A compaction is never overwritten: take the next barrier and write under its number."
            thing = f"table {self.uri}"
            raise ConflictError(complaint(thing, "(as_of_us, epoch) exists already", (as_of_us, epoch, writer), mend))
        return True


def in_threads(work: Callable[[_T], _R | None], items: Iterable[_T], workers: int) -> list[_R]:
    """What `work` makes of each item, without None, in order; the rest is given up when one fails."""
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            made = [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [each for each in made if each is not None]
