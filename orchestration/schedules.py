"""When the newest partitions are run.

The rule: a tick asks for the newest partition that was due at its own time, so a tick that comes late or twice asks for the
same one and is run once.
"""

from typing import TypeAlias

import dagster as dg

from assets.online import online_key
from assets.parity import NAME as PARITY
from assets.parity import is_sampled
from orchestration.jobs import Due
from orchestration.partitions import cron, newest_key
from resources import WorkspaceResource
from tilefold.serving.definitions import Definitions

PARITY_CRON = "17 * * * *"
Tick: TypeAlias = dg.RunRequest | dg.SkipReason


def schedule_of(due: Due) -> dg.ScheduleDefinition:
    """The schedule of what is due together; it is on from the start."""

    @dg.schedule(
        name=due.name,
        job=dg.define_asset_job(due.name, selection=list(due.assets), description=f"The assets that are due {due.name}."),
        cron_schedule=cron(due.step_min, due.delay_min),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Runs the newest partition, {due.delay} after its end.",
    )
    def newest(context: dg.ScheduleEvaluationContext) -> Tick:
        key = newest_key(due.partitions, context.scheduled_execution_time - due.delay)
        return dg.RunRequest(run_key=key, partition_key=key) if key else dg.SkipReason("No partition is over yet.")

    return newest


def parity_schedule(declared: Definitions) -> dg.ScheduleDefinition:
    """The schedule of the checks that recompute sampled reads; it is on from the start, and runs nothing without samples."""
    views = [view.name for view in declared.views.values() if view.online]
    checks = [dg.AssetCheckKey(online_key(view), PARITY) for view in views]

    @dg.schedule(
        name="parity",
        job=dg.define_asset_job("parity", selection=dg.AssetSelection.checks(*checks), description="Recomputes sampled reads."),
        cron_schedule=PARITY_CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every hour: recomputes what was sampled of served values in the last two days.",
    )
    def parity(context: dg.ScheduleEvaluationContext, workspace: WorkspaceResource) -> Tick:
        if not any(is_sampled(workspace.workspace, view) for view in views):
            return dg.SkipReason("Nothing was sampled: serve with --sample-rate above 0.")
        return dg.RunRequest(run_key=f"parity-{context.scheduled_execution_time.isoformat()}")

    return parity
