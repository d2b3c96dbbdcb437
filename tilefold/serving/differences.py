"""What differs between two descriptions of a view, in plain words.

The rule: a line per thing that a person has changed; what follows from another thing (the finest grid from the windows) is told
only where nothing else is.
"""

import base64
import difflib
import io
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import polars as pl

Facts = Mapping[str, Any]

_TOLD = {
    "source": "source",
    "mode": "mode",
    "timestamp_field": "timestamp_field",
    "leading_edge": "leading edge",
    "online": "online",
    "offline": "offline",
    "compaction_enabled": "compaction_enabled",
}
_TIMES = {"schedule_us": "batch_schedule", "valid_for_us": "valid for", "data_delay_us": "data_delay"}
_STARTS = {"feature_start_us": "feature_start_time", "lifetime_start_us": "lifetime_start_time"}
_COLUMNS = {"join_keys": "join keys", "columns": "columns", "secondary_key": "aggregation_secondary_key"}
_LINES_MAX = 12


def differences(old: Facts, new: Facts) -> list[str]:
    """Each difference in a line."""
    told = [*_settings(old, new), *_features(old, new), *_code(old, new)]
    if not told and old["cell_us"] != new["cell_us"]:
        told = [f"grid: {_span(old['cell_us'])} -> {_span(new['cell_us'])}"]
    return told or ["what is stored differs in its form alone"]


def _settings(old: Facts, new: Facts) -> Iterator[str]:
    for names, show in ((_TOLD, str), (_TIMES, _span), (_STARTS, _time), (_COLUMNS, _columns)):
        for name, told in names.items():
            if old[name] != new[name]:
                before, after = show(old[name]), show(new[name])
                if before != after:
                    yield f"{told}: {before} -> {after}"


def _features(old: Facts, new: Facts) -> Iterator[str]:
    before = {each["name"]: _feature(each) for each in old["features"]}
    after = {each["name"]: _feature(each) for each in new["features"]}
    for name in after.keys() - before.keys():
        yield f"feature {name} is added: {after[name]}"
    for name in before.keys() - after.keys():
        yield f"feature {name} is removed: {before[name]}"
    for name in before.keys() & after.keys():
        if before[name] != after[name]:
            yield f"feature {name} is changed: {before[name]} -> {after[name]}"


def _code(old: Facts, new: Facts) -> Iterator[str]:
    if old["code"] == new["code"]:
        return
    pairs = difflib.unified_diff(old["code"].splitlines(), new["code"].splitlines(), lineterm="", n=0)
    lines = [line for line in pairs if line[:2] not in ("--", "++", "@@")]
    shown = "; ".join(lines[:_LINES_MAX])
    more = f"; and {len(lines) - _LINES_MAX} more lines" if len(lines) > _LINES_MAX else ""
    yield f"transformation: {shown}{more}"


def _feature(facts: Facts) -> str:
    """A feature in words: its function, column and windows."""
    asked = facts["function"]
    if asked is None:
        called = "the latest value" if facts["input_column"] else "the secondary keys"
    else:
        parameters = ", ".join(f"{name}={_parameter(value)}" for name, value in asked[1])
        called = f"{asked[0]}({parameters})" if parameters else asked[0]
    column = f" of {facts['input_column']}" if facts["input_column"] else ""
    windows = [_window(each) for each in facts["windows"]]
    over = windows[0] if not facts["is_series"] else f"{len(windows)} windows, the first {windows[0]}"
    return f"{called}{column} over {over}"


def _parameter(value: Any) -> str:
    return _span(value["us"]) if isinstance(value, dict) else str(value)


def _window(facts: Facts) -> str:
    calendar = facts.get("calendar")
    size = "lifetime" if facts["size_us"] is None else _span(facts["size_us"])
    if calendar is not None:
        size = f"this {calendar['unit']} in {calendar['time_zone']}"
    if facts["ttl_us"] is not None:
        size = f"a ttl of {_span(facts['ttl_us'])}"
    moved = f", moved back by {_span(facts['offset_us'])}" if facts["offset_us"] else ""
    start = f", from {_time(facts['lifetime_start_us'])}" if facts["lifetime_start_us"] is not None else ""
    hop = facts["hop_us"]
    grid = "" if hop is None or facts["size_us"] is None else f", trailing edge {_span(hop) if hop else 'exact'}"
    return f"{size}{moved}{start}{grid}"


def _span(span_us: int) -> str:
    """A span as a person writes it.

    Examples
    --------
    >>> _span(3_600_000_000), _span(7 * 86_400_000_000)
    ('1h', '7d')
    """
    for unit, size_us in (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000)):
        if span_us and span_us % size_us == 0:
            return f"{span_us // size_us}{unit}"
    return str(timedelta(microseconds=span_us))


def _time(time_us: int) -> str:
    return str(pl.Series([time_us]).cast(pl.Datetime("us", "UTC")).dt.strftime("%Y-%m-%d %H:%M")[0])


def _columns(text: str) -> str:
    schema = pl.read_ipc(io.BytesIO(base64.b64decode(text))).schema
    return ", ".join(f"{name} {dtype}" for name, dtype in schema.items()) or "none"
