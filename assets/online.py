"""`<view>/online`: what the online store serves.

The rule: only the newest compaction is synced. A past partition changes nothing and says by which it is superseded, so a
backfill of the past never touches what is served. A changed definition is synced beside the version that is served, which
`<view>/served` switches.
"""

from datetime import datetime, timedelta

import dagster as dg

from assets.compacted import compacted_key
from assets.describe import AS_OF, described, label
from assets.metadata import record
from assets.spans import Partitioning, watermarks
from resources import WorkspaceResource
from tilefold.declaration.views import FeatureView
from tilefold.engine.time import to_datetime
from tilefold.serving.reports import SyncReport
from tilefold.workspace import Workspace

MINUTE_US = 60_000_000
SUPERSEDED = "Only the newest compaction is served: a past partition changes nothing and says by which it is superseded."


def online_key(view: str) -> dg.AssetKey:
    """The asset of what is served of a view."""
    return dg.AssetKey([view, "online"])


def online_asset(view: FeatureView, partitioning: Partitioning, policy: dg.BackfillPolicy) -> dg.AssetsDefinition:
    """Build the asset."""
    about = label(view)
    partitions = partitioning.of_watermarks(view.name)

    @dg.asset(
        key=online_key(view.name),
        deps=[compacted_key(view.name)],
        partitions_def=partitions,
        backfill_policy=policy,
        group_name=view.name,
        kinds={"redis"},
        code_version=view.version,
        description=described(view, f"The features of '{view.name}' in the online store.", AS_OF, SUPERSEDED),
        freshness_policy=freshness(view),
        owners=about.owners,
        tags=about.tags,
        metadata=about.metadata,
    )
    def online(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        ws = workspace.workspace
        wanted = watermarks(context, partitions, view)
        newest = newest_compaction(ws, view.name)
        for key in context.partition_keys:
            as_of = wanted.get(key)
            if as_of is None:
                record(context, key, {"status": "off the schedule, or before feature_start_time: nothing to serve"})
            elif newest is not None and as_of < newest:
                record(context, key, {"as_of": as_of.isoformat(), "status": f"superseded by {newest.isoformat()}"})
            else:
                report = ws.sync(view.name, as_of)
                record(context, key, _facts(report) | {"version": view.version, "served_version": _served(ws, view)})

    return online


def _served(ws: Workspace, view: FeatureView) -> str:
    """The version that answers reads: another one than this until `<view>/served` is materialized."""
    return ws.versions(view.name).served or "none"


def newest_compaction(ws: Workspace, view: str) -> datetime | None:
    """The newest watermark that was ever compacted; None where there is none."""
    watermarks_us = [as_of_us for as_of_us, _ in ws.context(view).compacted.partitions()]
    return to_datetime(max(watermarks_us)) if watermarks_us else None


def freshness(view: FeatureView) -> dg.FreshnessPolicy:
    """When to worry: half a step of the schedule late is a warning, and where reads turn STALE it is a failure."""
    half_step_us = view.schedule_us // 2
    fail = timedelta(microseconds=max(view.valid_for_us, 2 * MINUTE_US))
    return dg.FreshnessPolicy.time_window(fail_window=fail, warn_window=fail - timedelta(microseconds=half_step_us))


def _facts(report: SyncReport) -> dict[str, object]:
    return {
        "as_of": report.as_of.isoformat(),
        "epoch": report.epoch,
        "status": report.status,
        "keys_written": report.written,
        "keys_unchanged": report.unchanged,
        "keys_removed": report.removed,
        "written_bytes": report.bytes,
        "every_key_written": report.full,
        "duration_s": round(report.duration_s, 3),
    }
