"""What assets and checks are given: the workspace, and reads of served features.

The rule: a resource holds configuration and opens what it configures; everything else is the library's.
"""

from resources.features import FeatureReader
from resources.workspace import WorkspaceResource

__all__ = ["FeatureReader", "WorkspaceResource"]
