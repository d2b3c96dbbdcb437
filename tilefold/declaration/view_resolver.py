"""From what a person wrote above a function to a `FeatureView`, of either kind.

The rule: everything is checked here, once. Where the source's columns are known, the function is tried on no events at all (a
day without events must work anyway), so that a column it does not return is an error at the declaration, not in the night.
"""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from tilefold.declaration.features import Feature
from tilefold.declaration.modes import plain_mode
from tilefold.declaration.names import checked_name
from tilefold.declaration.parameters import BatchViewParameters
from tilefold.declaration.row_by_row import check_row_by_row, check_shape
from tilefold.declaration.stores import DeltaConfig, check_compaction_store, check_own_runtime, check_tecton_runtime
from tilefold.declaration.version import version_of
from tilefold.declaration.view_parts import Kind, ViewParts, view_parts
from tilefold.declaration.view_rules import (
    checked_function,
    compaction_enabled,
)
from tilefold.declaration.views import FEW_CELLS, FeatureView
from tilefold.errors import DeclarationError, InputError


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
    parts = view_parts(thing, kind, written, checked_function(thing, function))
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
        code=parts.code,
        scheduled=parts.scheduled,
    )


def view_name(written: BatchViewParameters, function: Callable[..., Any]) -> str:
    """The name given, else the function's."""
    return written.name if written.name is not None else getattr(function, "__name__", type(function).__name__)


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
