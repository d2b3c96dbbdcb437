"""The oracle: feature values straight from raw events, naive on purpose.

The rule: it shares nothing with the engine but the definitions of spec and glossary: no tiles, no partial states, no codec,
no Polars, but for aggregates of people's own, whose expressions define them. Every test of the engine compares with it, and so
does the asset check that samples keys in production.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from tilefold.declaration.calendars import Calendar
from tilefold.declaration.features import Feature
from tilefold.declaration.windows import Window
from tilefold.engine.reference_sketches import distinct_values, percentile_value
from tilefold.functions.base import OVERFLOW
from tilefold.functions.user_partial import UserPartial

Value = Any
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LIST_LABEL = re.compile(r"(first|last)(_distinct)?_(\d+)")
_DECAYED_LABEL = re.compile(r"decayed_(sum|count|mean)_(\w+)")
_DURATION = re.compile(r"(\d+)(d|h|ms|m|s|us)")
_UNITS_US = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}
_DISTINCT_LABEL = re.compile(r"approx_count_distinct(?:_(\d+))?")
_PERCENTILE_LABEL = re.compile(r"approx_percentile_p(\d+(?:_\d+)?)(?:_precision_(\d+))?")


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one key: its time in microseconds, what orders it among events of that time, and its columns."""

    time_us: int
    tie: str
    columns: Mapping[str, Any]


def reference_values(
    features: Iterable[Feature], events: Sequence[Event], at_us: int, read_us: int | None = None
) -> dict[str, Value]:
    """The value of each feature at a time, by name; OVERFLOW where a sum does not fit.

    Parameters
    ----------
    at_us
        Of batch views the leading edge A, which is not counted. Of stream views the read time t, which is; where the view's
        leading edge is the newest event, the newest one of the source at or before the read time.
    read_us
        Of batch views the read time, by which attributes expire; the leading edge where it is not given.
    """
    ordered = sorted(events, key=lambda event: (event.time_us, event.tie.encode()))
    now_us = at_us if read_us is None else read_us
    return {feature.name: _feature_value(feature, ordered, at_us, now_us) for feature in features}


def _feature_value(feature: Feature, events: list[Event], at_us: int, now_us: int) -> Value:
    value_of = _window_value if feature.secondary is None else _values_by_key
    values = [value_of(feature, _inside(window, events, at_us, now_us), at_us - window.offset_us) for window in feature.windows]
    return values if feature.is_series else values[0]


def _inside(window: Window, events: list[Event], at_us: int, now_us: int) -> list[Event]:
    holds = _in_batch_window if window.hop_us is None else _in_stream_window
    held = [event for event in events if holds(window, event.time_us, at_us - window.offset_us)]
    return held if window.ttl_us is None else [event for event in held if event.time_us > now_us - window.ttl_us]


def _is_this_period(calendar: Calendar, time_us: int, edge_us: int) -> bool:
    """Whether local clocks show the same day, week or month at both times."""
    days = [
        (_EPOCH + timedelta(microseconds=each)).astimezone(ZoneInfo(calendar.time_zone)).date() for each in (time_us, edge_us)
    ]
    one, other = ({"day": day, "week": day.isocalendar()[:2], "month": (day.year, day.month)}[calendar.unit] for day in days)
    return one == other


def _in_batch_window(window: Window, time_us: int, edge_us: int) -> bool:
    """Whether a time is in `[A - W, A)`, or from the lifetime's start on; A is moved back by the window's offset."""
    if window.calendar is not None:
        return time_us < edge_us and _is_this_period(window.calendar, time_us, edge_us)
    if window.size_us is None:
        return time_us < edge_us and (window.lifetime_start_us is None or time_us >= window.lifetime_start_us)
    return edge_us - window.size_us <= time_us < edge_us


def _in_stream_window(window: Window, time_us: int, t_us: int) -> bool:
    """Whether a time is in the window read at `t`, which the offset has moved back; each line is a kind of window."""
    size_us, hop_us = window.size_us, window.hop_us
    if window.calendar is not None:
        return time_us <= t_us and _is_this_period(window.calendar, time_us, t_us)
    if size_us is None:
        return time_us <= t_us and (window.lifetime_start_us is None or time_us >= window.lifetime_start_us)
    if not hop_us:
        return t_us - size_us < time_us <= t_us
    grid_us = t_us // hop_us * hop_us
    return grid_us - size_us <= time_us and (time_us < grid_us if window.ends_on_grid else time_us <= t_us)


def _values_by_key(feature: Feature, events: list[Event], end_us: int) -> list[Value]:
    """For each secondary key among the events, ascending, the value of its own events; of a list of keys the keys."""
    assert feature.secondary is not None
    name = feature.secondary.name
    keys = sorted({event.columns[name] for event in events} - {None})
    if feature.function.label == "keys":
        return keys
    return [_window_value(feature, [event for event in events if event.columns[name] == key], end_us) for key in keys]


def _window_value(feature: Feature, events: list[Event], end_us: int) -> Value:
    label = feature.function.label
    if feature.input_column is None:
        return len(events)
    values = [event.columns[feature.input_column] for event in events]
    if label == "latest":
        return values[-1] if values else None
    if feature.function.user is not None:
        return _of_own(feature, [event for event, value in zip(events, values, strict=True) if value is not None])
    there = [(value, end_us - event.time_us) for value, event in zip(values, events, strict=True) if value is not None]
    if match := _DECAYED_LABEL.fullmatch(label):
        return _decayed(match, there)
    return _value_of(label, [value for value, _ in there], feature.input_dtype)


