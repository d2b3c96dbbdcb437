"""What the engine's property tests draw: views, and events of many types for them."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from tilefold.aggregation_functions import (
    approx_count_distinct,
    approx_percentile,
    decayed_count,
    decayed_mean,
    decayed_sum,
)
from tilefold.declaration.features import Feature
from tilefold.declaration.windows import Window
from tilefold.engine.time import DAY_US
from tilefold.functions import FunctionRequest, keys_function, resolve, resolve_attribute
from tilefold.types import Field

HOUR_US = DAY_US // 24
BEGIN_US = 19_000 * DAY_US
DAYS = 12

INPUTS: dict[str, tuple[pl.DataType, st.SearchStrategy[Any]]] = {
    "whole": (pl.Int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)),
    "narrow": (pl.Int32(), st.integers(-(2**31), 2**31 - 1)),
    "real": (pl.Float64(), st.floats(-1e6, 1e6) | st.just(float("nan"))),
    "single": (pl.Float32(), st.floats(-1000, 1000, width=32)),
    "flag": (pl.Boolean(), st.booleans()),
    "text": (pl.String(), st.sampled_from(["", "a", "b", "ß", "zz", "a long text with \x00 in it"])),
    "moment": (
        pl.Datetime("us", "UTC"),
        st.integers(-(10**15), 10**15).map(lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)),
    ),
    "day": (pl.Date(), st.dates(date(1900, 1, 1), date(2100, 1, 1))),
}
NUMBER_FUNCTIONS: list[str | FunctionRequest] = [
    *("sum", "mean", "var_pop", "var_samp", "stddev_pop", "stddev_samp", "variance", "stddev"),
    decayed_sum(timedelta(days=1)),
    decayed_mean(timedelta(hours=5, microseconds=7)),
    *(approx_percentile(part, precision) for part, precision in ((0.5, 100), (0.9, 100), (0, 20))),
]
ANY_FUNCTIONS: list[str | FunctionRequest] = ["count", "min", "max", "first", "last"] + [
    FunctionRequest(name, (("n", n),)) for name in ("first", "last", "first_distinct", "last_distinct") for n in (1, 3)
]
ANY_FUNCTIONS += [approx_count_distinct(8), approx_count_distinct(4), decayed_count(timedelta(days=2))]
NUMBERS = {"whole", "narrow", "real", "single", "flag"}
ALL_PAIRS = [(column, function) for column in INPUTS for function in ANY_FUNCTIONS] + [
    (column, function) for column in sorted(NUMBERS) for function in NUMBER_FUNCTIONS
]


@dataclass(frozen=True)
class DrawnView:
    """As much of a feature view as the engine's layout asks for."""

    name: str
    join_keys: tuple[Field, ...]
    features: tuple[Feature, ...]
    cell_us: int
    secondary_key: Field | None = None


def feature(column: str | None, function: str | FunctionRequest, windows: tuple[Window, ...], number: int = 0) -> Feature:
    """A resolved feature of a drawn view."""
    dtype = INPUTS[column][0] if column else None
    bound = resolve(function, dtype)
    series = len(windows) > 1
    result = pl.List(bound.result_dtype) if series else bound.result_dtype
    return Feature(f"{column}_{bound.label}_{number}", column, dtype, bound, windows, series, result)


def attribute(column: str, ttl_us: int | None, hop_us: int | None = None, number: int = 0) -> Feature:
    """A resolved attribute of a drawn view; `hop_us` is 0 in a stream view."""
    dtype = INPUTS[column][0]
    window = Window(None, hop_us=hop_us, ttl_us=ttl_us)
    function = resolve_attribute(dtype)
    return Feature(f"{column}_{number}", column, dtype, function, (window,), is_series=False, dtype=function.result_dtype)


def by_secondary(column: str, features: Sequence[Feature]) -> tuple[Field, tuple[Feature, ...]]:
    """A secondary key, and resolved features parted by it; before them the list of keys of each of their windows."""
    key = Field(column, INPUTS[column][0])
    made = []
    for number, (windows, many) in enumerate(dict.fromkeys((one.windows, one.is_series) for one in features)):
        keys = keys_function(key.dtype)
        dtype = pl.List(keys.result_dtype) if many else keys.result_dtype
        made.append(Feature(f"keys_{number}", None, None, keys, windows, many, dtype, secondary=key))
    for one in features:
        values = pl.List(one.function.result_dtype)
        made.append(replace(one, dtype=pl.List(values) if one.is_series else values, secondary=key))
    return key, tuple(made)


windows_strategy = st.one_of(
    st.builds(
        Window,
        size_us=st.integers(1, 10 * 24).map(lambda hours: hours * HOUR_US),
        offset_us=st.sampled_from([0, 0, 0, HOUR_US, DAY_US]),
    ),
    st.just(Window(None)),
    st.just(Window(None, offset_us=DAY_US)),
    st.just(Window(None, lifetime_start_us=BEGIN_US + 4 * DAY_US)),
)


