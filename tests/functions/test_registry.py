"""What functions there are, and what they refuse."""

from datetime import timedelta

import polars as pl
import pytest

from tilefold.aggregation_functions import (
    approx_count_distinct,
    approx_percentile,
    decayed_count,
    decayed_mean,
    decayed_sum,
    last,
)
from tilefold.errors import DeclarationError
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
        (approx_count_distinct(3), pl.Int64(), "function 'approx_count_distinct': precision must be in range; got 3. Choose"),
        (approx_count_distinct(17), pl.Int64(), "precision must be in range"),
        (approx_count_distinct(True), pl.Int64(), "precision must be in range; got True"),
        (approx_count_distinct(), pl.List(pl.Int64), "function 'approx_count_distinct': it takes"),
        (approx_percentile(0.5), pl.String(), "function 'approx_percentile': it takes integers"),
        (approx_percentile(0.5, 1), pl.Int64(), "precision must be in range; got 1. Choose a whole number from 2 to 1000"),
        (approx_percentile(0.5, 2.5), pl.Int64(), "precision must be in range"),  # type: ignore[arg-type] # as above
        (approx_percentile(50), pl.Int64(), "function 'approx_percentile': percentile must be from 0 to 1; got 50"),
        (approx_percentile(-0.1), pl.Int64(), "percentile must be from 0 to 1"),
        ("decayed_sum", pl.Int64(), r"half_life must be a positive timedelta; got None. Write decayed_sum\(timedelta"),
        (decayed_sum(timedelta(0)), pl.Int64(), "half_life must be a positive timedelta"),
        (decayed_count(7), pl.Int64(), "half_life must be a positive timedelta; got 7"),  # type: ignore[arg-type] # as above
        (decayed_mean(timedelta(1)), pl.String(), "function 'decayed_mean': it takes integers"),
        ("approx_percentile", pl.Int64(), r"percentile must be from 0 to 1; got None. Write approx_percentile\(0.5\)"),
    ],
)
def test_refused(function: str | FunctionRequest, dtype: pl.DataType | None, message: str) -> None:
    """What is unknown, or cannot take its input, is an error that says what it takes."""
    with pytest.raises(DeclarationError, match=message):
        resolve(function, dtype)


@pytest.mark.parametrize("dtype", [pl.Int64(), pl.Float32(), pl.String(), pl.Boolean(), pl.Date(), pl.Datetime("us", "UTC")])
def test_distinct_values_of_every_type(dtype: pl.DataType) -> None:
    """They are counted by name, or with a precision from 4 to 16."""
    for function in ("approx_count_distinct", approx_count_distinct(4), approx_count_distinct(16)):
        resolved = resolve(function, dtype)
        assert (resolved.result_dtype, resolved.empty) == (pl.Int64(), 0)


def test_percentiles() -> None:
    """Both ends are percentiles too."""
    for function in (approx_percentile(0), approx_percentile(0.5, 2), approx_percentile(1.0, 1000)):
        resolved = resolve(function, pl.Int32())
        assert (resolved.result_dtype, resolved.empty) == (pl.Float64(), None)


def test_true_is_no_number_of_values() -> None:
    """`last(True)` is refused, although Python takes True for 1."""
    with pytest.raises(DeclarationError, match="n must be in range; got True"):
        resolve(last(True), pl.Int64())
