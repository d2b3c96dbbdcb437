"""Tilefold: windowed features from daily compacted tiles, served fresh from Delta Lake and a Redis-protocol store.

The rule: the names below are the public API; `tilefold.types` and `tilefold.aggregation_functions` hold the rest of it.
`Workspace` is imported when it is first asked for, so that a folder of declarations loads no store.
"""

from importlib import import_module
from typing import Any

from tilefold.declaration import (
    Aggregate,
    AggregationLeadingEdge,
    Attribute,
    BatchSource,
    CalendarWindow,
    DeltaConfig,
    Entity,
    FeatureService,
    FileConfig,
    LifetimeWindow,
    OfflineStoreConfig,
    PushConfig,
    StreamProcessingMode,
    StreamSource,
    TimeWindow,
    TimeWindowSeries,
    batch_feature_view,
    stream_feature_view,
)
from tilefold.types import Field

__version__ = "0.1.0"

__all__ = [
    "Aggregate",
    "AggregationLeadingEdge",
    "Attribute",
    "BatchSource",
    "CalendarWindow",
    "DeltaConfig",
    "Entity",
    "FeatureService",
    "Field",
    "FileConfig",
    "LifetimeWindow",
    "OfflineStoreConfig",
    "PushConfig",
    "StreamProcessingMode",
    "StreamSource",
    "TimeWindow",
    "TimeWindowSeries",
    "Workspace",
    "batch_feature_view",
    "stream_feature_view",
]


def __getattr__(name: str) -> Any:
    """Import `Workspace` when it is first asked for."""
    if name == "Workspace":
        return import_module("tilefold.workspace").Workspace
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
