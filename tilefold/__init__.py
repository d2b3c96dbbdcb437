"""Tilefold: windowed features from daily compacted tiles, served fresh from Delta Lake and a Redis-protocol store.

The rule: the names below are the public API; `tilefold.types` and `tilefold.aggregation_functions` hold the rest of it.
`Workspace` is imported when it is first asked for, so that a folder of declarations loads no store. Other names of the SDK that
people come from import too, and are ignored or refused where they are used (`tilefold.declaration.refused_names`).
"""

from importlib import import_module
from typing import Any

from tilefold.declaration import (
    Aggregate,
    AggregationLeadingEdge,
    Attribute,
    BatchFeatureView,
    BatchSource,
    BatchTriggerType,
    CalendarWindow,
    DeltaConfig,
    Entity,
    FeatureService,
    FileConfig,
    FilterContext,
    FilteredSource,
    LifetimeWindow,
    OfflineStoreConfig,
    PushConfig,
    StreamFeatureView,
    StreamProcessingMode,
    StreamSource,
    TectonTimeConstant,
    TimeWindow,
    TimeWindowSeries,
    batch_feature_view,
    const,
    materialization_context,
    pandas_batch_config,
    pyarrow_batch_config,
    stream_feature_view,
    transformation,
)
from tilefold.declaration.refused_names import refused_or_ignored
from tilefold.types import Field

__version__ = "0.1.0"

__all__ = [
    "Aggregate",
    "AggregationLeadingEdge",
    "Attribute",
    "BatchFeatureView",
    "BatchSource",
    "BatchTriggerType",
    "CalendarWindow",
    "DeltaConfig",
    "Entity",
    "FeatureService",
    "Field",
    "FileConfig",
    "FilterContext",
    "FilteredSource",
    "LifetimeWindow",
    "OfflineStoreConfig",
    "PushConfig",
    "StreamFeatureView",
    "StreamProcessingMode",
    "StreamSource",
    "TectonTimeConstant",
    "TimeWindow",
    "TimeWindowSeries",
    "Workspace",
    "batch_feature_view",
    "const",
    "materialization_context",
    "pandas_batch_config",
    "pyarrow_batch_config",
    "stream_feature_view",
    "transformation",
]


def __getattr__(name: str) -> Any:
    """Import `Workspace` when it is first asked for, and let names that do not carry over say so where they are used."""
    if name == "Workspace":
        return import_module("tilefold.workspace").Workspace
    found = refused_or_ignored(name)
    if found is not None:
        return found
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
