"""The registry of functions: which there are, what inputs they take, how they are built.

The rule: a function is known here, or registered by `register_aggregate`, or it does not exist; an unknown name, parameter or
input type is an error that names it.
"""

from collections.abc import Callable
from datetime import timedelta

import polars as pl

from tilefold.errors import DeclarationError, complaint
from tilefold.functions.base import AggregateFunction, FunctionRequest
from tilefold.functions.cardinality import DEFAULT_PRECISION as REGISTERS_DEFAULT
from tilefold.functions.cardinality import cardinality_function
from tilefold.functions.decayed import decayed_function, decayed_mean_function
from tilefold.functions.distinct import Distinct
from tilefold.functions.extremes import extreme_function
from tilefold.functions.latest import latest_function
from tilefold.functions.moments import moments_function
from tilefold.functions.ordered import Many, many_function, one_function
from tilefold.functions.quantiles import DEFAULT_PRECISION as BINS_DEFAULT
from tilefold.functions.quantiles import percentile_function
from tilefold.functions.sums import count_function, events_function, mean_function, sum_function
from tilefold.functions.user import registered, registered_names
from tilefold.functions.user_partial import user_function

_LIST_FUNCTIONS = {"first": Many, "last": Many, "first_distinct": Distinct, "last_distinct": Distinct}
LIST_LIMIT_MAX = 1000  # the state of a tile holds that many entries, and a key has many tiles
REGISTERS_PRECISION = (4, 16)
BINS_PRECISION = (2, 1000)
_NUMBERS = "integers of up to 64 bits, floats and booleans"
_ORDERED = "signed integers of up to 64 bits (unsigned up to 32), floats, booleans, strings, dates and UTC timestamps"


def _is_number(dtype: pl.DataType) -> bool:
    wide = dtype in (pl.Int128, pl.UInt128)
    return (dtype.is_integer() and not wide) or dtype.is_float() or dtype == pl.Boolean


def _is_ordered(dtype: pl.DataType) -> bool:
    """Whether single values can be kept: Delta and the codec hold them in Int64, times as microseconds."""
    if isinstance(dtype, pl.Datetime):
        return dtype == pl.Datetime("us", "UTC")
    return (_is_number(dtype) and dtype != pl.UInt64) or dtype in (pl.String, pl.Date)


def _moments(freedom: int, *, root: bool) -> Callable[[str, pl.DataType], AggregateFunction]:
    return lambda label, dtype: moments_function(label, freedom, root=root)  # noqa: ARG005 - one signature for all


_OF_NUMBERS: dict[str, Callable[[str, pl.DataType], AggregateFunction]] = {
    "sum": sum_function,
    "mean": mean_function,
    "var_pop": _moments(0, root=False),
    "var_samp": _moments(1, root=False),
    "variance": _moments(1, root=False),
    "stddev_pop": _moments(0, root=True),
    "stddev_samp": _moments(1, root=True),
    "stddev": _moments(1, root=True),
}
_OF_ORDERED: dict[str, Callable[[str, pl.DataType], AggregateFunction]] = {
    "min": extreme_function,
    "max": extreme_function,
}
_SKETCHES = ("approx_count_distinct", "approx_percentile")
_DECAYED = ("decayed_sum", "decayed_count", "decayed_mean")
FUNCTION_NAMES = ("count", *_OF_NUMBERS, *_OF_ORDERED, *_LIST_FUNCTIONS, *_SKETCHES, *_DECAYED)


def resolve(function: str | FunctionRequest, input_dtype: pl.DataType | None) -> AggregateFunction:
    """Bind a function to its input's type.

    Parameters
    ----------
    function
        A name, or a name with parameters.
    input_dtype
        The Polars type of the input column; None for `count` without a column.

    Raises
    ------
    DeclarationError
        Where the function, its parameters or its input type are unknown.
    """
    request = FunctionRequest(function) if isinstance(function, str) else function
    user = registered(request.name)
    if user is not None and input_dtype is not None and not request.params:
        return user_function(request.name, user, input_dtype)
    if user is not None:
        mend = "Give it an input_column, and its name alone."
        raise DeclarationError(complaint("function", "a registered aggregate is one of a column", request, mend))
    if request.name not in FUNCTION_NAMES:
        mend = f"Known functions: {', '.join([*FUNCTION_NAMES, *registered_names()])}. Others must be registered first."
        raise DeclarationError(complaint("function", "it must be a known name", request.name, mend))
    if input_dtype is None:
        return _without_input(request)
    return _with_input(request, input_dtype)


