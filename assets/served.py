"""`<view>/served`: which version of a view answers reads.

The rule: what is materialized under a changed definition stands beside what is served until this asset is materialized, after
the checks of `<view>/online` have passed. It goes forward alone, and does nothing where the version is served already; going
back, which old definitions would do each night, is left to a person.
"""

import dagster as dg

from assets.describe import described, label
from assets.metadata import record
from assets.online import online_key
from assets.spans import Partitioning
from resources import WorkspaceResource
from tilefold.declaration.views import FeatureView
from tilefold.engine.time import to_datetime
from tilefold.workspace import SwitchReport, Workspace

MS_US = 1_000
ATOMIC = (
    "A changed definition is made ready beside the version that is served. Materializing this switches all reads, in every "
    "process, in one step; its partitions are those of what was made ready. To go back: `tilefold materialize VIEW --switch` "
    "with the old definitions."
)


def served_key(view: str) -> dg.AssetKey:
    """The asset of the version of a view that is served."""
    return dg.AssetKey([view, "served"])


def served_asset(view: FeatureView, partitioning: Partitioning, policy: dg.BackfillPolicy) -> dg.AssetsDefinition:
    """Build the asset."""
    about = label(view)

    @dg.asset(
        key=served_key(view.name),
        deps=[online_key(view.name)],
        partitions_def=partitioning.of_watermarks(view.name),
        backfill_policy=policy,
        group_name=view.name,
        kinds={"redis"},
        code_version=view.version,
        description=described(view, f"The version of '{view.name}' that reads are answered with.", ATOMIC),
        owners=about.owners,
        tags=about.tags,
        metadata=about.metadata,
    )
    def served(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> None:
        ws = workspace.workspace
        facts = facts_of(ws, view, switched(ws, view))
        context.log.info("%s: %s", view.name, facts["status"])
        for key in context.partition_keys:
            record(context, key, facts)

    return served


def switched(ws: Workspace, view: FeatureView) -> SwitchReport:
    """Serve the version, where it is not served yet and nothing of it was refused."""
    versions = ws.versions(view.name)
    if versions.served is None and view.version not in versions.since_ms:
        reason = "it was not synced: a past partition changes nothing"
        return SwitchReport(view.name, None, view.version, switched=False, reason=reason)
    if versions.served != view.version and ws.online_store.mark(view.name, view.version) is None:
        reason = "it was not synced: a past partition changes nothing"
        return SwitchReport(view.name, versions.served, view.version, switched=False, reason=reason)
    return ws.switch(view.name)


def facts_of(ws: Workspace, view: FeatureView, report: SwitchReport) -> dict[str, object]:
    """What a switch did, and since when the version before is not served."""
    versions = ws.versions(view.name)
    newest = versions.retired[0] if versions.retired else None
    facts: dict[str, object] = {
        "status": "switched" if report.switched else report.reason,
        "served_version": versions.served or "none",
        "version_before": newest or "none",
        "definitions_version": view.version,
        "versions_in_store": len(versions.since_ms),
    }
    if newest is not None:
        facts["switched_at"] = to_datetime(versions.since_ms[newest] * MS_US).isoformat()
    return facts
