"""A stream source to start from, workspaces on shared servers, and events in few words."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.pipelines import Clock, day, passed_on
from tilefold import Aggregate, Entity, Field, PushConfig, StreamSource, TimeWindow, Workspace, stream_feature_view
from tilefold.declaration import FeatureView
from tilefold.types import Float64, Int64, String, Timestamp

SCHEMA = [Field("user", String), Field("at", Timestamp), Field("amount", Float64), Field("units", Int64)]
USER = Entity("user", join_keys=[Field("user", String)])
NOW = day(9.5)


def source(name: str = "pushed", **parameters: Any) -> StreamSource:
    """A stream source; parameters replace the sample's."""
    return StreamSource(name, **({"schema": SCHEMA, "timestamp_field": "at", "stream_config": PushConfig()} | parameters))


def view_of(pushed: StreamSource, name: str = "spend", **parameters: Any) -> FeatureView:
    """A stream view of a source; parameters replace the sample's."""
    features = [
        Aggregate(input_column=Field("units", Int64), function=function, time_window=window)
        for window in (timedelta(days=1), TimeWindow(timedelta(days=30)))
        for function in ("sum", "count")
    ]
    sample: dict[str, Any] = {
        "name": name,
        "source": pushed,
        "entities": [USER],
        "features": features,
        "feature_start_time": day(0),
    }
    return stream_feature_view(**(sample | parameters))(passed_on)


def opened(
    root: Path, online: str, stream: str | None, *definitions: Any, now: datetime = NOW, name: str | None = None
) -> Workspace:
    """A workspace with a name of its own on shared servers, and a clock that stands."""
    made = list(definitions or [source()])
    return Workspace(root, made, online=online, clock=Clock(now), name=name or f"t-{secrets.token_hex(4)}", stream=stream)


def record(user: Any, at: Any, units: Any = 1, event_id: str | None = None) -> dict[str, Any]:
    """An event; `at` is a time, or so many days after the start."""
    time = day(at) if isinstance(at, int | float) else at
    made = {"user": user, "at": time, "units": units}
    return made if event_id is None else made | {"event_id": event_id}


def logged(ws: Workspace, name: str = "pushed") -> list[str]:
    """The ids of all rows in the event log, ascending; one that came twice stands twice."""
    return sorted(ws.event_log(name).snapshot().scan(columns=["event_id"]).collect()["event_id"])


def accepted_ids(records: Sequence[dict[str, Any]]) -> list[str]:
    """The ids that records were given, ascending, once each."""
    return sorted({each["event_id"] for each in records})


def push(ws: Workspace, *ids: str, at: float = 9, refused: int = 0) -> None:
    """Push events of these ids, and so many that are refused."""
    good = [record(each, at, number, each) for number, each in enumerate(ids)]
    assert ws.ingest("pushed", [*good, *[record("r", at, "bad")] * refused]).accepted == len(ids)
