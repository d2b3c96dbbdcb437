"""The table functions x modes: which cells there are, and a view for each.

The rule: rows come from the registry of functions, columns from `MODES`; views are declared as people declare them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tests.engine.drawing import BEGIN_US, INPUTS
from tests.functions.own import OWN
from tilefold import (
    Aggregate,
    Attribute,
    BatchSource,
    CalendarWindow,
    Entity,
    Field,
    LifetimeWindow,
    StreamSource,
    TimeWindow,
    TimeWindowSeries,
    batch_feature_view,
    stream_feature_view,
)
from tilefold.aggregation_functions import approx_count_distinct, approx_percentile, decayed_count, decayed_mean, decayed_sum
from tilefold.declaration import FeatureView
from tilefold.declaration.windows import WrittenWindow
from tilefold.engine.time import DAY_US
from tilefold.errors import DeclarationError
from tilefold.functions import FunctionRequest, resolve
from tilefold.functions.registry import FUNCTION_NAMES
from tilefold.types import String, Timestamp

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
EVENTS, ATTRIBUTE = "count of events", "Attribute"
FUNCTIONS = (*FUNCTION_NAMES, *OWN, EVENTS, ATTRIBUTE)
SCHEDULE = 6 * HOUR
TTL = 3 * DAY + timedelta(microseconds=5)
TYPES_OF_FUNCTION = 2

_WITH_PARAMETERS: dict[str, list[str | FunctionRequest]] = {
    **{name: [name, FunctionRequest(name, (("n", 3),))] for name in ("first", "last")},
    **{name: [FunctionRequest(name, (("n", 2),))] for name in ("first_distinct", "last_distinct")},
    "approx_count_distinct": [approx_count_distinct(), approx_count_distinct(4)],
    "approx_percentile": [approx_percentile(0.5), approx_percentile(0.9, 20)],
    "decayed_sum": [decayed_sum(DAY)],
    "decayed_count": [decayed_count(36 * HOUR)],
    "decayed_mean": [decayed_mean(HOUR)],
}


@dataclass(frozen=True)
class Setting:
    """What a view is declared with: its kind and trailing edge in one word, its windows, and the secondary key."""

    edge: str
    windows: tuple[WrittenWindow, ...]
    secondary: str | None = None


_MOVED = (TimeWindow(2 * DAY, offset=-DAY), TimeWindow(DAY, offset=-6 * HOUR))
_SERIES = (TimeWindowSeries(series_start=-4 * DAY, series_end=-DAY, step_size=12 * HOUR, window_size=DAY),)
_PARTED = (2 * DAY, LifetimeWindow(), *_MOVED[:1], *_SERIES, CalendarWindow("week", "Australia/Lord_Howe"))
_EDGES = ("batch", "exact", "hop")
MODES: dict[str, tuple[Setting, ...]] = {
    "batch": (Setting("batch", (2 * DAY, 6 * HOUR)),),
    "exact": (Setting("exact", (2 * DAY, 7 * HOUR)),),
    "hop": (Setting("hop", (2 * DAY, 7 * HOUR)),),
    "lifetime": tuple(Setting(edge, (LifetimeWindow(),)) for edge in ("batch", "exact")),
    "offset": tuple(Setting(edge, _MOVED) for edge in _EDGES),
    "series": tuple(Setting(edge, _SERIES) for edge in _EDGES),
    "calendar": (
        Setting("batch", (CalendarWindow("month", "Europe/Berlin"), CalendarWindow("day", "Asia/Kathmandu"))),
        Setting("exact", (CalendarWindow("day", "America/New_York"), CalendarWindow("week", "Pacific/Auckland"))),
        Setting("hop", (CalendarWindow("day", "Asia/Kolkata"), 2 * DAY)),
    ),
    "secondary key": tuple(Setting(edge, _PARTED, key) for edge, key in zip(_EDGES, ("text", "narrow", "day"), strict=True)),
}
REFUSED = {(ATTRIBUTE, "secondary key"): "aggregation_secondary_key belongs to views of Aggregates"}
NO_WINDOW = {(ATTRIBUTE, mode) for mode in MODES if mode not in {"batch", "exact", "hop"}} - REFUSED.keys()
"""Cells without meaning: an Attribute has no window."""


def requests_of(function: str) -> list[str | FunctionRequest]:
    """The ways to ask for a function of a column."""
    return _WITH_PARAMETERS.get(function, [function])


def types_of(request: str | FunctionRequest) -> list[str]:
    """The inputs that a function takes."""
    return [name for name, (dtype, _) in INPUTS.items() if refusal_of(request, dtype) is None]


def refusal_of(request: str | FunctionRequest, dtype: pl.DataType) -> str | None:
    """What a function says against a type of input; None where it takes it."""
    try:
        resolve(request, dtype)
    except DeclarationError as error:
        return str(error)
    return None


def together(setting: Setting) -> list[str]:
    """The functions that work in a setting."""
    mode = next(mode for mode, settings in MODES.items() if setting in settings)
    return [function for function in FUNCTIONS if (function, mode) not in REFUSED and (function, mode) not in NO_WINDOW]


def refused(function: str, setting: Setting) -> str:
    """What a declaration of one function says in a setting that it does not work in."""
    with pytest.raises(DeclarationError) as found:
        declared(setting, [function])
    return str(found.value)


def declared(setting: Setting, functions: Sequence[str]) -> tuple[dict[str, str], FeatureView]:
    """A view of every function over these windows, and which function each of its features is made of."""
    made = [(function, each) for function in functions for each in _features(function, setting)]
    named = {f"f{number}": (function, each) for number, (function, each) in enumerate(made)}
    features = [replace(each, name=name) if function != ATTRIBUTE else each for name, (function, each) in named.items()]
    schema = [Field("key", String), Field("timestamp", Timestamp), *(Field(name, dtype) for name, (dtype, _) in INPUTS.items())]
    given: dict[str, Any] = {
        "entities": [Entity("user", join_keys=[Field("key", String)])],
        "features": features,
        "feature_start_time": time_of(BEGIN_US),
        "lifetime_start_time": time_of(BEGIN_US + 3 * DAY_US),
        "batch_schedule": SCHEDULE,
        "aggregation_secondary_key": setting.secondary,
    }
    if any(isinstance(each, Attribute) for each in features):
        given["ttl"] = TTL
    if setting.edge == "batch":
        view = batch_feature_view(source=BatchSource("events", schema=schema, timestamp_field="timestamp"), **given)(events)
    else:
        edge = "exact" if setting.edge == "exact" else HOUR
        view = stream_feature_view(
            source=StreamSource("events", schema=schema, timestamp_field="timestamp"), trailing_edge=edge, **given
        )(events)
    rows = {_name(each, name): function for name, (function, each) in named.items()}
    return rows | {one.name: "keys" for one in view.features if one.function.label == "keys"}, view


def events(events: pl.LazyFrame) -> pl.LazyFrame:
    """All columns."""
    return events


def _name(each: Aggregate | Attribute, name: str) -> str:
    return each.name if isinstance(each, Attribute) else name


def _features(function: str, setting: Setting) -> Iterator[Aggregate | Attribute]:
    if function == ATTRIBUTE:
        yield from (Attribute(name, dtype) for name, (dtype, _) in INPUTS.items())
        return
    for window in setting.windows:
        if function == EVENTS:
            yield Aggregate(function="count", time_window=window)
            continue
        for number, request in enumerate(requests_of(function)):
            types = types_of(request)
            first = FUNCTIONS.index(function) + number
            for turn in range(min(TYPES_OF_FUNCTION, len(types))):  # another type in each row: all of them are in the table
                name = types[(first + turn * 3) % len(types)]
                yield Aggregate(function=request, time_window=window, input_column=Field(name, INPUTS[name][0]))


def time_of(time_us: int) -> datetime:
    """A UTC time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
