"""Declarations: entities, sources, views, features and services, all validated at construction.

The rule: whoever holds an object of this package need not check it again. Errors name the view, the rule, the value and what
to do (`DeclarationError`), or what this release has not built (`NotBuiltYetError`).
"""

from tilefold.declaration.decorators import batch_feature_view, stream_feature_view
from tilefold.declaration.entity import Entity
from tilefold.declaration.features import Aggregate, Attribute, Feature
from tilefold.declaration.forms import BatchFeatureView, StreamFeatureView
from tilefold.declaration.parameters import AggregationLeadingEdge, BatchTriggerType, StreamProcessingMode
from tilefold.declaration.pipelines import const, transformation
from tilefold.declaration.selections import FilteredSource, TectonTimeConstant, materialization_context
from tilefold.declaration.services import FeatureService
from tilefold.declaration.source_configs import FileConfig, PushConfig
from tilefold.declaration.source_functions import FilterContext, pandas_batch_config, pyarrow_batch_config
from tilefold.declaration.sources import BatchSource, Source, StreamSource
from tilefold.declaration.stores import DeltaConfig, OfflineStoreConfig
from tilefold.declaration.views import FeatureSelection, FeatureView
from tilefold.declaration.windows import CalendarWindow, LifetimeWindow, TimeWindow, TimeWindowSeries, Window

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
    "Feature",
    "FeatureSelection",
    "FeatureService",
    "FeatureView",
    "FileConfig",
    "FilterContext",
    "FilteredSource",
    "LifetimeWindow",
    "OfflineStoreConfig",
    "PushConfig",
    "Source",
    "StreamFeatureView",
    "StreamProcessingMode",
    "StreamSource",
    "TectonTimeConstant",
    "TimeWindow",
    "TimeWindowSeries",
    "Window",
    "batch_feature_view",
    "const",
    "materialization_context",
    "pandas_batch_config",
    "pyarrow_batch_config",
    "stream_feature_view",
    "transformation",
]
