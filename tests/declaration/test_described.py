"""Views as texts, and views that are made of them."""

import pytest

from tests.pipelines import DAY, UNITS, declare
from tests.streams import source, view_of
from tilefold import Aggregate
from tilefold.aggregation_functions import approx_percentile, decayed_sum
from tilefold.declaration import FeatureView
from tilefold.declaration.described import describe_view
from tilefold.declaration.described import view_of as described_view
from tilefold.engine.layout import layout_of

SUM = Aggregate(input_column=UNITS, function="sum", time_window=DAY)
OLD = declare(wanted=[SUM])


@pytest.mark.parametrize(
    "view",
    [
        OLD,
        declare(wanted=[Aggregate(input_column=UNITS, function=approx_percentile(0.9), time_window=DAY)]),
        declare(wanted=[Aggregate(input_column=UNITS, function=decayed_sum(DAY), time_window=DAY)]),
        declare(wanted=[SUM], aggregation_secondary_key="label"),
        view_of(source()),
    ],
    ids=["batch", "sketch", "decayed", "secondary", "stream"],
)
def test_a_description_gives_the_view_again(view: FeatureView) -> None:
    """A view that is made of its description has all that reading takes."""
    again = described_view(describe_view(view), view.source)
    assert describe_view(again) == describe_view(view)
    assert [each.dtype for each in again.features] == [each.dtype for each in view.features]
    assert [each.function.label for each in again.features] == [each.function.label for each in view.features]
    assert layout_of(again).tile_schema == layout_of(view).tile_schema
    assert (again.join_keys, again.columns, again.cell_us) == (view.join_keys, view.columns, view.cell_us)
