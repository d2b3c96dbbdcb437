"""Which small files of a partition a commit takes up into its own, so that many small commits do not leave as many files.

The rule: files are merged in tiers, small ones with small ones, so that a row is rewritten a few times in all, not once per
merge. Nothing is merged below `FILES_MAX` files, and no merged file gets more than `ROWS_MAX` rows, which bounds memory.
"""

from collections.abc import Mapping
from datetime import date

import polars as pl

from tilefold.stores.delta import Table
from tilefold.stores.delta_files import StagedFile
from tilefold.stores.delta_snapshot import Snapshot

FILES_MAX = 32
ROWS_MAX = 1_000_000


def files_to_merge(files: pl.DataFrame, new_rows: int) -> pl.DataFrame:
    """The files (rows of `Snapshot.files`, of one partition) to put together with `new_rows` that come.

    The smaller half of them, and each further one that is no larger than all smaller ones together.
    """
    if files.height < FILES_MAX:
        return files.clear()
    ascending = files.sort("rows", "path")
    total, chosen = new_rows, 0
    for number, rows in enumerate(ascending["rows"]):
        if total + rows > ROWS_MAX or (number >= files.height // 2 and rows > total):
            break
        total, chosen = total + rows, number + 1
    return ascending[:chosen]


def stage_with_small(
    table: Table, snapshot: Snapshot, held: pl.DataFrame, rows: pl.DataFrame, partition: Mapping[str, date | str]
) -> tuple[StagedFile, pl.DataFrame]:
    """A file of the rows and of the small files of their partition that it takes the place of, not yet visible; and those.

    Parameters
    ----------
    held
        The partition's files in the snapshot: rows of `Snapshot.files`.
    """
    merged = files_to_merge(held, rows.height)
    names = snapshot.spec.file_schema.names()
    old = snapshot.collect(snapshot.scan(merged, columns=names))
    return table.stage(pl.concat([old, rows.select(names)]), partition), merged
