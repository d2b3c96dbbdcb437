"""Looks at the rows of a frame, column by column; see `screening`.

The rule: nulls are of every type, so a column of a wrong type refuses the rows that hold something in it, and a column that is
not declared refuses all.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from tilefold.serving.reports import Refused
from tilefold.serving.screening import UNKNOWN_MEND, Pushed, Rules, Screened, future, too_large, unfit
from tilefold.stores.event_columns import EVENT_ID
from tilefold.stores.event_ids import row_ids
from tilefold.stores.event_values import FIRST_US, fit_series
from tilefold.stores.stream_payload import encode_rows
from tilefold.stores.stream_shards import shards_of

_ROW = "__row"


@dataclass(slots=True)
class _Reasons:
    """Why rows are refused: the first reason of each."""

    of_row: dict[int, str] = field(default_factory=dict)

    def add(self, rows: Iterable[int], reason: str) -> None:
        """Give the rows a reason that have none yet."""
        for row in rows:
            self.of_row.setdefault(row, reason)


def screen_frame(frame: pl.DataFrame, rules: Rules, ingested_us: int, latest_us: int) -> Screened:
    """Tell accepted from refused rows."""
    reasons = _Reasons()
    rows = _typed(frame, rules, reasons)
    for name, reason in rules.required.items():
        reasons.add(rows[name].is_null().arg_true(), reason)
    times = rows[rules.timestamp].dt.timestamp("us")
    too_early = (times < FIRST_US).arg_true()
    reasons.add(too_early, f"column {rules.timestamp!r} must not be before the year 1")
    for row in (times > latest_us).arg_true():
        reasons.add([row], future(rules.timestamp, times[row], latest_us))
    pushed = _pushed(rows.with_row_index(_ROW), rules, reasons, ingested_us)
    ids = rows[EVENT_ID]
    return Screened(pushed, [Refused(row, ids[row], reasons.of_row[row]) for row in sorted(reasons.of_row)])


def record_of(frame: pl.DataFrame, row: int) -> dict[str, Any]:
    """A row as plain values."""
    return {name: _cell(series, row) for name, series in frame.to_dict().items()}


def _cell(series: pl.Series, row: int) -> Any:
    """A value as Python has it; its number where Python has none, as for a time in the year 10000."""
    try:
        return series[row]
    except (ValueError, OverflowError, pl.exceptions.PanicException):
        return series.to_physical()[row]


def _typed(frame: pl.DataFrame, rules: Rules, reasons: _Reasons) -> pl.DataFrame:
    """The rows in the source's types, with `event_id`; what did not fit is null and has a reason."""
    wanted = {**rules.columns, EVENT_ID: pl.String()}
    if unknown := [name for name in frame.columns if name not in wanted]:
        reasons.add(range(frame.height), f"column {unknown[0]!r} is not declared. {UNKNOWN_MEND}")
    nothing = pl.Series([None] * frame.height, dtype=pl.Null())
    columns = []
    for name, dtype in wanted.items():
        given = frame[name] if name in frame.columns else nothing.alias(name)
        fit = fit_series(given, dtype)
        for row, rule in fit.unfit.items():
            reasons.add([row], unfit(name, rule, fit.mend, _cell(given, row)))
        columns.append(fit.values)
    return pl.DataFrame(columns)


def _pushed(rows: pl.DataFrame, rules: Rules, reasons: _Reasons, ingested_us: int) -> list[Pushed]:
    """The events of the rows without a reason; those that are too large get one here."""
    if reasons.of_row:
        rows = rows.filter(~pl.col(_ROW).is_in(list(reasons.of_row)))
    ids = rows[EVENT_ID]
    if ids.null_count():
        rows = rows.with_columns(ids.zip_with(ids.is_not_null(), row_ids(rows, rules.columns)).alias(EVENT_ID))
    payloads = encode_rows(rows, rules.columns, ingested_us)
    shards = shards_of(rows, rules.shard_by, rules.shards)
    times = rows[rules.timestamp].dt.timestamp("us")
    pushed = []
    for row, *event in zip(rows[_ROW], shards, rows[EVENT_ID], times, payloads, strict=True):
        made = Pushed(*event)
        if reason := too_large(made.event_id, made.payload, rules.size_bytes_max):
            reasons.add([row], reason)
        else:
            pushed.append(made)
    return pushed
