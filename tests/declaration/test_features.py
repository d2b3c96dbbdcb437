from typing import Any

import polars as pl
import pytest

from tests.declaration.samples import AMOUNT, DAY, MERCHANT, declare, refusal, total
from tilefold import Aggregate, Attribute, Field, LifetimeWindow
from tilefold.aggregation_functions import (
    approx_count_distinct,
    approx_percentile,
    first,
    first_distinct,
    last,
    last_distinct,
)
from tilefold.types import Float64, Int64, String


def feature_of(**parameters: Any) -> Any:
    """The one feature of a view that declares it so."""
    return declare(features=[Aggregate(**({"time_window": 7 * DAY} | parameters))]).features[0]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (last_distinct(3), "merchant_last_distinct_3_7d"),
        (first_distinct(2), "merchant_first_distinct_2_7d"),
        (last(5), "merchant_last_5_7d"),
        (first(5), "merchant_first_5_7d"),
        ("last", "merchant_last_7d"),
        ("count", "merchant_count_7d"),
        ("max", "merchant_max_7d"),
    ],
)
def test_names(function: Any, name: str) -> None:
    """A function stands in the name with its number."""
    assert feature_of(input_column=MERCHANT, function=function).name == name


@pytest.mark.parametrize("alias", ["variance", "stddev"])
def test_aliases(alias: str) -> None:
    """An alias of a function stands in the name as it was written."""
    assert feature_of(input_column=AMOUNT, function=alias).name == f"amount_{alias}_7d"


def test_count_of_events() -> None:
    """A count without a column is named without one."""
    feature = feature_of(function="count")
    assert (feature.name, feature.input_column, feature.input_dtype) == ("count_7d", None, None)


def test_count_lifetime() -> None:
    """A lifetime stands in the name by its word."""
    feature = feature_of(input_column=AMOUNT, function="count", time_window=LifetimeWindow())
    assert feature.name == "amount_count_lifetime"


def test_own_name() -> None:
    """`name=` replaces the name."""
    assert feature_of(input_column=AMOUNT, function="sum", name="weekly__spend").name == "weekly__spend"


def test_types() -> None:
    """A feature knows its input's type and its result's."""
    feature = feature_of(input_column=MERCHANT, function=last_distinct(3))
    assert (feature.input_dtype, feature.dtype) == (pl.String(), pl.List(pl.String))
    assert feature_of(function="count").dtype == pl.Int64()


def test_texts() -> None:
    """A feature's description and tags are kept."""
    feature = feature_of(function="count", description="how often", tags={"team": "risk"})
    assert (feature.description, feature.tags) == ("how often", {"team": "risk"})


def test_same_name_twice() -> None:
    """Two features of one name are refused."""
    message = refusal(features=[total(), total()])
    assert message == (
        "view 'spend': a feature's name may stand once; got 'amount_sum_30d'. "
        "Remove one, or give it a name of its own with name=."
    )


@pytest.mark.parametrize("features", [[], None, total(), "sum"])
def test_no_features(features: object) -> None:
    """A view without a list of features is refused."""
    assert f"view 'spend': features must be a list of at least one; got {features!r}" in refusal(features=features)


def test_no_feature() -> None:
    """What is no feature is refused."""
    assert "view 'spend': a feature must be an Aggregate or an Attribute; got 'sum'" in refusal(features=["sum"])


def test_attribute() -> None:
    """An Attribute has the name and the type of its column; beside it an Aggregate may stand, without it few cells are one."""
    merchant = Attribute("merchant", String, description="where", tags={"a": "b"})
    view = declare(features=[merchant])
    (feature,) = view.features
    assert (feature.name, feature.input_column, feature.dtype) == ("merchant", "merchant", String())
    assert (feature.description, feature.tags, feature.is_series) == ("where", {"a": "b"}, False)
    assert [column.name for column in view.columns] == ["user_id", "timestamp", "merchant"]
    both = declare(features=[merchant, total()])
    assert [one.name for one in both.features] == ["merchant", "amount_sum_30d"]
    assert (view.few_cells, both.few_cells) == (1, 64)
    assert view.version != declare(features=[merchant], ttl=DAY).version


