"""`<source>/event_log`: a source's events by UTC day.

The rule: a source with files is imported, and never leaves a hole: days between the log's last one and the partition's are
imported with it, so that a run of any day stands on its own. The events of a source without files are appended; its
partitions report what the log holds.
"""

from collections.abc import Mapping
from datetime import date, datetime

import dagster as dg
import polars as pl

from assets.describe import described, label
from assets.metadata import bar_chart, record
from assets.spans import Partitioning, days
from resources import WorkspaceResource
from tilefold.declaration.sources import Source
from tilefold.engine.time import day_start_us, to_datetime
from tilefold.workspace import Receipt, Workspace

HOURS = 24


def event_log_key(source: str) -> dg.AssetKey:
    """The asset of a source's events."""
    return dg.AssetKey([source, "event_log"])


def event_log_asset(source: Source, partitioning: Partitioning, policy: dg.BackfillPolicy) -> dg.AssetsDefinition:
    """Build the asset."""
    about = label(source)

    @dg.asset(
        key=event_log_key(source.name),
        partitions_def=partitioning.daily,
        backfill_policy=policy,
        group_name=source.name,
        kinds={"deltalake", "polars"},
        description=described(
            source, f"The events of '{source.name}' in Delta Lake, append-only.", "Partition D is the UTC day D."
        ),
        owners=about.owners,
        tags=about.tags,
        metadata=about.metadata,
    )
    def event_log(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult[None]:
        ws = workspace.workspace
        span = context.partition_time_window
        receipt = import_through(ws, source, partitioning.first, span.start, span.end)
        held = ws.event_log(source.name).snapshot().days()
        hours = events_by_hour(ws, source, span.start.date(), span.end.date())
        for key, day in days(context, partitioning.daily).items():
            files = held.get(day)
            facts = {"events": files.rows if files else 0, "size_bytes": files.size_bytes if files else 0}
            changed = {"changed": day in receipt.days} if receipt else {}
            record(context, key, {**facts, **changed, "by hour": bar_chart("Events by hour (UTC)", hours.get(day, []))})
        return dg.MaterializeResult(metadata=_run_facts(receipt))

    return event_log


def import_through(ws: Workspace, source: Source, first: datetime, start: datetime, end: datetime) -> Receipt | None:
    """Import a source's files for `[start, end)`, and before it whatever day follows the log's last one.

    Returns None for a source without files.
    """
    if source.batch_config is None:
        return None
    logged = max(ws.event_log(source.name).snapshot().days(), default=None)
    known = to_datetime(day_start_us(logged)) if logged else first
    return ws.import_days(source.name, min(start, known), end)


def _run_facts(receipt: Receipt | None) -> dict[str, int]:
    if receipt is None:
        return {}
    return {
        "run_events_accepted": receipt.accepted,
        "run_events_known": receipt.duplicate,
        "run_days_changed": len(receipt.days),
    }


def events_by_hour(ws: Workspace, source: Source, start: date, end: date) -> Mapping[date, list[tuple[str, float]]]:
    """How many events each hour of the days `[start, end)` holds; no entry for a day without events."""
    log = ws.event_log(source.name).snapshot()
    held = [day for day in log.days() if start <= day < end]
    if not held:
        return {}
    time = pl.col(source.timestamp_field)
    counted = log.scan(held, [source.timestamp_field]).group_by(time.dt.date().alias("day"), time.dt.hour().alias("hour"))
    counts = {(day, hour): count for day, hour, count in counted.len().collect().iter_rows()}
    return {day: [(f"{hour:02}h", counts.get((day, hour), 0)) for hour in range(HOURS)] for day in held}
