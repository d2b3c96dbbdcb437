"""`FeatureReader`: merged reads for assets, checks and whoever builds on served features.

The rule: it reads what the online store serves, through the workspace of the run, and writes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import polars as pl

from resources.workspace import WorkspaceResource
from tilefold.workspace import FeatureVector


class FeatureReader(dg.ConfigurableResource["FeatureReader"]):
    """Reads the features of a view or a service.

    Examples
    --------
    >>> @dg.asset(deps=[dg.AssetKey(["user_spend", "online"])])
    ... def scores(features: FeatureReader) -> None:
    ...     vector = features.get_features("user_spend", {"user_id": "u1"})
    ...     print(vector.values["user_spend.amount_sum_30d"])
    """

    workspace: dg.ResourceDependency[WorkspaceResource]

    def get_features(self, name: str, keys: Mapping[str, Any], at: datetime | None = None) -> FeatureVector:
        """The features of one entity, now or at a time at or after the watermark; see `Workspace.get_features`."""
        return self.workspace.workspace.get_features(name, keys, at)

    def get_features_batch(
        self, name: str, keys: Sequence[Mapping[str, Any]], at: datetime | None = None
    ) -> list[FeatureVector]:
        """`get_features` for many entities in one round trip, in the order asked."""
        return self.workspace.workspace.get_features_batch(name, keys, at)

    def get_features_for_events(
        self, name: str, spine: pl.DataFrame | pl.LazyFrame, timestamp: str = "timestamp"
    ) -> pl.DataFrame:
        """A training set, point in time, from the event log; see `Workspace.get_features_for_events`."""
        return self.workspace.workspace.get_features_for_events(name, spine, timestamp)
