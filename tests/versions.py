"""Two versions of one stream view, told apart by their values, and what events make of either."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from tests.streams import USER, day, source
from tilefold import Aggregate, Field, StreamSource, TimeWindow, stream_feature_view
from tilefold.declaration import FeatureView
from tilefold.types import Int64

UNITS = Field("units", Int64)
WATERMARK = day(9)
NAMES = ("units_sum_1d", "units_count_1d", "units_sum_7d")
__all__ = ["NAMES", "WATERMARK", "declare_new", "declare_old", "wanted"]


def _features(more: Sequence[str] = ()) -> list[Aggregate]:
    day_window, week = timedelta(days=1), TimeWindow(timedelta(days=7))
    return [
        Aggregate(input_column=UNITS, function="sum", time_window=day_window),
        Aggregate(input_column=UNITS, function="count", time_window=day_window),
        Aggregate(input_column=UNITS, function="sum", time_window=week),
        *(Aggregate(input_column=UNITS, function=each, time_window=week) for each in more),
    ]


def declare_old(pushed: StreamSource | None = None, **parameters: Any) -> FeatureView:
    """The old version: units as they are."""
    given: dict[str, Any] = {"features": _features(), "feature_start_time": day(0)} | parameters

    @stream_feature_view(name="spend", source=pushed or source(), entities=[USER], mode="polars", **given)
    def spend(pushed: pl.LazyFrame) -> pl.LazyFrame:
        return pushed

    return spend


def declare_new(pushed: StreamSource | None = None, **parameters: Any) -> FeatureView:
    """The new version: a thousand times the units, and a feature more."""
    given: dict[str, Any] = {"features": _features(["max"]), "feature_start_time": day(0)} | parameters

    @stream_feature_view(name="spend", source=pushed or source(), entities=[USER], mode="polars", **given)
    def spend(pushed: pl.LazyFrame) -> pl.LazyFrame:
        return pushed.with_columns(pl.col("units") * 1000)

    return spend


def wanted(count: int, scale: int) -> tuple[Any, ...]:
    """What the features are after the first so many events of units 1, 2, 3 ..., times a scale."""
    total = scale * count * (count + 1) // 2 if count else None
    return total, count, total
