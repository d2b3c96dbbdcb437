"""What a compaction takes over from an earlier one, and which keys it must compute.

The rule: it may start from an earlier compaction only if that one's watermark and number are not above its own, left nothing
out, and was built from days that have not changed since; then only keys that something happened to are computed.
"""

from dataclasses import dataclass

import polars as pl

from tilefold.engine.compact import CELLS
from tilefold.engine.layout import FIRST
from tilefold.engine.plan import ReadSpan, first_start_us
from tilefold.engine.time import day_of
from tilefold.serving.compaction_reach import events_fingerprint, reads_in
from tilefold.serving.context import ViewContext
from tilefold.serving.ground import Tiles
from tilefold.stores.compacted_snapshot import CompactedSnapshot
from tilefold.stores.log_snapshot import LogSnapshot

WHOLE_PASS_SHARE = 0.5  # above this share of changed keys, computing all is cheaper than telling them apart


@dataclass(frozen=True, slots=True)
class Base:
    """An earlier compaction to start from, read from one version of its table: it may be pruned meanwhile."""

    as_of_us: int
    epoch: int
    there: CompactedSnapshot

    def rows(self, bucket: int) -> pl.LazyFrame:
        """Its rows of a bucket."""
        return self.there.scan(self.as_of_us, self.epoch, bucket)


def find_base(context: ViewContext, log: LogSnapshot, reads: ReadSpan, epoch: int) -> Base | None:
    """The newest earlier compaction that still stands; None where everything must be computed."""
    there = context.compacted.snapshot()
    earlier = [Base(*each, there) for each in there.partitions() if each[0] <= reads.watermark_us and each[1] <= epoch]
    return next((each for each in earlier[-1:] if _stands(context, log, reads, each)), None)


def _stands(context: ViewContext, log: LogSnapshot, reads: ReadSpan, base: Base) -> bool:
    """Whether a compaction left nothing out that is read now, and the days it was built from are as they were."""
    facts = base.there.metadata(base.as_of_us, base.epoch)
    answered = reads_in(context, facts, base.as_of_us)
    whole = bool(facts["complete"]) and answered.from_us <= reads.from_us
    return whole and bool(facts["built_from"] == events_fingerprint(context, log, answered))


def kept_parts(context: ViewContext, tiles: Tiles, bucket: int, reads: ReadSpan, base: Base, few: int | None) -> pl.DataFrame:
    """The parts that stay as the base has them; none where they are too few to be worth telling apart.

    A key must be computed if it has newer tiles, if it is busy (its cuts move), or if its oldest tile falls out of reach.
    """
    before = base.rows(bucket).collect()
    settled = pl.col(FIRST) >= first_start_us(context.windows, reads.from_us)
    quiet = settled if few is None else settled & (pl.col(CELLS) <= few)
    active = _newer(tiles, bucket, base).select(context.layout.key_names).unique().collect()
    kept = before.filter(quiet).join(active, on=context.layout.key_names, how="anti")
    return kept if kept.height >= WHOLE_PASS_SHARE * before.height else kept.clear()


def _newer(tiles: Tiles, bucket: int, base: Base) -> pl.LazyFrame:
    """The tiles of the days that the base did not hold whole."""
    return tiles.scan(day_of(base.as_of_us), None, bucket)


def changed_keys(context: ViewContext, tiles: Tiles, bucket: int, base: Base, kept: pl.DataFrame) -> pl.LazyFrame:
    """The keys that must be computed, once each."""
    names = context.layout.key_names
    others = base.rows(bucket).select(names).join(kept.lazy().select(names), on=names, how="anti")
    return pl.concat([others, _newer(tiles, bucket, base).select(names)]).unique()
