"""Every kind of feature over HTTP: the same values as in process, in types that the client reads."""

from datetime import datetime
from pathlib import Path
from typing import Any

from tecton_client import MetadataOptions, TectonClient

from tests.pipelines import AMOUNT, DAY, EVENTS, LABEL, START, UNITS, USER, Clock, day, frame, passed_on, wide_features
from tests.server.servers import served
from tilefold import Aggregate, Attribute, FeatureService, TimeWindow, Workspace, batch_feature_view
from tilefold.aggregation_functions import approx_count_distinct, approx_percentile
from tilefold.types import Float64, Int64, String


def _views() -> list[Any]:
    def made(name: str, features: list[Any], **more: Any) -> Any:
        return batch_feature_view(
            name=name, source=EVENTS, entities=[USER], mode="polars", feature_start_time=START, features=features, **more
        )(passed_on)

    window = TimeWindow(3 * DAY)
    attributes = [Attribute("units", Int64), Attribute("amount", Float64), Attribute("label", String)]
    sketches = [
        Aggregate(input_column=LABEL, function=approx_count_distinct(), time_window=window),
        Aggregate(input_column=AMOUNT, function=approx_percentile(0.5), time_window=window),
    ]
    by_label = [Aggregate(input_column=UNITS, function=each, time_window=window) for each in ("sum", "count", "mean")]
    return [
        made("wide", wide_features()),
        made("sketched", sketches),
        made("newest", attributes, ttl=10 * DAY),
        made("by_label", by_label, aggregation_secondary_key="label"),
    ]


def _plain(value: Any) -> Any:
    """A value as the client gives it."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def test_as_in_process(tmp_path: Path, online_url: str) -> None:
    """Aggregates over all windows, sketches, attributes and secondary keys: what the client reads is what a read gives."""
    views = _views()
    service = FeatureService("all", features=views)
    name = f"t-{tmp_path.name}"
    with Workspace(tmp_path, [service], online=online_url, clock=Clock(day(6.5)), name=name) as ws:
        rows = [("ann", 0.5 + number / 3, number) for number in range(16)]
        ws.append("events", frame([*rows, ("bob", 5.2, None), ("bob", 5.5, 2**61)]))
        for view in views:
            ws.materialize(view.name, day(6))
        with served(ws) as client:
            tecton = TectonClient(url=str(client.base_url), api_key="any", default_workspace_name=name)
            for user in ("ann", "bob", "nobody"):
                options = MetadataOptions(include_names=True, include_data_types=True)
                answer = tecton.get_features(feature_service_name="all", join_key_map={"user": user}, metadata_options=options)
                wanted = ws.get_features("all", {"user": user}).values
                assert answer.get_features_dict() == {each: _plain(value) for each, value in wanted.items()}