def _of_own(feature: Feature, events: Sequence[Event]) -> Value:
    """What an aggregate of people's own says: its expressions are its definition, over all events at once, without merging."""
    (partial,) = feature.function.partials
    if not events or not isinstance(partial, UserPartial):
        return feature.function.empty
    values = [event.columns[feature.input_column or ""] for event in events]
    return partial.of_all(values, [event.time_us for event in events], feature.function.result_dtype)


def _value_of(label: str, values: list[Value], dtype: pl.DataType | None) -> Value:
    """What a function says of values that are not null, in their order."""
    if match := _LIST_LABEL.fullmatch(label):
        return _end_of_list(values, match[1], distinct=match[2] is not None, limit=int(match[3]))
    if match := _DISTINCT_LABEL.fullmatch(label):
        return distinct_values(values, int(match[1] or 8))
    if match := _PERCENTILE_LABEL.fullmatch(label):
        return percentile_value(values, float(match[1].replace("_", ".")), int(match[2] or 100))
    return _FUNCTIONS[label](values, dtype)


def _decayed(match: re.Match[str], aged: list[tuple[Value, int]]) -> Value:
    """A sum of weights, of weighed values, or their ratio; a weight halves with each half-life of age, in microseconds."""
    half_life_us = sum(int(number) * _UNITS_US[unit] for number, unit in _DURATION.findall(match[2]))
    if match[1] == "count":
        return math.fsum(0.5 ** (age_us / half_life_us) for _, age_us in aged)
    if not aged:
        return None
    newest_us = min(age_us for _, age_us in aged) if match[1] == "mean" else 0  # a ratio does not depend on the end
    weights = [0.5 ** ((age_us - newest_us) / half_life_us) for _, age_us in aged]
    total = _total([float(value) * weight for (value, _), weight in zip(aged, weights, strict=True)])
    return total if match[1] == "sum" else total / math.fsum(weights)


def _end_of_list(values: list[Value], end: str, *, distinct: bool, limit: int) -> list[Value]:
    if distinct and end == "last":
        values = _first_of_each(values[::-1])[::-1]
    elif distinct:
        values = _first_of_each(values)
    return values[-limit:] if end == "last" else values[:limit]


def _first_of_each(values: list[Value]) -> list[Value]:
    seen: set[str] = set()
    kept = []
    for value in values:
        name = repr(value + 0.0 if isinstance(value, float) else value)  # + 0.0 makes -0.0 and 0.0 one
        if name not in seen:
            seen.add(name)
            kept.append(value)
    return kept


def _total(values: list[Value]) -> Value:
    if all(isinstance(value, int) for value in values):
        return sum(values)
    finite = all(math.isfinite(value) for value in values)
    return math.fsum(values) if finite else sum(values)


def _sum(values: list[Value], dtype: pl.DataType) -> Value:
    if not values:
        return None
    total = _total(values)
    if isinstance(total, int) and not -(2**63) <= total < 2**63:
        return OVERFLOW
    return _float32(total) if dtype == pl.Float32 else total


def _float32(value: float) -> float:
    return float(pl.Series([value], dtype=pl.Float64).cast(pl.Float32)[0])


def _mean(values: list[Value], dtype: pl.DataType) -> Value:
    del dtype
    return _total(values) / len(values) if values else None


def _variance(freedom: int) -> Callable[[list[Value], pl.DataType], Value]:
    def variance(values: list[Value], dtype: pl.DataType) -> Value:
        if len(values) <= freedom:
            return None
        mean = _mean(values, dtype)
        return _total([float((value - mean) ** 2) for value in values]) / (len(values) - freedom)

    return variance


def _root(function: Callable[[list[Value], pl.DataType], Value]) -> Callable[[list[Value], pl.DataType], Value]:
    def root(values: list[Value], dtype: pl.DataType) -> Value:
        value = function(values, dtype)
        return None if value is None else math.sqrt(value)

    return root


def _best(pick: Callable[[list[Value]], Value]) -> Callable[[list[Value], pl.DataType], Value]:
    def best(values: list[Value], dtype: pl.DataType) -> Value:
        del dtype
        there = [value for value in values if not (isinstance(value, float) and math.isnan(value))]
        return pick(there) if there else None

    return best


def _at(index: int) -> Callable[[list[Value], pl.DataType], Value]:
    return lambda values, _: values[index] if values else None


_FUNCTIONS: dict[str, Callable[[list[Value], Any], Value]] = {
    "count": lambda values, _: len(values),
    "sum": _sum,
    "mean": _mean,
    "min": _best(min),
    "max": _best(max),
    "var_pop": _variance(0),
    "var_samp": _variance(1),
    "variance": _variance(1),
    "stddev_pop": _root(_variance(0)),
    "stddev_samp": _root(_variance(1)),
    "stddev": _root(_variance(1)),
    "first": _at(0),
    "last": _at(-1),
}


def agree(one: Value, other: Value, scale: float = 0.0) -> bool:
    """Whether two values are the same; floats within 1e-9 of the larger of them and `scale`, the sum of absolute inputs."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(agree(a, b, scale) for a, b in zip(one, other, strict=True))
    if isinstance(one, (str, bool, datetime, date)) or not isinstance(one, float) or not isinstance(other, (float, int)):
        return bool(one == other) and (one is None) == (other is None)
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9 * max(scale, 1e-300))
