"""From what a person wrote above a function to a `FeatureView`, of either kind.

The rule: everything is checked here, once. Where the source's columns are known, the function is tried on no events at all (a
day without events must work anyway), so that a column it does not return is an error at the declaration, not in the night.
"""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Protocol

import polars as pl

from tilefold.declaration.entity import Entity
from tilefold.declaration.feature_rules import checked_features, resolve_features
from tilefold.declaration.features import Feature
from tilefold.declaration.fingerprint import constants, fingerprint
from tilefold.declaration.modes import plain_mode, transformation
from tilefold.declaration.names import checked_name
from tilefold.declaration.parameters import BatchViewParameters
from tilefold.declaration.row_by_row import Trial, check_row_by_row, check_shape
from tilefold.declaration.sample_events import literals_of
from tilefold.declaration.schedule_rules import Times
from tilefold.declaration.sources import Source
from tilefold.declaration.stores import DeltaConfig, check_compaction_store, check_own_runtime, check_tecton_runtime
from tilefold.declaration.transformation import Transformation
from tilefold.declaration.version import version_of
from tilefold.declaration.view_rules import (
    attributes_ttl_us,
    check_flags,
    checked_function,
    compaction_enabled,
    is_scheduled,
    output_columns,
    secondary_key,
    view_entities,
    view_source,
)
from tilefold.declaration.views import FEW_CELLS, FeatureView
from tilefold.declaration.window_grids import Grid
from tilefold.declaration.windows import Window
from tilefold.errors import DeclarationError, InputError
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


def resolve_view(kind: Kind, written: BatchViewParameters, function: Callable[..., Any]) -> FeatureView:
    """Check a declaration and resolve it.

    Raises
    ------
    DeclarationError
        If it breaks a rule; the error names the view, the rule and the value.
    NotBuiltYetError
        If it uses what this release has not built.
    """
    name = view_name(written, function)
    thing = f"view {name!r}"
    checked_name(thing, name)
    parts = _parts(thing, kind, written, checked_function(thing, function))
    _check_runtimes(thing, written)
    _try_out(thing, parts)
    return FeatureView(
        name=name,
        kind=kind.name,
        source=parts.source,
        entities=parts.entities,
        join_keys=parts.join_keys,
        features=parts.features,
        columns=parts.columns,
        transformation=parts.transformation,
        mode=str(plain_mode(written.mode)),
        timestamp_field=parts.timestamp_field,
        feature_start_us=parts.times.feature_start_us,
        lifetime_start_us=parts.times.lifetime_start_us,
        schedule_us=parts.times.schedule_us,
        data_delay_us=parts.times.data_delay_us,
        valid_for_us=parts.times.valid_for_us,
        cell_us=parts.cell_us,
        leading_edge=str(parts.timing.leading_edge),
        online=written.online,
        offline=written.offline,
        compaction_enabled=parts.compacted,
        version=_version(kind, written, parts),
        description=written.description,
        owner=written.owner,
        tags=dict(written.tags or {}),
        few_cells=_few_cells(parts.features),
        secondary_key=parts.secondary_key,
        scheduled=parts.scheduled,
    )


def view_name(written: BatchViewParameters, function: Callable[..., Any]) -> str:
    """The name given, else the function's."""
    return written.name if written.name is not None else getattr(function, "__name__", type(function).__name__)


def _parts(thing: str, kind: Kind, written: BatchViewParameters, function: FunctionType) -> ViewParts:
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


def _few_cells(features: Sequence[Feature]) -> int:
    """Up to how many cells of a key stay as they are: of attributes one, since only the latest event counts."""
    currents = [feature.function.current for feature in features]
    return 1 if all(current is not None and current.expires for current in currents) else FEW_CELLS


def _check_runtimes(thing: str, written: BatchViewParameters) -> None:
    if compaction_enabled(thing, written):
        check_compaction_store(thing, offline=written.offline, offline_store=written.offline_store or DeltaConfig())
    check_tecton_runtime(thing, written.tecton_materialization_runtime)
    check_own_runtime(thing, written.materialization_runtime)


def _try_out(thing: str, parts: ViewParts) -> None:
    """Run the function on no events, where the source's columns are known, and check that it works row by row where it must."""
    schema = parts.source.input_schema
    if schema is None:
        return
    try:
        parts.transformation.run(pl.LazyFrame(schema=schema), parts.columns)
        if parts.transformation.eager is not None:  # it was not called: it never is without rows
            check_shape(parts.trial(thing))
    except InputError as error:
        raise DeclarationError(str(error)) from error
    if parts.steps_do_not_matter:
        check_row_by_row(parts.trial(thing), parts.steps_do_not_matter)


def _version(kind: Kind, written: BatchViewParameters, parts: ViewParts) -> str:
    settings: dict[str, object] = {
        "source": parts.source.name,
        "join_keys": [key.name for key in parts.join_keys],
        "timestamp_field": parts.timestamp_field,
        "mode": plain_mode(written.mode),
        "compacted": parts.compacted,
        "feature_start_us": parts.times.feature_start_us,
        "schedule_us": parts.times.schedule_us,
        "cell_us": parts.cell_us,
        **kind.settings(str(parts.timing.leading_edge)),
    }
    return version_of(settings, parts.columns, parts.features, parts.code)
