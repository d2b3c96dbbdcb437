"""Declarations: entities, sources, views, features and services, all validated at construction.

The rule: whoever holds an object of this package need not check it again. Errors name the view, the rule, the value and what
to do (`DeclarationError`), or what this release has not built (`NotBuiltYetError`).
"""

from tilefold.declaration.decorators import batch_feature_view, stream_feature_view
from tilefold.declaration.entity import Entity
from tilefold.declaration.features import Aggregate, Attribute, Feature
from tilefold.declaration.parameters import AggregationLeadingEdge, StreamProcessingMode
from tilefold.declaration.services import FeatureService
from tilefold.declaration.source_configs import FileConfig, PushConfig
from tilefold.declaration.sources import BatchSource, Source, StreamSource
from tilefold.declaration.stores import DeltaConfig, OfflineStoreConfig
from tilefold.declaration.views import FeatureSelection, FeatureView
from tilefold.declaration.windows import CalendarWindow, LifetimeWindow, TimeWindow, TimeWindowSeries, Window

__all__ = [
    "Aggregate",
    "AggregationLeadingEdge",
    "Attribute",
    "BatchSource",
    "CalendarWindow",
    "DeltaConfig",
    "Entity",
    "Feature",
    "FeatureSelection",
    "FeatureService",
    "FeatureView",
    "FileConfig",
    "LifetimeWindow",
    "OfflineStoreConfig",
    "PushConfig",
    "Source",
    "StreamProcessingMode",
    "StreamSource",
    "TimeWindow",
    "TimeWindowSeries",
    "Window",
    "batch_feature_view",
    "stream_feature_view",
]
