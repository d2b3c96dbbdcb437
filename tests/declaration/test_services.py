from typing import Any

import pytest

from tests.declaration.samples import declare, total
from tilefold import FeatureService
from tilefold.errors import DeclarationError

SPEND = declare(features=[total(), total(function="mean"), total(function="max")])
OTHER = declare(name="other")


def test_views() -> None:
    """A service of views has all their features, in their order."""
    service = FeatureService("fraud", features=[SPEND, OTHER])
    assert service.views == (SPEND, OTHER)
    assert [selection.names for selection in service.selections] == [
        ("amount_sum_30d", "amount_mean_30d", "amount_max_30d"),
        ("amount_sum_30d",),
    ]


def test_chosen() -> None:
    """A service may have chosen features of a view, in the order asked for."""
    service = FeatureService("fraud", features=[SPEND[["amount_max_30d", "amount_sum_30d"]]])
    assert service.selections[0].names == ("amount_max_30d", "amount_sum_30d")


def test_two_parts_of_a_view() -> None:
    """Two selections of one view may stand in a service, and are one view."""
    parts = [SPEND[["amount_sum_30d"]], SPEND[["amount_max_30d"]]]
    assert FeatureService("fraud", features=parts).views == (SPEND,)


@pytest.mark.parametrize(
    ("features", "rule"),
    [
        ([], "features must be a list of at least one view; got []"),
        (SPEND, "features must be a list of at least one view; got <batch view 'spend'"),
        (["spend"], "features holds views; got 'spend'"),
        ([SPEND, SPEND], "a feature may stand once in a service; got 'spend.amount_sum_30d'"),
        ([SPEND, SPEND[["amount_max_30d"]]], "a feature may stand once in a service; got 'spend.amount_max_30d'"),
        ([SPEND, declare()], "a view's name means one view; got 'spend'"),
    ],
)
def test_refusals(features: Any, rule: str) -> None:
    """A service that breaks a rule is refused; the error names the service, the rule and the value."""
    with pytest.raises(DeclarationError) as refused:
        FeatureService("fraud", features=features)
    assert str(refused.value).startswith(f"service 'fraud': {rule}")


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["amount_min_30d"], "a chosen feature must be one of it; got 'amount_min_30d'. It has ['amount_sum_30d'"),
        (["amount_sum_30d", "amount_sum_30d"], "a chosen feature may stand once; got 'amount_sum_30d'"),
        ([], "at least one feature must be chosen; got ()"),
        ("amount_sum_30d", "features are chosen by a list of names; got 'amount_sum_30d'. Write spend[['amount_sum_30d']]."),
    ],
)
def test_choices(names: Any, rule: str) -> None:
    """A choice that breaks a rule is refused; the error names the view, the rule and the value."""
    with pytest.raises(DeclarationError) as refused:
        SPEND[names]
    assert str(refused.value).startswith(f"view 'spend': {rule}")


@pytest.mark.parametrize("name", ["", "a b", "a__b"])
def test_wrong_name(name: str) -> None:
    """A service's name is an identifier."""
    with pytest.raises(DeclarationError, match="a name "):
        FeatureService(name, features=[SPEND])
