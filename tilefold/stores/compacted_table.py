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

from tilefold.errors import ConflictError, UnknownNameError, complaint
from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_errors import reading
from tilefold.stores.delta_files import StagedFile, TableSpec
from tilefold.stores.delta_snapshot import Snapshot

AS_OF = "tf_as_of_us"
EPOCH = "tf_epoch"
BUCKET = "tf_bucket"
MANIFEST = -1  # bucket of the file that carries the facts. Do not change: it is on disk.
_FACTS = "tilefold"  # key in that file's footer
_RUN = "run_id"
_T = TypeVar("_T")
_R = TypeVar("_R")
_PARTITIONS = pl.Schema({AS_OF: pl.Int64(), EPOCH: pl.Int64(), BUCKET: pl.Int32()})


class CompactedTable:
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
        columns = pl.Schema({**schema, **_PARTITIONS})
        options = dict(storage_options or {})
        self._table = Table(TableSpec(uri, columns, tuple(_PARTITIONS), (), options, compression="lz4"))

    @property
    def uri(self) -> str:
        """The table's place."""
        return self._table.spec.uri

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
        staged.append(self._table.stage(nothing, {**place, BUCKET: MANIFEST}, footer={_FACTS: facts}))
        return self._table.commit(lambda snapshot: None if self._is_done(snapshot, as_of_us, epoch, run_id) else Change(staged))

    def _stage(
        self, place: Mapping[str, int], bucket: int, rows: pl.DataFrame | Callable[[], pl.DataFrame]
    ) -> StagedFile | None:
        """Write the file of a bucket, which nothing names yet; None where it has no rows."""
        made = rows() if callable(rows) else rows
        return None if made.is_empty() else self._table.stage(made, {**place, BUCKET: bucket})

    def metadata(self, as_of_us: int, epoch: int) -> dict[str, Any]:
        """The facts that the compaction was written with, and its `run_id`.

        Raises
        ------
        UnknownNameError
            There is no such compaction.
        """
        return self._facts(self._table.snapshot(), as_of_us, epoch)

    def partitions(self) -> list[tuple[int, int]]:
        """(as_of_us, epoch) of every compaction, ascending."""
        manifests = self._table.snapshot().files.filter(pl.col(BUCKET) == MANIFEST)
        return manifests.select(AS_OF, EPOCH).sort(AS_OF, EPOCH).rows()

    def latest(self, as_of_us: int) -> int | None:
        """The largest epoch of the compactions at `as_of_us`; None where there is none."""
        return max((epoch for as_of, epoch in self.partitions() if as_of == as_of_us), default=None)

    def scan(self, as_of_us: int, epoch: int, bucket: int | None = None) -> pl.LazyFrame:
        """Rows of one compaction, or of one bucket of it; without rows where there is none."""
        snapshot = self._table.snapshot()
        files = snapshot.files.filter(_is(as_of_us, epoch), pl.col("rows") > 0)
        wanted = files if bucket is None else files.filter(pl.col(BUCKET) == bucket)
        return snapshot.scan(wanted, columns=self._table.spec.file_schema.names())

    def prune(self, keep: Callable[[int, int], bool]) -> list[tuple[int, int]]:
        """Remove every compaction that `keep(as_of_us, epoch)` does not want, in one commit; returns the removed ones.

        Their files stay on disk until `vacuum`.
        """
        removed: list[tuple[int, int]] = []

        def decide(snapshot: Snapshot) -> Change | None:
            removed[:] = [each for each in self._existing(snapshot) if not keep(*each)]
            gone = pl.any_horizontal(pl.lit(False), *(_is(*each) for each in removed))
            return Change(removes=snapshot.files.filter(gone)) if removed else None

        if self._table.snapshot().version >= 0:
            self._table.commit(decide)
        return removed

    def vacuum(self, retention_hours: int = 168) -> list[str]:
        """Delete files that no version younger than `retention_hours` names; returns their paths."""
        return self._table.vacuum(retention_hours)

    def _is_done(self, snapshot: Snapshot, as_of_us: int, epoch: int, run_id: str) -> bool:
        """Whether this very run wrote it before; another run's is an error."""
        if snapshot.files.filter(_is(as_of_us, epoch)).is_empty():
            return False
        writer = self._facts(snapshot, as_of_us, epoch)[_RUN]
        if not run_id or writer != run_id:
            mend = "A compaction is never overwritten: take the next barrier and write under its number."
            thing = f"table {self.uri}"
            raise ConflictError(complaint(thing, "(as_of_us, epoch) exists already", (as_of_us, epoch, writer), mend))
        return True

    def _facts(self, snapshot: Snapshot, as_of_us: int, epoch: int) -> dict[str, Any]:
        manifest = snapshot.files.filter(_is(as_of_us, epoch), pl.col(BUCKET) == MANIFEST)
        if manifest.is_empty():
            mend = f"Compactions in it: {self._existing(snapshot)[-5:]} (the last five)."
            raise UnknownNameError(complaint(f"table {self.uri}", "no such compaction", (as_of_us, epoch), mend))
        with reading(self.uri):
            footer = pl.read_parquet_metadata(snapshot.place(manifest["path"][0]), storage_options=snapshot.spec.options)
        facts: dict[str, Any] = json.loads(footer[_FACTS])
        return facts

    def _existing(self, snapshot: Snapshot) -> list[tuple[int, int]]:
        return snapshot.files.filter(pl.col(BUCKET) == MANIFEST).select(AS_OF, EPOCH).sort(AS_OF, EPOCH).rows()


def _is(as_of_us: int, epoch: int) -> pl.Expr:
    return (pl.col(AS_OF) == as_of_us) & (pl.col(EPOCH) == epoch)


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
