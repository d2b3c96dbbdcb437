"""One thin asset per step, built per source and per view from the declarations.

The rule: a body takes its partitions from the context, makes one call of the workspace, and hands out metadata; whatever
computes is in the library.
"""

from assets.factory import build_assets, build_checks
from assets.spans import Partitioning
from assets.training_set import training_set_asset

__all__ = ["Partitioning", "build_assets", "build_checks", "training_set_asset"]
