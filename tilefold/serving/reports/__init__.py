"""What each step tells about itself; asset metadata, the CLI and tests read these.

The rule: numbers carry their unit in the name, and a report says what was done, not what was meant to be done. Each stands
by topic, as the step does in `tilefold.workspace`.
"""

from tilefold.serving.reports.building import (
    CompactionReport,
    DayReport,
    MaterializeReport,
    SwitchReport,
    SyncReport,
    TilesReport,
)
from tilefold.serving.reports.events import DrainReport, Receipt, Refused
from tilefold.serving.reports.offline import TrainingSetReport
from tilefold.serving.reports.removing import ForgetReport, ForgottenView, PruneReport, RemovalReport, RemovedVersion

__all__ = [
    "CompactionReport",
    "DayReport",
    "DrainReport",
    "ForgetReport",
    "ForgottenView",
    "MaterializeReport",
    "PruneReport",
    "Receipt",
    "Refused",
    "RemovalReport",
    "RemovedVersion",
    "SwitchReport",
    "SyncReport",
    "TilesReport",
    "TrainingSetReport",
]
