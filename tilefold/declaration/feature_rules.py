"""From the features that people declare to resolved ones.

The rule: an unnamed feature is called `{column}_{function}_{window}` (`count_{window}` where there is no column); in one view
names are unique, and a column has one type.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import polars as pl

from tilefold.declaration.features import Aggregate, Attribute, Feature
from tilefold.declaration.names import check_name, first_duplicate
from tilefold.declaration.window_grids import Grid
from tilefold.declaration.window_rules import resolve_window, window_text
from tilefold.declaration.windows import TimeWindowSeries, Window
from tilefold.errors import DeclarationError, complaint
from tilefold.functions import AggregateFunction, FunctionRequest, keys_function, resolve, resolve_attribute
from tilefold.types import Field


def checked_features(thing: str, features: object) -> tuple[Aggregate | Attribute, ...]:
    """The features that a view can have; `thing` is what errors name.

    Raises
    ------
    DeclarationError
        If there is none, or one is no feature.
    """
    if not isinstance(features, Sequence) or isinstance(features, str) or not features:
        mend = 'Write features=[Aggregate(function="count", time_window=timedelta(days=7))].'
        raise DeclarationError(complaint(thing, "features must be a list of at least one", features, mend))
    return tuple(_checked(thing, feature) for feature in features)


def input_of(feature: Aggregate | Attribute) -> Field | None:
    """The column that a checked feature is made of."""
    return Field(feature.name, feature.dtype) if isinstance(feature, Attribute) else feature.input_column


def resolve_features(
    thing: str,
    features: Sequence[Aggregate | Attribute],
    grid: Grid,
    ttl_us: int | None,
    secondary: Field | None = None,
) -> tuple[Feature, ...]:
    """Bind every feature to its input's type and its windows.

    Parameters
    ----------
    thing
        What errors name: the view.
    grid
        What the windows must fit.
    ttl_us
        How long attributes are valid; None for ever.
    secondary
        The view's secondary key: features then have a value for each key, and each window lists its keys.

    Raises
    ------
    DeclarationError
        If a function, a window, a name or a column's type breaks a rule.
    """
    resolved = tuple(
        _attribute(thing, each, grid, ttl_us) if isinstance(each, Attribute) else _resolve(thing, each, grid)
        for each in features
    )
    if secondary is not None:
        texts = [window_text(each.time_window) for each in features if isinstance(each, Aggregate)]
        lists = _key_lists(secondary, zip(texts, resolved, strict=True))
        resolved = (*lists, *(_for_each(secondary, one) for one in resolved))
    twice = first_duplicate(feature.name for feature in resolved)
    if twice:
        mend = "Remove one, or give it a name of its own with name=."
        raise DeclarationError(complaint(thing, "a feature's name may stand once", twice, mend))
    return resolved


def _checked(thing: str, feature: object) -> Aggregate | Attribute:
    if isinstance(feature, Attribute):
        check_name(f"{thing}, an Attribute's name", feature.name)
        return feature
    if not isinstance(feature, Aggregate):
        mend = "Use Aggregate(...) or Attribute(...)."
        raise DeclarationError(complaint(thing, "a feature must be an Aggregate or an Attribute", feature, mend))
    column: object = feature.input_column
    if column is not None and not isinstance(column, Field):
        mend = f"Write Field({column!r}, Float64), with the column's type."
        raise DeclarationError(complaint(thing, "input_column must be a Field", column, mend))
    return feature


def _resolve(thing: str, aggregate: Aggregate, grid: Grid) -> Feature:
    column = aggregate.input_column
    within = f"{thing}, feature {aggregate.name or _function_text(aggregate)!r}"
    function = _resolve_function(within, aggregate.function, column.dtype if column else None)
    windows = resolve_window(within, aggregate.time_window, grid, aggregate.trailing_edge)
    is_series = isinstance(aggregate.time_window, TimeWindowSeries)
    name = aggregate.name or _default_name(column, function, window_text(aggregate.time_window))
    check_name(f"{thing}, a feature's name", name)
    return Feature(
        name=name,
        input_column=column.name if column else None,
        input_dtype=column.dtype if column else None,
        function=function,
        windows=windows,
        is_series=is_series,
        dtype=pl.List(function.result_dtype) if is_series else function.result_dtype,
        description=aggregate.description,
        tags=dict(aggregate.tags),
    )


def _for_each(secondary: Field, feature: Feature) -> Feature:
    values = pl.List(feature.function.result_dtype)
    return replace(feature, dtype=pl.List(values) if feature.is_series else values, secondary=secondary)


def _key_lists(secondary: Field, resolved: Iterable[tuple[str, Feature]]) -> Iterator[Feature]:
    """For each window, with its text, a feature that lists its keys."""
    for text, windows, is_series in dict.fromkeys((text, one.windows, one.is_series) for text, one in resolved):
        function = keys_function(secondary.dtype)
        dtype = pl.List(function.result_dtype) if is_series else function.result_dtype
        name = f"{secondary.name}_keys_{text}"
        yield Feature(name, None, None, function, windows, is_series, dtype, secondary=secondary)


def _attribute(thing: str, attribute: Attribute, grid: Grid, ttl_us: int | None) -> Feature:
    within = f"{thing}, feature {attribute.name!r}"
    column = Field(attribute.name, attribute.dtype)
    try:
        function = resolve_attribute(column.dtype)
    except DeclarationError as error:
        raise DeclarationError(f"{within}: {error}") from error
    window = Window(None, hop_us=grid.place_lifetime(within, None).hop_us, ttl_us=ttl_us)
    return Feature(
        name=attribute.name,
        input_column=column.name,
        input_dtype=column.dtype,
        function=function,
        windows=(window,),
        is_series=False,
        dtype=function.result_dtype,
        description=attribute.description,
        tags=dict(attribute.tags),
    )


def _default_name(column: Field | None, function: AggregateFunction, window: str) -> str:
    return "_".join([*([column.name] if column else []), function.label, window])


def _function_text(aggregate: Aggregate) -> str:
    """What an error calls a feature that has no name yet: its column and function."""
    function = aggregate.function
    called = function.name if isinstance(function, FunctionRequest) else str(function)
    return f"{aggregate.input_column.name}_{called}" if aggregate.input_column else called


def _resolve_function(thing: str, function: object, input_dtype: pl.DataType | None) -> AggregateFunction:
    if not isinstance(function, str | FunctionRequest):
        mend = 'Write "sum", or last(3) from tilefold.aggregation_functions.'
        raise DeclarationError(complaint(thing, "function must be a name or one of aggregation_functions", function, mend))
    try:
        return resolve(function, input_dtype)
    except DeclarationError as error:
        raise type(error)(f"{thing}: {error}") from error
