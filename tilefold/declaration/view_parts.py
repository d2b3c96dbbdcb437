"""The checked parts of a view, and what its two kinds differ in.

The rule: each part is checked once, here, in the order in which they lean on each other: source, keys, times, features.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Protocol

from tilefold.declaration.entity import Entity
from tilefold.declaration.feature_rules import checked_features, resolve_features
from tilefold.declaration.features import Feature
from tilefold.declaration.fingerprint import constants, fingerprint
from tilefold.declaration.modes import transformation
from tilefold.declaration.parameters import BatchViewParameters
from tilefold.declaration.row_by_row import Trial
from tilefold.declaration.sample_events import literals_of
from tilefold.declaration.schedule_rules import Times
from tilefold.declaration.sources import Source
from tilefold.declaration.transformation import Transformation
from tilefold.declaration.view_rules import (
    attributes_ttl_us,
    check_flags,
    compaction_enabled,
    is_scheduled,
    output_columns,
    secondary_key,
    view_entities,
    view_source,
)
from tilefold.declaration.window_grids import Grid
from tilefold.declaration.windows import Window
from tilefold.types import Field


@dataclass(frozen=True, slots=True)
class Timing:
    """A view's times, what its windows must fit, and what they end at."""

    times: Times
    grid: Grid
    leading_edge: str


class Kind(Protocol):
    """What batch and stream views differ in."""

    @property
    def name(self) -> str:
        """`FeatureView.kind`."""
        ...

    @property
    def source_type(self) -> type[Source]:
        """The sources that it takes."""
        ...

    def timing(self, thing: str, source: Source) -> Timing:
        """Check everything of time."""
        ...

    def cell_us(self, times: Times, windows: Sequence[Window]) -> int:
        """The finest grid that is needed."""
        ...

    def settings(self, leading_edge: str) -> dict[str, object]:
        """What the version counts beside what all views have."""
        ...

    @property
    def is_row_by_row(self) -> bool:
        """Whether the function must work row by row, whatever else the view says."""
        ...


@dataclass(frozen=True, slots=True)
class ViewParts:
    """The checked parts of a view that more than one step below needs."""

    source: Source
    entities: tuple[Entity, ...]
    timing: Timing
    cell_us: int
    features: tuple[Feature, ...]
    columns: tuple[Field, ...]
    secondary_key: Field | None
    timestamp_field: str
    function: FunctionType
    transformation: Transformation
    compacted: bool
    steps_do_not_matter: str
    scheduled: bool

    @property
    def times(self) -> Times:
        """The view's times."""
        return self.timing.times

    def trial(self, thing: str) -> Trial:
        """What tries the function out."""
        sql = self.transformation.sql
        literals = constants(self.function) if sql is None else literals_of(sql)
        names = (self.columns, self.timestamp_field)
        return Trial(thing, self.transformation, self.source, *names, literals, self.times.feature_start_us)

    @property
    def code(self) -> str:
        """The text of what the function computes."""
        sql = self.transformation.sql
        return fingerprint(self.function) if sql is None else textwrap.dedent(sql).strip()

    @property
    def join_keys(self) -> tuple[Field, ...]:
        """The keys of all entities."""
        return tuple(key for entity in self.entities for key in entity.join_keys)


def view_parts(thing: str, kind: Kind, written: BatchViewParameters, function: FunctionType) -> ViewParts:
    """Check a declaration's parts; raises as `resolve_view`."""
    check_flags(thing, written)
    source, unfiltered = view_source(thing, written, kind.name, kind.source_type)
    entities = view_entities(thing, written)
    timing = kind.timing(thing, source)
    given = checked_features(thing, written.features)
    keys = [key for entity in entities for key in entity.join_keys]
    timestamp_field = source.timestamp_field if written.timestamp_field is None else written.timestamp_field
    secondary = secondary_key(thing, written, source, given, [timestamp_field, *(key.name for key in keys)])
    features = resolve_features(thing, given, timing.grid, attributes_ttl_us(thing, written, given), secondary)
    return ViewParts(
        source=source,
        entities=entities,
        timing=timing,
        cell_us=kind.cell_us(timing.times, [window for feature in features for window in feature.windows]),
        features=features,
        columns=output_columns(thing, keys, timestamp_field, given, secondary),
        secondary_key=secondary,
        timestamp_field=timestamp_field,
        function=function,
        transformation=transformation(thing, source.name, written.mode, function),
        compacted=compaction_enabled(thing, written),
        steps_do_not_matter=_row_by_row_because(kind, written, unfiltered=unfiltered),
        scheduled=is_scheduled(thing, written),
    )


def _row_by_row_because(kind: Kind, written: BatchViewParameters, *, unfiltered: bool) -> str:
    """What in the declaration makes that the function must work row by row; empty where nothing does."""
    if kind.is_row_by_row:
        return "of a stream view"
    if written.incremental_backfills:
        return "of a view with incremental_backfills=True"
    return "of a view of an unfiltered source" if unfiltered else ""
