"""Features: as people declare them, and as they are resolved for the engine.

The rule: what people write is only held here; it is checked where a view is declared, so that errors can name the view.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from tilefold.declaration.elsewhere import NOTHING, tolerant
from tilefold.declaration.windows import Window, WrittenWindow
from tilefold.functions import AggregateFunction, FunctionRequest
from tilefold.types import DType, Field

_SHARED = ("name", "description", "tags")


@tolerant("Aggregate", ("input_column", "function", "time_window", "trailing_edge", *_SHARED), NOTHING)
@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """A function over a time window.

    Parameters
    ----------
    function
        A name (`"sum"`) or one of `tilefold.aggregation_functions` (`last_distinct(3)`).
    time_window
        A window, or a timedelta for `TimeWindow`.
    input_column
        A column that the view's function returns, with its type; None for `count` of events.
    name
        The feature's name; else `{column}_{function}_{window}`.
    trailing_edge
        Stream views only: the grid on which the window's trailing edge moves.
    """

    function: str | FunctionRequest
    time_window: WrittenWindow
    input_column: Field | None = None
    name: str | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    trailing_edge: str | timedelta | None = None


@tolerant("Attribute", ("dtype", *_SHARED), NOTHING)
@dataclass(frozen=True, slots=True)
class Attribute:
    """The latest value of a column, valid for the view's `ttl`.

    Parameters
    ----------
    name
        The column that the view's function returns, and the feature's name.
    dtype
        Its type.
    """

    name: str
    dtype: DType
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of a view, checked and resolved.

    Attributes
    ----------
    input_column, input_dtype
        The column that it aggregates and its type; None for a count of events.
    windows
        One; of a series several, the oldest first.
    dtype
        The Polars type of its values: the function's, in a List for a series, and in one where there is a secondary key.
    secondary
        The view's secondary key: the values are then lists, one entry for each key of the window.
    """

    name: str
    input_column: str | None
    input_dtype: pl.DataType | None
    function: AggregateFunction
    windows: tuple[Window, ...]
    is_series: bool
    dtype: pl.DataType
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    secondary: Field | None = None
