"""Training values are those of the reference at each row's own edge."""

import polars as pl
import pytest

from tests.engine.drawing import BEGIN_US, DAYS, HOUR_US, dense_frame, full_view
from tests.engine.test_invariants import events_of, scale_of
from tilefold.engine.layout import layout_of
from tilefold.engine.reference import OVERFLOW, agree, reference_values
from tilefold.engine.time import DAY_US
from tilefold.engine.training import EDGE, REQUEST, training_values


@pytest.mark.parametrize("grain_us", [HOUR_US, DAY_US])
def test_training_values_equal_the_reference(grain_us: int) -> None:
    """Every function of every type, for known and unknown keys, at several edges, in the order asked."""
    view = full_view(grain_us)
    layout = layout_of(view)
    frame = dense_frame(5)
    asked = [(key, BEGIN_US + day * DAY_US) for key in ("b", "a", "nobody") for day in (DAYS, 2, 7)]
    requests = pl.DataFrame(asked, schema={"key": pl.String(), EDGE: pl.Int64()}, orient="row").with_row_index(REQUEST)
    found = training_values(frame.lazy(), requests, layout, "timestamp", BEGIN_US).to_dicts()
    for (key, edge_us), row in zip(asked, found, strict=True):
        expected = reference_values(view.features, events_of(frame, layout, (key,)), edge_us)
        for feature in view.features:
            value = None if expected[feature.name] is OVERFLOW else expected[feature.name]
            assert agree(row[feature.name], value, scale_of(feature, frame)), (key, feature.name, row[feature.name], value)
