"""`<view>/compacted`: the batch part of every key at a watermark.

The rule: all watermarks of a run come from one barrier of the event log, and each starts from the one before. A view whose
schedule is shorter than a day has events of an unfinished day to see, so that day is imported first.
"""

from datetime import datetime

import dagster as dg
import polars as pl

from assets.describe import AS_OF, described, label
from assets.event_log import import_through
from assets.metadata import bar_chart, record
from assets.spans import Partitioning, is_sub_day, watermarks
from assets.tiles import tiles_key
from resources import WorkspaceResource
from tilefold.declaration.views import FeatureView
from tilefold.engine.compact import TILES
from tilefold.engine.time import DAY_US, floor, to_datetime, to_us
from tilefold.serving.reports import CompactionReport
from tilefold.workspace import Workspace


def compacted_key(view: str) -> dg.AssetKey:
    """The asset of a view's compactions."""
    return dg.AssetKey([view, "compacted"])


def compacted_asset(view: FeatureView, partitioning: Partitioning, policy: dg.BackfillPolicy) -> dg.AssetsDefinition:
    """Build the asset."""
    about = label(view)
    partitions = partitioning.of_watermarks(view.name)

    @dg.asset(
        key=compacted_key(view.name),
        deps=[dg.AssetDep(tiles_key(view.name), partition_mapping=tiles_mapping(view))],
        partitions_def=partitions,
        backfill_policy=policy,
        group_name=view.name,
        kinds={"deltalake", "polars"},
        code_version=view.version,
        description=described(view, f"The batch part of every key of '{view.name}' in Delta Lake.", AS_OF),
        owners=about.owners,
        tags=about.tags,
        metadata=about.metadata,
    )
    def compacted(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        ws = workspace.workspace
        keys = {as_of: key for key, as_of in watermarks(context, partitions, view).items()}
        if keys and is_sub_day(view):
            _import_unfinished(ws, view, partitioning.first, min(keys), max(keys))
        for report in ws.compact_range(view.name, list(keys)):
            record(context, keys[report.as_of], _facts(ws, report))
            context.log.info(
                "%s: %d keys, %.2f s", keys[report.as_of], report.keys, report.duration_s
            )  # a long range shows its way
        for key in set(context.partition_keys) - set(keys.values()):
            record(context, key, {"status": "off the schedule, or before feature_start_time: nothing to compact"})

    return compacted


def tiles_mapping(view: FeatureView) -> dg.TimeWindowPartitionMapping | None:
    """How partitions of watermarks depend on days: an hour of today depends on a day that is not over."""
    return dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True) if is_sub_day(view) else None


def _import_unfinished(ws: Workspace, view: FeatureView, first: datetime, earliest: datetime, latest: datetime) -> None:
    start = to_datetime(floor(to_us(earliest) - 1, DAY_US))
    import_through(ws, view.source, first, start, latest)


def _facts(ws: Workspace, report: CompactionReport) -> dict[str, object]:
    ratio = report.tiles_before / report.tiles_after if report.tiles_after else 0.0
    base = report.predecessor
    return {
        "as_of": report.as_of.isoformat(),
        "epoch": report.epoch,
        "predecessor": f"as of {to_datetime(base[0]).isoformat()}, epoch {base[1]}" if base else "none",
        "keys": report.keys,
        "keys_computed": report.keys_computed,
        "events": report.events,
        "tiles_before": report.tiles_before,
        "tiles_after": report.tiles_after,
        "compaction_ratio": round(ratio, 2),
        "size_bytes": report.size_bytes,
        "largest_part_bytes": report.largest_part_bytes,
        "days_rebuilt": len(report.rebuilt_days),
        "duration_s": round(report.duration_s, 3),
        "tiles per key": _tiles_per_key(ws, report),
    }


def _tiles_per_key(ws: Workspace, report: CompactionReport) -> dg.MarkdownMetadataValue:
    """How many keys have how many tiles, by powers of two."""
    parts = ws.context(report.view).compacted.scan(to_us(report.as_of), report.epoch)
    power = pl.col(TILES).log(2).floor().cast(pl.Int64).alias("power")
    counts = parts.group_by(power).len().sort("power").collect()
    bars = [("1" if not power else f"{1 << power}-{(2 << power) - 1}", keys) for power, keys in counts.iter_rows()]
    return bar_chart("Keys by number of tiles", bars)
