"""`<source>/event_log`: a source's events by UTC day.

The rule: a source with files is imported, and never leaves a hole: days between the log's last one and the partition's are
imported with it, so that a run of any day stands on its own. What was pushed to a source is drained. The events of a source
without either are appended; its partitions report what the log holds.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import dagster as dg
import polars as pl

from assets.describe import described, label
from assets.metadata import bar_chart, record
from assets.spans import Partitioning, days
from resources import WorkspaceResource
from tilefold.declaration.sources import Source, StreamSource
from tilefold.engine.time import day_start_us, to_datetime
from tilefold.serving.reports import DrainReport
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
        drained = ws.drain(source.name) if isinstance(source, StreamSource) else None
        letters = ws.dead_letters(source.name).counts() if drained else {}
        held = ws.event_log(source.name).snapshot().days()
        hours = events_by_hour(ws, source, span.start.date(), span.end.date())
        for key, day in days(context, partitioning.daily).items():
            files = held.get(day)
            facts = {"events": files.rows if files else 0, "size_bytes": files.size_bytes if files else 0}
            changed = {"changed": day in receipt.days} if receipt else {}
            pushed = day_drained(drained, day) | {"refused_events": letters.get(day, 0)} if drained else {}
            chart = {"by hour": bar_chart("Events by hour (UTC)", hours.get(day, []))}
            record(context, key, {**facts, **changed, **pushed, **chart})
        return dg.MaterializeResult(metadata={**_run_facts(receipt), **(run_drained(drained) if drained else {})})

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


def day_drained(report: DrainReport, day: date) -> dict[str, Any]:
    """What a drain brought of one day; `late` where compactions may have covered it already, so that it wants healing."""
    return {"events_drained": report.days.get(day, 0), "late": day in report.late_days}


def run_drained(report: DrainReport) -> dict[str, Any]:
    """What a drain brought in all."""
    return {
        "run_events_drained": report.accepted,
        "run_events_refused": report.refused,
        "run_late_days": len(report.late_days),
        "stream_entries_kept": report.left,
        "positions_lost": sum(end - start for start, end in report.missed.values()),
        "drain_s": round(report.duration_s, 3),
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