@pytest.mark.parametrize("name", ["a b", "", "1a", 5])
def test_wrong_name_of_an_attribute(name: Any) -> None:
    """An Attribute's name is a feature's name."""
    assert "view 'spend', an Attribute's name: a name must match" in refusal(features=[Attribute(name, String)])


def test_attribute_of_a_type_that_is_not_kept() -> None:
    """Lists and records are refused; the error names the view, the feature and the type."""
    message = refusal(features=[Attribute("merchant", pl.List(pl.String))])
    assert message.startswith("view 'spend', feature 'merchant': function 'Attribute': it takes ")
    assert "got 'List(String)'" in message


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (approx_count_distinct(), "amount_approx_count_distinct_7d"),
        (approx_count_distinct(12), "amount_approx_count_distinct_12_7d"),
        (approx_percentile(0.5), "amount_approx_percentile_p0_5_7d"),
        (approx_percentile(0.5, 200), "amount_approx_percentile_p0_5_precision_200_7d"),
    ],
)
def test_sketches(function: Any, name: str) -> None:
    """Approximate functions carry their parameters in their names."""
    assert feature_of(input_column=AMOUNT, function=function).name == name


def test_a_percentile_of_texts() -> None:
    """What has no distance has no percentile; the error names the view, the feature and the type."""
    message = refusal(features=[total(function=approx_percentile(0.5), input_column=MERCHANT)])
    assert message.startswith("view 'spend', feature 'merchant_approx_percentile': ")
    assert "got 'String'" in message


def test_trailing_edge() -> None:
    """A trailing edge of one feature belongs to stream views."""
    message = refusal(features=[total(trailing_edge=DAY)])
    assert (
        "feature 'amount_sum': trailing_edge of an Aggregate belongs to stream views; got datetime.timedelta(days=1)" in message
    )


def test_input_column_is_a_field() -> None:
    """A column's name without its type is refused."""
    assert "view 'spend': input_column must be a Field; got 'amount'" in refusal(features=[total(input_column="amount")])


def test_unknown_function() -> None:
    """A function that is not known is refused; the error names the view, the feature and the function."""
    message = refusal(features=[total(function="median")])
    assert message.startswith("view 'spend', feature 'amount_median': ")
    assert "got 'median'" in message


@pytest.mark.parametrize("function", [sum, None, 3])
def test_function_of_another_kind(function: Any) -> None:
    """What is neither a name nor one of aggregation_functions is refused."""
    assert f"function must be a name or one of aggregation_functions; got {function!r}" in refusal(
        features=[total(function=function)]
    )


def test_function_of_the_wrong_type() -> None:
    """A function that cannot take the column's type is refused; the error names the view and the type."""
    message = refusal(features=[total(input_column=MERCHANT)])
    assert message.startswith("view 'spend', feature 'merchant_sum': ")
    assert "got 'String'" in message


def test_function_without_a_column() -> None:
    """Only count works without a column."""
    assert "view 'spend', feature 'sum': " in refusal(features=[total(input_column=None)])


def test_column_of_two_types() -> None:
    """A column that is declared with two types is refused."""
    other = total(input_column=Field("amount", Int64), function="max")
    assert "view 'spend': column 'amount' has one type in a view; got 'Int64'" in refusal(features=[total(), other])


def test_join_key_as_input() -> None:
    """A join key can be an input column, of the same type."""
    view = declare(features=[total(input_column=Field("user_id", String), function="count")])
    assert [column.name for column in view.columns] == ["user_id", "timestamp"]
    wrong = total(input_column=Field("user_id", Float64), function="count")
    assert "column 'user_id' has one type in a view" in refusal(features=[wrong])


@pytest.mark.parametrize("name", ["amount sum", "7d", "a.b", 5])
def test_wrong_name(name: Any) -> None:
    """A feature's name is an identifier, so that it can stand in `view.feature` and `view__feature`."""
    message = refusal(features=[total(name=name)])
    assert f"view 'spend', a feature's name: a name must match [A-Za-z_][A-Za-z0-9_]*; got {name!r}" in message
