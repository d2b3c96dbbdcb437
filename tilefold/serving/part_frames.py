"""What a sync reads of the compacted table, in frames: a bucket of some compactions at a time.

The rule: a key's part differs if its bytes do, unless they differ only in tiles that no window reaches any more.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from tilefold.engine.compact import PART
from tilefold.engine.entity import entity_expr
from tilefold.engine.layout import FIRST
from tilefold.engine.mark import Mark
from tilefold.engine.plan import first_start_us
from tilefold.engine.reach import equal_in_reach
from tilefold.serving.compaction_reach import reads_in
from tilefold.serving.context import ViewContext
from tilefold.serving.sync_ports import Work

KEYS_PER_BATCH = 5_000


class FramedCompactions:
    """The compactions of one view as they are when this is made."""

    def __init__(self, context: ViewContext) -> None:
        self._context = context
        self._there = context.compacted.snapshot()
        self.buckets = context.tile_table().buckets

    def marks(self) -> set[Mark]:
        """See `Compactions`."""
        return {Mark(*each) for each in self._there.partitions()}

    def work(self, mark: Mark, bases: Sequence[Mark] | None, bucket: int) -> Work:
        """See `Compactions`."""
        new = self._parts(mark, bucket)
        if bases is None:
            return Work(_batches(new), new.height, 0)
        rows = self._differing(mark, new, [self._parts(base, bucket) for base in bases])
        return Work(_batches(rows), rows.height, new.height - rows.filter(pl.col(PART) != b"").height)

    def _parts(self, mark: Mark, bucket: int) -> pl.DataFrame:
        rows = self._there.scan(mark.watermark_us, mark.epoch, bucket)
        return rows.select(entity_expr(self._context.layout.join_keys), PART, FIRST).collect()

    def _differing(self, mark: Mark, new: pl.DataFrame, bases: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Keys whose part differs from that in some base; an empty part where the new compaction has none."""
        facts = self._there.metadata(mark.watermark_us, mark.epoch)
        reads = reads_in(self._context, facts, mark.watermark_us)
        start = first_start_us(self._context.windows, reads.from_us)
        changed = [self._changed(new, base, start) for base in bases]
        names = pl.concat([rows.select("entity") for rows in changed]).unique()
        rows = names.join(new.select("entity", PART), on="entity", how="left")
        return rows.with_columns(pl.col(PART).fill_null(b""))

    def _changed(self, new: pl.DataFrame, base: pl.DataFrame, start_us: int) -> pl.DataFrame:
        both = new.join(base, on="entity", how="full", coalesce=True, suffix="_base")
        differs = both.filter(pl.col(PART).ne_missing(pl.col(f"{PART}_base")))
        aged = pl.col(f"{FIRST}_base") < start_us
        suspects = differs.filter(aged)
        if not suspects.height:
            return differs
        start, codec = start_us // self._context.layout.grain_us, self._context.codec
        same = [
            equal_in_reach(codec, one or b"", other, start) for one, other in suspects.select(PART, f"{PART}_base").iter_rows()
        ]
        return pl.concat([differs.filter(~aged.fill_null(value=False)), suspects.filter(~pl.Series(same))])


def _batches(rows: pl.DataFrame) -> Iterator[tuple[list[str], list[bytes]]]:
    for batch in rows.iter_slices(KEYS_PER_BATCH):
        yield batch["entity"].to_list(), batch[PART].to_list()
