"""Reads of a streamed view in few words, and a clock that is moved."""

from datetime import datetime
from typing import Any

import polars as pl

from tests.pipelines import Clock
from tests.streams import source, view_of
from tilefold import Aggregate, Field, LifetimeWindow, Workspace
from tilefold.serving.read import FeatureVector, Status
from tilefold.types import Int64

UNITS = Field("units", Int64)
COUNT = Aggregate(function="count", time_window=LifetimeWindow())


def counting(*windows: Any, **parameters: Any) -> Any:
    """A view that counts over these windows."""
    features = [Aggregate(function="count", time_window=window) for window in windows]
    return view_of(parameters.pop("source", source()), features=features, **parameters)


def history(*records: dict[str, Any]) -> pl.DataFrame:
    """Events to append."""
    return pl.DataFrame(list(records)).with_columns(amount=pl.lit(None, pl.Float64()))


def move(ws: Workspace, to: datetime) -> None:
    """Set the workspace's clock."""
    clock = ws._clock
    assert isinstance(clock, Clock)
    clock.now = to


def read(ws: Workspace, user: str = "a", at: datetime | None = None, view: str = "spend") -> FeatureVector:
    """The features of a user."""
    return ws.get_features(view, {"user": user}, at=at)


def values(ws: Workspace, user: str = "a", at: datetime | None = None) -> list[Any]:
    """The values of a user, in the view's order."""
    return list(read(ws, user, at).values.values())


def statuses(ws: Workspace, user: str = "a", at: datetime | None = None, view: str = "spend") -> set[Status]:
    """The statuses of a user's values."""
    return set(read(ws, user, at, view).statuses.values())
