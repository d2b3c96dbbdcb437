"""Everything without Dagster, in one object: `Workspace`.

The rule: each file is one topic of the facade; `facade` says in which one a method is and puts them together.
"""

from tilefold.serving.read import FeatureVector, Status
from tilefold.serving.reports import Receipt, SwitchReport
from tilefold.workspace.events import VISIBLE
from tilefold.workspace.facade import Workspace

__all__ = ["VISIBLE", "FeatureVector", "Receipt", "Status", "SwitchReport", "Workspace"]
