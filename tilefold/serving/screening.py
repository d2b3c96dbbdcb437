"""Looks at pushed events one by one: those that break a rule are told apart, the others go on.

The rule: nothing is dropped without a reason, and a value enters unchanged or not at all. A column that an event lacks is null;
a column that its source does not have refuses it. The first rule that is broken is the reason.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import polars as pl

from tilefold.engine.time import to_datetime
from tilefold.serving.reports import Refused
from tilefold.stores.event_columns import EVENT_ID
from tilefold.stores.event_values import Fit, fit_series, fit_values

SHOWN_LETTERS = 200
Records: TypeAlias = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a source asks of its events.

    Attributes
    ----------
    columns
        Its columns in the types that the log keeps.
    timestamp, keys
        The columns that must not be null.
    latest_us
        An event stamped after it is refused.
    """

    columns: pl.Schema
    timestamp: str
    keys: Sequence[str]
    latest_us: int


@dataclass(slots=True)
class Screened:
    """Events in the source's columns, with `event_id`; and why some of them, by row, are refused.

    `rows` has a row for each event that was given; those of refused ones may hold nulls.
    """

    given: pl.DataFrame | Records
    rows: pl.DataFrame
    reasons: dict[int, str] = field(default_factory=dict)

    def refuse(self, rows: Iterable[int], reason: str) -> None:
        """Give the rows a reason that have none yet."""
        for row in rows:
            self.reasons.setdefault(row, reason)

    def refused(self) -> list[Refused]:
        """The refused events in their order."""
        ids = self.rows[EVENT_ID]
        return [Refused(row, ids[row], self.reasons[row]) for row in sorted(self.reasons)]

    def record(self, row: int, length: int) -> str:
        """An event as it was given, as JSON; cut to `length` letters."""
        given = self.given.row(row, named=True) if isinstance(self.given, pl.DataFrame) else dict(self.given[row])
        try:
            return json.dumps(given, default=str)[:length]
        except (TypeError, ValueError, RecursionError):
            return shown(given, length)


def screen(given: pl.DataFrame | Records, rules: Rules) -> Screened:
    """Events in the types of their source, and which of them are refused."""
    wanted = {**rules.columns, EVENT_ID: pl.String()}
    fits = _frame_fits(given, wanted) if isinstance(given, pl.DataFrame) else _record_fits(given, wanted)
    screened = Screened(given, pl.DataFrame([fit.values for fit in fits.values()]))
    _refuse_unknown(screened, wanted.keys())
    for name, fit in fits.items():
        for row, rule in fit.unfit.items():
            screened.refuse([row], f"column {name!r} {rule}; got {shown(_value(given, row, name))}. {fit.mend}")
    _refuse_nulls(screened, rules)
    _refuse_future(screened, rules)
    return screened


def shown(value: object, length: int = SHOWN_LETTERS) -> str:
    """A value as a person reads it, however large or odd."""
    try:
        return repr(value)[:length]
    except (ValueError, RecursionError):  # a number of too many digits, a list inside of itself
        return f"<{type(value).__name__}>"


def _frame_fits(frame: pl.DataFrame, wanted: Mapping[str, pl.DataType]) -> dict[str, Fit]:
    nothing = pl.Series([None] * frame.height, dtype=pl.Null())
    return {
        name: fit_series(frame[name] if name in frame.columns else nothing.alias(name), dtype) for name, dtype in wanted.items()
    }


def _record_fits(records: Records, wanted: Mapping[str, pl.DataType]) -> dict[str, Fit]:
    return {name: fit_values(name, [record.get(name) for record in records], dtype) for name, dtype in wanted.items()}


def _value(given: pl.DataFrame | Records, row: int, name: str) -> Any:
    return given[name][row] if isinstance(given, pl.DataFrame) else given[row].get(name)


def _refuse_unknown(screened: Screened, known: Iterable[str]) -> None:
    names, given = set(known), screened.given
    mend = "Drop the column, or declare it in the source's schema."
    if isinstance(given, pl.DataFrame):
        if unknown := [name for name in given.columns if name not in names]:
            screened.refuse(range(given.height), f"column {unknown[0]!r} is not declared. {mend}")
        return
    for row, record in enumerate(given):
        if not record.keys() <= names:
            unknown_name = next(name for name in record if name not in names)
            screened.refuse([row], f"column {shown(unknown_name)} is not declared. {mend}")


def _refuse_nulls(screened: Screened, rules: Rules) -> None:
    for name in (rules.timestamp, *rules.keys):
        role = "the timestamp" if name == rules.timestamp else "a join key"
        values = screened.rows[name]
        if values.null_count():
            screened.refuse(values.is_null().arg_true(), f"column {name!r} is {role} and must not be null")


def _refuse_future(screened: Screened, rules: Rules) -> None:
    times = screened.rows[rules.timestamp]
    late = times.dt.timestamp("us") > rules.latest_us
    for row in late.arg_true():
        latest = to_datetime(rules.latest_us).isoformat()
        reason = f"column {rules.timestamp!r} must not be after {latest}, the clock and max_future_skew; got {times[row]}"
        screened.refuse([row], reason)
