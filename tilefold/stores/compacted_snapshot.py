"""One pinned version of a compacted table: which compactions there are, their facts and their rows.

The rule: what several steps read of a compaction they read from one snapshot. A compaction that is pruned meanwhile stays whole
in it, since files are deleted by `vacuum` alone; read from the newest version each time, its keys would seem to be gone.
"""

import json
from dataclasses import dataclass
from typing import Any

import polars as pl

from tilefold.errors import UnknownNameError, complaint
from tilefold.stores.delta_errors import reading
from tilefold.stores.delta_snapshot import Snapshot

AS_OF = "tf_as_of_us"
EPOCH = "tf_epoch"
BUCKET = "tf_bucket"
PARTITIONS = pl.Schema({AS_OF: pl.Int64(), EPOCH: pl.Int64(), BUCKET: pl.Int32()})
MANIFEST = -1  # bucket of the file that carries the facts. Do not change: it is on disk.
FACTS = "tilefold"  # key in that file's footer. Do not change: it is on disk.


@dataclass(frozen=True, slots=True)
class CompactedSnapshot:
    """The compactions of a view at one version."""

    pinned: Snapshot

    def partitions(self) -> list[tuple[int, int]]:
        """(as_of_us, epoch) of every compaction, ascending."""
        manifests = self.pinned.files.filter(pl.col(BUCKET) == MANIFEST)
        return manifests.select(AS_OF, EPOCH).sort(AS_OF, EPOCH).rows()

    def latest(self, as_of_us: int) -> int | None:
        """The largest epoch of the compactions at `as_of_us`; None where there is none."""
        return max((epoch for as_of, epoch in self.partitions() if as_of == as_of_us), default=None)

    def files(self, as_of_us: int, epoch: int) -> pl.DataFrame:
        """The files of one compaction; none where it is not there."""
        return self.pinned.files.filter(is_compaction(as_of_us, epoch))

    def scan(self, as_of_us: int, epoch: int, bucket: int | None = None) -> pl.LazyFrame:
        """Rows of one compaction, or of one bucket of it; without rows where there is none."""
        files = self.files(as_of_us, epoch).filter(pl.col("rows") > 0)
        wanted = files if bucket is None else files.filter(pl.col(BUCKET) == bucket)
        return self.pinned.scan(wanted, columns=self.pinned.spec.file_schema.names())

    def metadata(self, as_of_us: int, epoch: int) -> dict[str, Any]:
        """The facts that the compaction was written with, and its `run_id`.

        Raises
        ------
        UnknownNameError
            There is no such compaction.
        """
        pinned, manifest = self.pinned, self.files(as_of_us, epoch).filter(pl.col(BUCKET) == MANIFEST)
        if manifest.is_empty():
            mend = f"Compactions in it: {self.partitions()[-5:]} (the last five)."
            raise UnknownNameError(complaint(f"table {pinned.spec.uri}", "no such compaction", (as_of_us, epoch), mend))
        with reading(pinned.spec.uri):
            footer = pl.read_parquet_metadata(pinned.place(manifest["path"][0]), storage_options=pinned.spec.options)
        facts: dict[str, Any] = json.loads(footer[FACTS])
        return facts


def is_compaction(as_of_us: int, epoch: int) -> pl.Expr:
    """Whether a file is of this compaction."""
    return (pl.col(AS_OF) == as_of_us) & (pl.col(EPOCH) == epoch)
