"""Checks of what the assets hold.

The rule: a check of whether values are right blocks: if it fails the run fails, and nothing downstream runs, neither a sync nor
whatever reads what is served. In a range every partition gets a result of its own, and the run one that sums them up. What is
served has no partitions, so neither have its checks: they are about now.
"""

from functools import partial

import dagster as dg

from assets.compacted import compacted_key
from assets.online import online_key
from assets.parity import parity_check
from assets.spans import Partitioning, days, watermarks
from assets.tiles import tiles_key
from assets.verdicts import SHOWN, Verdict, conclude, result
from resources import WorkspaceResource
from tilefold.declaration.views import FeatureView
from tilefold.engine.time import to_datetime, to_us
from tilefold.serving.audit_counts import CountAudit, audit_compactions, audit_tiles
from tilefold.serving.audit_online import Read, SampleAudit, audit_sample, audit_stamps
from tilefold.serving.audit_stream import StreamedView, audit_stream
from tilefold.workspace import Workspace

STAMPS = 1_000
SAMPLE_KEYS = 20


def view_checks(view: FeatureView, partitioning: Partitioning) -> list[dg.AssetChecksDefinition]:
    """The checks of a view's assets."""
    checks = [_tiles_hold_all_events(view, partitioning), _compacted_holds_all_events(view, partitioning)]
    if view.online:
        checks += [_stamps_not_ahead(view), _sample_equals_reference(view), _watermark_is_fresh(view), parity_check(view)]
    return checks


def _tiles_hold_all_events(view: FeatureView, partitioning: Partitioning) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=tiles_key(view.name),
        name="events_conserved",
        blocking=True,
        partitions_def=partitioning.daily,
        description="A day's tiles hold as many events as the view's transformation gives of the event log.",
    )
    def events_conserved(context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource) -> dg.AssetCheckResult:
        keys = days(context, partitioning.daily)
        audits = audit_tiles(workspace.workspace.context(view.name), list(keys.values()))
        return conclude(context, {key: counted(audits[day], "the event log") for key, day in keys.items()})

    return events_conserved


def _compacted_holds_all_events(view: FeatureView, partitioning: Partitioning) -> dg.AssetChecksDefinition:
    partitions = partitioning.of_watermarks(view.name)

    @dg.asset_check(
        asset=compacted_key(view.name),
        name="events_conserved",
        blocking=True,
        partitions_def=partitions,
        description="A compaction holds as many events as the tiles within reach of its watermark.",
    )
    def events_conserved(context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource) -> dg.AssetCheckResult:
        keys = {key: to_us(as_of) for key, as_of in watermarks(context, partitions, view).items()}
        audits = audit_compactions(workspace.workspace.context(view.name), list(keys.values())) if keys else {}
        verdicts = {key: counted(audits[as_of], "the tiles") for key, as_of in keys.items()}
        nothing = Verdict(passed=True, text="No watermark of the view lies here.")
        return conclude(context, {key: verdicts.get(key, nothing) for key in context.partition_keys})

    return events_conserved


def _stamps_not_ahead(view: FeatureView) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=online_key(view.name),
        name="stamps_not_ahead",
        blocking=True,
        description="No key's part is newer than the committed sync and those that have begun.",
    )
    def stamps_not_ahead(workspace: WorkspaceResource) -> dg.AssetCheckResult:
        ws = workspace.workspace
        audit = audit_stamps(ws.context(view.name), ws.online_store, STAMPS)
        text = f"{len(audit.ahead)} of {audit.keys} keys looked at are ahead of the mark."
        return result(Verdict(not audit.ahead, text, {"keys": audit.keys, "ahead": list(audit.ahead[:SHOWN])}))

    return stamps_not_ahead


def _sample_equals_reference(view: FeatureView) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=online_key(view.name),
        name="sample_equals_reference",
        blocking=True,
        description="What a sample of keys is read as, by this version, equals what plain Python makes of their raw events.",
    )
    def sample_equals_reference(workspace: WorkspaceResource) -> dg.AssetCheckResult:
        ws = workspace.workspace
        mark = ws.online_store.mark(view.name, view.version)
        seed = mark.epoch if mark else 0
        audit = _sample(view, ws, partial(ws.get_own_features_batch, view.name), seed)
        facts = {"keys": audit.keys, "values": audit.values, "seed": seed, "wrong": list(audit.wrong[:SHOWN])}
        if not audit.current:
            return result(
                Verdict(
                    passed=True,
                    text="Not compared: nothing is served, or events have come that are not served yet.",
                    metadata=facts,
                )
            )
        return result(Verdict(not audit.wrong, f"{len(audit.wrong)} of {audit.values} values are wrong.", facts))

    return sample_equals_reference


def _sample(view: FeatureView, ws: Workspace, read: Read, seed: int) -> SampleAudit:
    """Compare some keys as of the watermark; those of a stream view as of now."""
    context, source = ws.context(view.name), view.source.name
    if view.kind != "stream":
        return audit_sample(context, ws.online_store, read, SAMPLE_KEYS, seed)
    mark = ws.online_store.mark(view.name, view.version)
    served = StreamedView(context, ws.stream_desk(source), mark, lambda: ws.drain(source), read)
    return audit_stream(served, SAMPLE_KEYS, seed)


def _watermark_is_fresh(view: FeatureView) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=online_key(view.name),
        name="watermark_is_fresh",
        description="What is served is not older than it is valid for: two steps of the schedule and the data delay.",
    )
    def watermark_is_fresh(workspace: WorkspaceResource) -> dg.AssetCheckResult:
        ws = workspace.workspace
        version = ws.versions(view.name).served or view.version
        mark = ws.online_store.mark(view.name, version)
        if mark is None and view.kind == "stream" and ws.stream_desk(view.source.name).takes(view):
            return result(Verdict(passed=True, text="Served from its stream alone; nothing is compacted yet."))
        if mark is None:
            return result(Verdict(passed=False, text="Nothing is served yet."), dg.AssetCheckSeverity.WARN)
        age_us = to_us(ws.now()) - mark.watermark_us
        served = to_datetime(mark.watermark_us).isoformat()
        fresh = age_us <= view.valid_for_us
        text = f"Served as of {served}; reads are {'exact' if fresh else 'STALE: materialize the newest partition'}."
        if version != view.version:
            text += f" Another version than that of the definitions is served: materialize {view.name}/served."
        facts = {"age_hours": round(age_us / 3.6e9, 2), "served_version": version, "definitions_version": view.version}
        return result(Verdict(fresh, text, facts), dg.AssetCheckSeverity.WARN)

    return watermark_is_fresh


def counted(audit: CountAudit, against: str) -> Verdict:
    """What a comparison of counts says."""
    facts = {"expected": audit.expected, "found": audit.found, "compared": audit.current}
    if not audit.current:
        return Verdict(passed=True, text="Not compared: the event log has changed since.", metadata=facts)
    return Verdict(audit.passed, f"{audit.found} events, {audit.expected} in {against}.", facts)
