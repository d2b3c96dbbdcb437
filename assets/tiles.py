"""`<view>/tiles`: partial aggregates of a view by key and cell, one partition per UTC day.

The rule: a day is built from the event log as it is now, and left alone where it is built already.
"""

import dagster as dg

from assets.describe import described, label
from assets.event_log import event_log_key
from assets.metadata import record
from assets.spans import Partitioning, days
from resources import WorkspaceResource
from tilefold.declaration.views import FeatureView
from tilefold.serving.reports import DayReport


def tiles_key(view: str) -> dg.AssetKey:
    """The asset of a view's tiles."""
    return dg.AssetKey([view, "tiles"])


def tiles_asset(view: FeatureView, partitioning: Partitioning, policy: dg.BackfillPolicy) -> dg.AssetsDefinition:
    """Build the asset."""
    about = label(view)

    @dg.asset(
        key=tiles_key(view.name),
        deps=[event_log_key(view.source.name)],
        partitions_def=partitioning.daily,
        backfill_policy=policy,
        group_name=view.name,
        kinds={"deltalake", "polars"},
        code_version=view.version,
        description=described(view, f"The tiles of '{view.name}' in Delta Lake.", "Partition D is the UTC day D."),
        owners=about.owners,
        tags=about.tags,
        metadata=about.metadata,
    )
    def tiles(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult[None]:
        span = context.partition_time_window
        report = workspace.workspace.build_tiles(view.name, span.start, span.end)
        built = {each.day: each for each in report.days}
        for key, day in days(context, partitioning.daily).items():
            record(context, key, _facts(built.get(day) or DayReport(day, 0, 0, 0, rebuilt=False)))
        return dg.MaterializeResult(metadata={"run_duration_s": report.duration_s, "run_days_rebuilt": len(report.rebuilt)})

    return tiles


def _facts(report: DayReport) -> dict[str, float]:
    ratio = report.events / report.tiles if report.tiles else 0.0
    facts = {"events": report.events, "tiles": report.tiles, "events_per_tile": round(ratio, 2)}
    return {**facts, "size_bytes": report.size_bytes, "rebuilt": report.rebuilt}
