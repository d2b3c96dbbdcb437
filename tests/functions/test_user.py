"""Aggregates of one's own: what may be registered, by which name, and how a view knows that one has changed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from tests.declaration.samples import declare, refusal, total
from tests.functions.own import OWN, GeometricMean
from tests.testing.broken import Sum
from tilefold.aggregation_functions import register_aggregate
from tilefold.engine.layout import layout_of
from tilefold.errors import DeclarationError
from tilefold.functions import FunctionRequest, resolve, user
from tilefold.types import Field, Float64, Int64


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    before = dict(user._registered)
    yield
    user._registered.clear()
    user._registered.update(before)


def made(**given: Any) -> type[Sum]:
    """A class like `Sum` with some things changed."""
    return type("Made", (Sum,), given)


def test_a_feature_of_it() -> None:
    """A name is used like a built-in one; the feature is called by it and has its type."""
    one = declare(features=[total(function="geometric_mean")]).features[0]
    assert (one.name, one.dtype, one.function.empty) == ("amount_geometric_mean_30d", pl.Float64(), None)


def test_another_name_is_listed() -> None:
    """An unknown name is answered with all that are known."""
    message = refusal(features=[total(function="geometric_median")])
    assert all(name in message for name in (*OWN, "sum", "decayed_mean"))
    assert "Others must be registered first." in message


def test_a_type_it_does_not_take() -> None:
    """It says which it takes."""
    features = [total(function="geometric_mean", input_column=Field("merchant", pl.String))]
    assert "function 'geometric_mean': it takes Int32, Int64, Float32, Float64; got 'String'" in refusal(features=features)


@pytest.mark.parametrize("request_", [FunctionRequest("geometric_mean", (("n", 3),)), FunctionRequest("geometric_mean")])
def test_it_takes_a_column_and_nothing_else(request_: FunctionRequest) -> None:
    """It has no parameters, and there is none of events."""
    with pytest.raises(DeclarationError, match="a registered aggregate is one of a column"):
        resolve(request_, pl.Float64() if request_.params else None)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("sum", "may not be, or look like, that of a built-in function; got 'sum'"),
        ("last_3", "that of a built-in function"),
        ("approx_mode", "that of a built-in function"),
        ("Mine", "its name must be lower case words; got 'Mine'"),
        ("my__own", "its name must be lower case words"),
        ("", "its name must be lower case words"),
        (7, "aggregate 7: its name must be lower case words; got 7"),
        ("geometric_mean", "it is registered by "),
    ],
)
def test_a_wrong_name(name: Any, rule: str) -> None:
    """A name is of its own, in lower case words."""
    with pytest.raises(DeclarationError) as refused:
        register_aggregate(name)(Sum)
    assert rule in str(refused.value)


def test_definitions_that_are_loaded_anew() -> None:
    """The same class of the same file may be registered again."""
    assert register_aggregate("geometric_mean")(GeometricMean) is GeometricMean


class _Nothing(Sum):
    finalize = Sum.__base__.finalize  # type: ignore[assignment,union-attr] # abstract again


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (dict, "it must be a class derived from UserAggregate"),
        (made(state=()), "state must be a list of Fields; got ()"),
        (made(state=("n",)), "state must be a list of Fields"),
        (made(state=(Field("n", Int64), Field("n", Int64))), "a field of its state needs a name of its own; got 'n'"),
        (made(state=(Field("N", Int64),)), "a field of its state needs a name of its own; got 'N'"),
        (made(state=(Field("all", pl.List(pl.Int64)),)), "field 'all' of its state must be a signed integer, float, Bool"),
        (made(state=(Field("n", pl.UInt64),)), "field 'n' of its state must be a signed integer"),
        (made(version="2"), "version must be a whole number; got '2'"),
        (_Nothing, "its class must say all that makes it; got 'no finalize'. Define finalize."),
    ],
)
def test_a_wrong_class(given: Any, rule: str) -> None:
    """What a class lacks, or says wrong, is told when it is registered."""
    with pytest.raises(DeclarationError) as refused:
        register_aggregate("mine")(given)
    assert rule in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        {"partial": lambda self, value, time: [value.count()]},  # noqa: ARG005 - as it is called
        {"merge": lambda self, *state: [each.no_such_method() for each in state]},  # noqa: ARG005 - as it is called
        {"finalize": lambda self, *state: pl.col("amount")},  # noqa: ARG005 - as it is called
        {"finalize": lambda self, *state: state[0].sum()},  # noqa: ARG005 - as it is called
        {"finalize": lambda self, n, total: pl.lit("text")},  # noqa: ARG005 - as it is called
    ],
)
def test_expressions_that_do_not_fit(given: dict[str, Any]) -> None:
    """What expressions do not give is told where a view is declared, with the view's name."""
    register_aggregate("mine")(made(**given))
    message = refusal(features=[total(function="mine")])
    assert message.startswith("view 'spend', feature 'amount_mine': function 'mine': ")


def _version(**given: Any) -> str:
    register_aggregate("mine")(made(**given))
    return declare(features=[total(function="mine")]).version


def test_versions() -> None:
    """A view's version follows the code of the class, what it declares, and its own version; not how often it is registered."""
    first = _version()
    assert _version() == first
    others = [
        _version(version=2),
        _version(empty=0.0),
        _version(finalize=lambda self, n, total: total),  # noqa: ARG005 - as it is called
        _version(state=(Field("n", Int64), Field("amount", Float64))),
        _version(helper=lambda self: timedelta(1)),  # noqa: ARG005 - as it is called
    ]
    assert len({first, *others}) == len(others) + 1


def test_features_of_one_input_share_its_state() -> None:
    """Two windows of it keep one state of the column."""
    view = declare(features=[total(function="geometric_mean"), total(timedelta(days=7), function="geometric_mean")])
    assert [(slot.column, slot.partial.name) for slot in layout_of(view).slots] == [
        ("", "events"),
        ("amount", "geometric_mean"),
    ]
