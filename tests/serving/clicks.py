"""A stream view to start from, on the events of `tests.pipelines`."""

from typing import Any

from tests.pipelines import EVENTS, LABEL, START, UNITS, USER, passed_on
from tilefold import Aggregate, StreamSource, stream_feature_view
from tilefold.aggregation_functions import last_distinct
from tilefold.declaration import FeatureView

CLICKS = StreamSource("events", schema=EVENTS.schema or (), timestamp_field="at")


def declared(windows: list[Any], **parameters: Any) -> FeatureView:
    """A stream view of functions whose states hold no floats, so that parts are the same to the byte."""
    wanted: list[Any] = [(None, "count"), (UNITS, "sum"), (LABEL, "last"), (LABEL, last_distinct(2))]
    features = [Aggregate(input_column=c, function=f, time_window=w) for w in windows for c, f in wanted]
    given: dict[str, Any] = {"source": CLICKS, "entities": [USER], "features": features, "feature_start_time": START}
    return stream_feature_view(**(given | {"name": "spend"} | parameters))(passed_on)
