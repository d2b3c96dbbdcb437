"""Takes rows out of a Delta table: every file that holds some is written anew without them, in one commit.

The rule: files never change, so what was made of one stands when the decision is made again from a newer version; a conflict
with another writer costs the files that this one brought, and nothing is lost that came meanwhile.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import TypeAlias

import polars as pl

from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import StagedFile
from tilefold.stores.delta_snapshot import Snapshot

Partition: TypeAlias = Mapping[str, date | int | str]


def as_they_are(partition: Partition) -> Partition:
    """Leave a file in its partition."""
    return partition


def no_claims(snapshot: Snapshot, removed: pl.DataFrame) -> Mapping[str, int]:
    """Nothing is told beside the files."""
    del snapshot, removed
    return {}


class Rewriting:
    """Takes the rows out of a table for which `matches` holds.

    Parameters
    ----------
    moved
        Into which partition the rest of a file goes.
    keep_empty
        Whether a file stays that has no rows left.
    claims
        Which application transactions are part of the commit that takes these files away.

    Attributes
    ----------
    rows
        How many were taken out.
    """

    def __init__(
        self,
        table: Table,
        matches: pl.Expr,
        *,
        moved: Callable[[Partition], Partition] = as_they_are,
        keep_empty: bool = False,
        claims: Callable[[Snapshot, pl.DataFrame], Mapping[str, int]] = no_claims,
    ) -> None:
        self._table, self._matches, self._moved, self._keep_empty = table, matches.fill_null(value=False), moved, keep_empty
        self._claims = claims
        self._made: dict[tuple[str, str], StagedFile | None] = {}
        self.rows = 0

    def run(self) -> int:
        """Do it; the version that lacks the rows."""
        before = self._table.snapshot()
        return before.version if before.version < 0 else self._table.commit(self._decide)

    def _decide(self, snapshot: Snapshot) -> Change | None:
        self.rows, adds, gone = 0, list[StagedFile](), list[pl.DataFrame]()
        for file in snapshot.files.iter_slices(1):
            partition = {name: file[name][0] for name in snapshot.spec.partition_by}
            wanted = self._moved(partition)
            count = self._count(snapshot, file)
            if not count and wanted == partition:
                continue
            made = self._rest(snapshot, file, wanted, count)
            self.rows += count
            gone.append(file)
            adds += [] if made is None else [made]
        if not gone:
            return None
        removed = pl.concat(gone)
        return Change(adds, removed, self._claims(snapshot, removed))

    def _count(self, snapshot: Snapshot, file: pl.DataFrame) -> int:
        if not file["rows"][0]:
            return 0
        return int(snapshot.collect(snapshot.scan(file).filter(self._matches).select(pl.len())).item())

    def _rest(self, snapshot: Snapshot, file: pl.DataFrame, wanted: Partition, count: int) -> StagedFile | None:
        known = (file["path"][0], str(sorted(wanted.items())))
        if known not in self._made:
            rows = snapshot.collect(snapshot.scan(file).filter(~self._matches))
            keeps = rows.height > 0 or not count or self._keep_empty
            self._made[known] = self._table.stage(rows, wanted) if keeps else None
        return self._made[known]
