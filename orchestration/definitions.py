"""What Dagster loads: everything that `TILEFOLD_DEFINITIONS` (default: the folder `features`) declares.

The rule: this only puts together. A declaration that breaks a rule stops the loading with its own message.
"""

import warnings

import dagster as dg

from assets import build_assets, build_checks
from orchestration.drains import drain_sensor
from orchestration.healing import heal_sensor
from orchestration.jobs import due_together
from orchestration.partitions import SINGLE_RUN, partitioning_of
from orchestration.schedules import parity_schedule, schedule_of
from resources import FeatureReader, WorkspaceResource
from resources.workspace import environment
from tilefold.declaration.sources import StreamSource
from tilefold.errors import TilefoldError
from tilefold.serving.definitions import Definitions, load_definitions


def build_definitions(declared: Definitions, workspace: WorkspaceResource) -> dg.Definitions:
    """Assets, checks, jobs, schedules, sensors and resources of some declarations."""
    partitioning = partitioning_of(declared)
    with warnings.catch_warnings():
        # Backfill policies and partitioned checks may change; the pinned version is the one that is tested.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        assets = build_assets(declared, partitioning, SINGLE_RUN)
        checks = build_checks(declared, partitioning)
    schedules = [schedule_of(due) for due in due_together(declared, partitioning)]
    schedules += [parity_schedule(declared)] if any(view.online for view in declared.views.values()) else []
    streams = [source for source in declared.sources.values() if isinstance(source, StreamSource)]
    sensors = [drain_sensor(source, partitioning.first.date()) for source in streams]
    sensors += [heal_sensor(declared, partitioning)] if declared.views else []
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        schedules=schedules,
        sensors=sensors,
        resources={"workspace": workspace, "features": FeatureReader(workspace=workspace)},
        executor=dg.in_process_executor,
    )


def load() -> dg.Definitions:
    """The definitions that the environment names.

    Raises
    ------
    DagsterInvalidDefinitionError
        With the message of the declaration, or of the setting, that breaks a rule.
    """
    try:
        declared = load_definitions(*environment())
        return build_definitions(declared, WorkspaceResource.from_environment())
    except TilefoldError as error:
        raise dg.DagsterInvalidDefinitionError(str(error)) from None


defs = load()
