"""When the newest partitions are run.

The rule: a tick asks for the newest partition that was due at its own time, so a tick that comes late or twice asks for the
same one and is run once.
"""

from typing import TypeAlias

import dagster as dg

from orchestration.jobs import Due
from orchestration.partitions import cron, newest_key

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