@st.composite
def views(draw: st.DrawFn, max_features: int = 6) -> DrawnView:
    """A view of several functions of several types over several windows."""
    pairs = draw(st.lists(st.sampled_from(ALL_PAIRS), min_size=1, max_size=max_features))
    shapes = st.lists(windows_strategy, min_size=1, max_size=2).map(tuple)
    features = [feature(column, function, draw(shapes), number) for number, (column, function) in enumerate(pairs)]
    features.append(feature(None, "count", draw(shapes), 99))
    expiring = st.tuples(st.sampled_from(sorted(INPUTS)), st.none() | st.integers(1, 6 * DAY_US))
    features += [attribute(column, ttl_us, number=n) for n, (column, ttl_us) in enumerate(draw(st.lists(expiring, max_size=2)))]
    grain = draw(st.sampled_from([HOUR_US, HOUR_US, DAY_US]))
    if grain == DAY_US:
        features = [_whole_days(one) for one in features]
    keys = draw(st.sampled_from([(Field("key", pl.String),), (Field("key", pl.String), Field("second", pl.Int64))]))
    return DrawnView("drawn", keys, tuple(features), grain)


def _whole_days(one: Feature) -> Feature:
    windows = tuple(
        replace(
            w,
            size_us=None if w.size_us is None else -(-w.size_us // DAY_US) * DAY_US,
            offset_us=w.offset_us // DAY_US * DAY_US,
        )
        for w in one.windows
    )
    return replace(one, windows=windows)


@st.composite
def events_frames(draw: st.DrawFn, max_rows: int = 60) -> pl.DataFrame:
    """Events of a few keys over some days, with nulls, ties and values of every type."""
    times = st.integers(0, DAYS * 24).map(lambda hours: BEGIN_US + hours * HOUR_US) | st.integers(
        BEGIN_US, BEGIN_US + DAYS * DAY_US - 1
    )
    row = st.fixed_dictionaries(
        {"key": st.sampled_from(["a", "b", "1:a"]), "second": st.sampled_from([1, 2]), "time": times}
        | {name: st.none() | values for name, (_, values) in INPUTS.items()}
    )
    rows = draw(st.lists(row, max_size=max_rows))
    schema = {"key": pl.String(), "second": pl.Int64(), "time": pl.Int64()} | {n: d for n, (d, _) in INPUTS.items()}
    frame = pl.DataFrame(rows, schema=schema)
    ids = pl.Series("event_id", [f"{number:03d}" for number in range(frame.height)], dtype=pl.String)
    return frame.with_columns(ids, pl.col("time").cast(pl.Datetime("us", "UTC")).alias("timestamp")).drop("time")


def dense_values(drawn: random.Random) -> dict[str, Callable[[], Any]]:
    """What draws a value of each type."""
    return {
        "whole": lambda: drawn.choice([drawn.randint(-(2**63), 2**63 - 1), drawn.randint(-5, 5)]),
        "narrow": lambda: drawn.randint(-(2**31), 2**31 - 1),
        "real": lambda: drawn.choice([drawn.uniform(-1e6, 1e6)] * 30 + [math.nan]),
        "single": lambda: float(drawn.randint(-1000, 1000)),
        "flag": lambda: drawn.random() < 0.5,
        "text": lambda: drawn.choice(["", "a", "b", "ß", "zz", "a long text with \x00 in it"]),
        "moment": lambda: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=drawn.randint(0, 10**14)),
        "day": lambda: date(2000, 1, 1) + timedelta(days=drawn.randint(0, 5)),
    }


def dense_frame(seed: int, rows: int = 400) -> pl.DataFrame:
    """Many events of few keys, every type, drawn from a seed: nulls, ties and times on cell edges among them."""
    drawn = random.Random(seed)
    values = dense_values(drawn)
    made = [
        {
            "key": drawn.choice("ab"),
            "second": 1,
            "time": BEGIN_US + drawn.randrange(DAYS * 24) * HOUR_US + drawn.choice([0, 0, 5]),
        }
        | {name: None if drawn.random() < 0.1 else draw() for name, draw in values.items()}
        for _ in range(rows)
    ]
    schema = {"key": pl.String(), "second": pl.Int64(), "time": pl.Int64()} | {n: d for n, (d, _) in INPUTS.items()}
    frame = pl.DataFrame(made, schema=schema)
    ids = pl.Series("event_id", [f"{number:04d}" for number in drawn.sample(range(rows), rows)], dtype=pl.String)
    return frame.with_columns(ids, pl.col("time").cast(pl.Datetime("us", "UTC")).alias("timestamp")).drop("time")


def full_view(grain_us: int) -> DrawnView:
    """Every function of every type over nested, offset and lifetime windows and series, and attributes of every type."""
    shapes = [(Window(DAY_US),), (Window(5 * DAY_US),), (Window(2 * DAY_US, DAY_US),), (Window(None),)]
    features = [feature(c, f, shape, n) for n, shape in enumerate(shapes) for c, f in ALL_PAIRS]
    steps = tuple(Window(DAY_US, back * DAY_US) for back in (2, 1, 0))
    features += [feature(column, function, steps, 50) for column, function in ALL_PAIRS]
    features += [feature(None, "count", steps, 51)]
    features += [attribute(column, ttl_us, number=n) for n, ttl_us in enumerate((None, 5 * DAY_US + 7)) for column in INPUTS]
    return DrawnView("full", (Field("key", pl.String),), tuple(features), grain_us)
