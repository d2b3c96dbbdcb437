"""Views as texts, and views that are made of them."""

import json

import pytest

from tests.functions.own import OWN
from tests.pipelines import DAY, UNITS, declare
from tests.streams import source, view_of
from tilefold import Aggregate, CalendarWindow
from tilefold.aggregation_functions import approx_percentile, decayed_sum
from tilefold.declaration import FeatureView
from tilefold.declaration.described import describe_view
from tilefold.declaration.described import view_of as described_view
from tilefold.engine.layout import layout_of
from tilefold.errors import DeclarationError

SUM = Aggregate(input_column=UNITS, function="sum", time_window=DAY)
OLD = declare(wanted=[SUM])


@pytest.mark.parametrize(
    "view",
    [
        OLD,
        declare(wanted=[Aggregate(input_column=UNITS, function=approx_percentile(0.9), time_window=DAY)]),
        declare(wanted=[Aggregate(input_column=UNITS, function=decayed_sum(DAY), time_window=DAY)]),
        declare(wanted=[SUM], aggregation_secondary_key="label"),
        declare(wanted=[Aggregate(input_column=UNITS, function="sum", time_window=CalendarWindow("month", "Europe/Berlin"))]),
        declare(wanted=[Aggregate(input_column=UNITS, function=OWN[0], time_window=DAY)]),
        view_of(source()),
    ],
    ids=["batch", "sketch", "decayed", "secondary", "calendar", "own", "stream"],
)
def test_a_description_gives_the_view_again(view: FeatureView) -> None:
    """A view that is made of its description has all that reading takes."""
    again = described_view(describe_view(view), view.source)
    assert describe_view(again) == describe_view(view)
    assert [each.dtype for each in again.features] == [each.dtype for each in view.features]
    assert [each.function.label for each in again.features] == [each.function.label for each in view.features]
    assert layout_of(again).tile_schema == layout_of(view).tile_schema
    assert (again.join_keys, again.columns, again.cell_us) == (view.join_keys, view.columns, view.cell_us)


def test_an_aggregate_that_has_changed_cannot_read_what_the_old_one_stored() -> None:
    """The description says which code a state was made by; another one of the same name is refused by name."""
    view = declare(wanted=[Aggregate(input_column=UNITS, function=OWN[0], time_window=DAY)])
    text = describe_view(view)
    changed = json.loads(text)
    changed["features"][0]["aggregate"] = "of before"
    with pytest.raises(DeclarationError, match="must be the one that the stored values are made of; got 'geometric_mean'"):
        described_view(json.dumps(changed), view.source)