def resolve_attribute(dtype: pl.DataType) -> AggregateFunction:
    """The latest value of a column of a type; raises DeclarationError where single values of it are not kept."""
    _require(FunctionRequest("Attribute"), _is_ordered(dtype), dtype, _ORDERED)
    return latest_function(dtype)


def keys_function(dtype: pl.DataType) -> AggregateFunction:
    """What lists the secondary keys of a window, in order; the engine binds it to the state that all features share."""
    return AggregateFunction("keys", (), pl.List(dtype), [], list, pl.col)


def _without_input(request: FunctionRequest) -> AggregateFunction:
    if request.name != "count":
        mend = "Give it an input_column."
        raise DeclarationError(complaint("function", "only count works without a column", request.name, mend))
    return events_function(request.name)


def _with_input(request: FunctionRequest, dtype: pl.DataType) -> AggregateFunction:
    if request.name in _OF_NUMBERS:
        _require(request, _is_number(dtype), dtype, _NUMBERS)
        return _OF_NUMBERS[request.name](request.name, dtype)
    if request.name == "count":
        return count_function(request.name)
    if request.name in _DECAYED:
        return _decayed(request, dtype)
    if request.name in _SKETCHES:
        return _sketch(request, dtype)
    _require(request, _is_ordered(dtype), dtype, _ORDERED)
    if request.name in _OF_ORDERED:
        return _OF_ORDERED[request.name](request.name, dtype)
    return _ordered(request, dtype)


def _require(request: FunctionRequest, fits: bool, dtype: pl.DataType, accepted: str) -> None:
    if not fits:
        mend = "Cast the column in the view's transformation, or use another function."
        raise DeclarationError(complaint(f"function '{request.name}'", f"it takes {accepted}", str(dtype), mend))


def _ordered(request: FunctionRequest, dtype: pl.DataType) -> AggregateFunction:
    limit = dict(request.params).get("n")
    if limit is None:
        if "distinct" in request.name:
            mend = f"Write {request.name}(3) for three values."
            raise DeclarationError(complaint(f"function '{request.name}'", "it needs a number n", None, mend))
        return one_function(request.name, dtype)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= LIST_LIMIT_MAX:
        mend = f"Choose a whole number from 1 to {LIST_LIMIT_MAX}."
        raise DeclarationError(complaint(f"function '{request.name}'", "n must be in range", limit, mend))
    end = request.name.removesuffix("_distinct")
    partial = _LIST_FUNCTIONS[request.name](end, limit, dtype)
    return many_function(f"{request.name}_{limit}", partial, dtype)


def _sketch(request: FunctionRequest, dtype: pl.DataType) -> AggregateFunction:
    if request.name == "approx_count_distinct":
        _require(request, _is_ordered(dtype), dtype, _ORDERED)
        return cardinality_function(_precision(request, REGISTERS_DEFAULT, REGISTERS_PRECISION), dtype)
    _require(request, _is_number(dtype), dtype, _NUMBERS)
    part: object = dict(request.params).get("percentile")
    if isinstance(part, bool) or not isinstance(part, int | float) or not 0 <= part <= 1:
        mend = "Write approx_percentile(0.5) for the median."
        raise DeclarationError(complaint(f"function '{request.name}'", "percentile must be from 0 to 1", part, mend))
    return percentile_function(float(part), _precision(request, BINS_DEFAULT, BINS_PRECISION))


def _decayed(request: FunctionRequest, dtype: pl.DataType) -> AggregateFunction:
    if request.name != "decayed_count":
        _require(request, _is_number(dtype), dtype, _NUMBERS)
    half_life: object = dict(request.params).get("half_life")
    if not isinstance(half_life, timedelta) or half_life <= timedelta(0):
        mend = f"Write {request.name}(timedelta(days=7))."
        rule = "half_life must be a positive timedelta"
        raise DeclarationError(complaint(f"function '{request.name}'", rule, half_life, mend))
    half_life_us = half_life // timedelta(microseconds=1)
    if request.name == "decayed_mean":
        return decayed_mean_function(half_life_us)
    return decayed_function(request.name.removeprefix("decayed_"), half_life_us)


def _precision(request: FunctionRequest, default: int, bounds: tuple[int, int]) -> int:
    precision = dict(request.params).get("precision", default)
    low, high = bounds
    if not isinstance(precision, int) or isinstance(precision, bool) or not low <= precision <= high:
        mend = f"Choose a whole number from {low} to {high}."
        raise DeclarationError(complaint(f"function '{request.name}'", "precision must be in range", precision, mend))
    return precision
