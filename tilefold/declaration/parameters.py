"""What a person may write in the decorators of views, with the defaults.

The rule: a parameter stands here once, with its type and its default, and is only held here; `view_resolver` checks it. None
always means "not given".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tilefold.declaration.entity import Entity
from tilefold.declaration.features import Aggregate, Attribute
from tilefold.declaration.selections import RangedSource, UnfilteredSource
from tilefold.declaration.sources import Source
from tilefold.declaration.stores import DeltaConfig, OfflineStoreConfig


class AggregationLeadingEdge(StrEnum):
    """What a stream view's windows end at: now, or the newest event seen of its source."""

    WALL_CLOCK_TIME = "wall_clock"
    LATEST_EVENT_TIME = "latest_event"


class StreamProcessingMode(StrEnum):
    """How a stream view's trailing edge moves: on a grid, or exactly (`CONTINUOUS`)."""

    TIME_INTERVAL = "time_interval"
    CONTINUOUS = "continuous"


class BatchTriggerType(StrEnum):
    """Who starts a view's batch part: the daily schedule, or a person."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    NO_BATCH_MATERIALIZATION = "no_batch_materialization"


Given = Source | UnfilteredSource | RangedSource


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchViewParameters:
    """Declare features of a batch source, by decorating the function that transforms its events.

    The function takes the source's events as a LazyFrame (their schema's columns and `event_id`) and returns a LazyFrame with
    the join keys, the timestamp and the features' input columns. In mode sql it takes the source's name and returns a query; in
    mode pandas it takes and returns pandas frames; in mode python it takes an event as a dict and returns a dict, a list of
    them, or None; in mode pipeline it calls transformations. Without a function the events are taken as they are.

    Parameters
    ----------
    source, sources
        The source, or a list of one; `source.unfiltered()` for a function that works row by row.
    entities
        What the features are about; their join keys together name one.
    features
        `Aggregate`s and `Attribute`s.
    feature_start_time
        Events before it are in no window. Naive datetimes mean UTC. Where it is left out all events count, with a warning.
    mode
        `"polars"`, `"sql"` (`"spark_sql"` and `"snowflake_sql"` stand for it), `"pandas"`, `"python"` or `"pipeline"`.
    name
        The view's name; else the function's.
    lifetime_start_time
        Where lifetime windows begin: on the schedule's grid, not before `feature_start_time`, which is the default.
    batch_schedule
        How often the leading edge moves: a divisor or a multiple of a day. Default `aggregation_interval`, else one day.
    aggregation_interval
        Where given, every window must lie on it; it divides `batch_schedule`.
    online, offline
        Whether values are kept in the online store, and in Delta Lake.
    timestamp_field
        The column of the event's time in what the function returns; else the source's.
    data_delay
        How long after its time an event may still arrive; else the source's.
    compaction_enabled, batch_compaction_enabled
        Two names of one: whether tiles are compacted (the default; not where `online` and `offline` are both False).
    offline_store
        `DeltaConfig()`, the default, or an `OfflineStoreConfig`.
    materialization_runtime
        A version of this project whose stored form must be written.
    tecton_materialization_runtime
        Accepted from 0.8.2 on; it changes nothing.
    ttl
        How long an `Attribute` is valid, counted from the read back; else for ever.
    aggregation_secondary_key
        A column by which every window is parted: features are lists then, one entry for each of its values in the window, which
        `{column}_keys_{window}` lists in order.
    batch_trigger
        `BatchTriggerType.MANUAL` leaves the view out of Dagster's schedule and of healing: a person launches it.
    incremental_backfills
        True for a function that is run once for each step: here it must work row by row, so that the step does not matter.
    description, owner, tags
        For people; they change nothing.

    Parameters of the SDK that people come from which mean nothing here (clusters, alerts, ...) are ignored with a warning.

    Raises
    ------
    DeclarationError
        If a parameter is unknown, missing or breaks a rule; the error names the view, the rule and the value.
    NotBuiltYetError
        If the declaration uses what this release has not built.
    """

    source: Given | None = None
    sources: Sequence[Given] | None = None
    entities: Sequence[Entity] | None = None
    features: Sequence[Aggregate | Attribute] | None = None
    feature_start_time: datetime | None = None
    mode: str = "polars"
    name: str | None = None
    lifetime_start_time: datetime | None = None
    batch_schedule: timedelta | None = None
    aggregation_interval: timedelta | None = None
    online: bool = True
    offline: bool = True
    timestamp_field: str | None = None
    data_delay: timedelta | None = None
    compaction_enabled: bool | None = None
    batch_compaction_enabled: bool | None = None
    offline_store: OfflineStoreConfig | DeltaConfig | None = None
    materialization_runtime: str | None = None
    tecton_materialization_runtime: str | None = None
    ttl: timedelta | None = None
    aggregation_secondary_key: str | None = None
    batch_trigger: BatchTriggerType | str | None = None
    incremental_backfills: bool = False
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamViewParameters(BatchViewParameters):
    """Declare features of a stream source, by decorating the function that transforms its events.

    The function is as of batch views, and works row by row: it filters, projects and derives. Parameters are those of
    `batch_feature_view`, and these:

    Parameters
    ----------
    trailing_edge
        The grid on which windows' trailing edges move: a timedelta, `"exact"`, `"auto"` (the default) or `"tecton"`. An
        Aggregate may have its own.
    aggregation_interval
        Another way to write `trailing_edge`.
    stream_processing_mode
        `StreamProcessingMode.CONTINUOUS` is `trailing_edge="exact"`.
    aggregation_leading_edge
        What windows end at: `"wall_clock"`, the default, is the read time, `"latest_event"` the newest event of the source.
    batch_schedule
        How often the batch part is computed anew; windows may be shorter.

    Raises
    ------
    DeclarationError
        If a parameter is unknown, missing or breaks a rule; the error names the view, the rule and the value.
    NotBuiltYetError
        If the declaration uses what this release has not built.
    """

    trailing_edge: timedelta | str | None = None
    stream_processing_mode: StreamProcessingMode | None = None
    aggregation_leading_edge: AggregationLeadingEdge | str | None = None


STREAM_ONLY = ("trailing_edge", "stream_processing_mode", "aggregation_leading_edge")
"""The parameters that a stream view has beside those of a batch view."""
