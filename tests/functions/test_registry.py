"""What functions there are, and what they refuse."""

import polars as pl
import pytest

from tilefold.aggregation_functions import approx_count_distinct, approx_percentile, last
from tilefold.errors import DeclarationError, NotBuiltYetError
from tilefold.functions import FunctionRequest, resolve

CONTRACT = {
    "count": (pl.Int64(), 0),
    "sum": (pl.Float64(), None),
    "mean": (pl.Float64(), None),
    "min": (pl.Float64(), None),
    "max": (pl.Float64(), None),
    "var_pop": (pl.Float64(), None),
    "var_samp": (pl.Float64(), None),
    "stddev_pop": (pl.Float64(), None),
    "stddev_samp": (pl.Float64(), None),
    "variance": (pl.Float64(), None),
    "stddev": (pl.Float64(), None),
    "first": (pl.Float64(), None),
    "last": (pl.Float64(), None),
}


@pytest.mark.parametrize("name", CONTRACT)
def test_result_and_empty_value(name: str) -> None:
    """Each function has the contract's result type and value of an empty window."""
    function = resolve(name, pl.Float64())
    assert (function.result_dtype, function.empty, function.label) == (*CONTRACT[name], name)


@pytest.mark.parametrize("name", ["first", "last", "first_distinct", "last_distinct"])
def test_lists(name: str) -> None:
    """A function with a number gives a list, and carries the number in its label."""
    function = resolve(FunctionRequest(name, (("n", 3),)), pl.String())
    assert (function.result_dtype, function.empty, function.label) == (pl.List(pl.String), [], f"{name}_3")


@pytest.mark.parametrize(
    ("function", "dtype", "message"),
    [
        ("median", pl.Int64(), "function: it must be a known name; got 'median'. Known functions: count, sum"),
        ("SUM", pl.Int64(), "it must be a known name"),
        ("sum", pl.String(), "function 'sum': it takes integers of up to 64 bits, floats and booleans; got 'String'"),
        ("sum", pl.Datetime("us", "UTC"), "function 'sum': it takes"),
        ("mean", pl.Int128(), "function 'mean': it takes"),
        ("stddev", pl.Decimal(10, 2), "function 'stddev': it takes"),
        ("max", pl.List(pl.Int64), "function 'max': it takes"),
        ("max", pl.UInt64(), "function 'max': it takes"),
        ("last", pl.Datetime("us"), "function 'last': it takes .* UTC timestamps"),
        ("last", pl.Datetime("us", "Europe/Berlin"), "function 'last': it takes .* UTC timestamps"),
        ("last", pl.Datetime("ms", "UTC"), "function 'last': it takes .* UTC timestamps"),
        ("first", pl.Categorical(), "function 'first': it takes"),
        ("sum", None, "only count works without a column; got 'sum'"),
        ("last_distinct", pl.Int64(), r"it needs a number n; got None. Write last_distinct\(3\)"),
        (last(0), pl.Int64(), "function 'last': n must be in range; got 0"),
        (last(1001), pl.Int64(), "n must be in range"),
        (last(2.5), pl.Int64(), "n must be in range"),  # type: ignore[arg-type] # what a person might write
    ],
)
def test_refused(function: str | FunctionRequest, dtype: pl.DataType | None, message: str) -> None:
    """What is unknown, or cannot take its input, is an error that says what it takes."""
    with pytest.raises(DeclarationError, match=message):
        resolve(function, dtype)


@pytest.mark.parametrize("function", [approx_count_distinct(), approx_percentile(0.5)])
def test_not_built_yet(function: FunctionRequest) -> None:
    """Sketches are part of the API and say that they are not built."""
    with pytest.raises(NotBuiltYetError, match=function.name):
        resolve(function, pl.Int64())


def test_true_is_no_number_of_values() -> None:
    """`last(True)` is refused, although Python takes True for 1."""
    with pytest.raises(DeclarationError, match="n must be in range; got True"):
        resolve(last(True), pl.Int64())
