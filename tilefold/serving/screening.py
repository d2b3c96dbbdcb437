"""Looks at pushed events one by one: those that break a rule are told apart, the others go on.

The rule: nothing is dropped without a reason, and a value enters unchanged or not at all. A column that an event lacks is null;
a column that its source does not have refuses it. The first rule that is broken is the reason: unknown columns, types in the
order of the schema, nulls, the future, size. Records are looked at one after the other, frames column by column
(`screening_frames`); both tell the same.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import polars as pl

from tilefold.engine.time import to_datetime
from tilefold.serving.reports import Refused
from tilefold.stores.event_columns import EVENT_ID
from tilefold.stores.event_values import LAST_US, fit_rule
from tilefold.stores.plain_rows import PlainRows
from tilefold.stores.plain_values import check_of
from tilefold.stores.stream_shards import plain_shards

SHOWN_LETTERS = 200
UNKNOWN_MEND = "Drop the column, or declare it in the source's schema."
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
    shard_by, shards
        The column that chooses the shard, and how many shards there are.
    size_bytes_max
        The largest record.
    """

    columns: pl.Schema
    timestamp: str
    keys: Sequence[str]
    shard_by: str | None
    shards: int
    size_bytes_max: int

    @property
    def required(self) -> dict[str, str]:
        """The columns that must not be null, each with the reason."""
        roles = dict.fromkeys(self.keys, "a join key") | {self.timestamp: "the timestamp"}
        return {name: f"column {name!r} is {role} and must not be null" for name, role in roles.items()}


class Pushed(NamedTuple):
    """An accepted event as it goes into the log."""

    shard: int
    event_id: str
    time_us: int
    payload: bytes


@dataclass(slots=True)
class Screened:
    """The accepted events in their order, and the refused ones in theirs."""

    pushed: list[Pushed] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class RecordScreen:
    """Looks at the records of one source."""

    def __init__(self, rules: Rules) -> None:
        self._rules, self._rows = rules, PlainRows(rules.columns)
        self._known = {*rules.columns, EVENT_ID}
        checks = {name: check_of(dtype) for name, dtype in rules.columns.items()}
        self._columns = [(name, checks[name], self._rows.physical[name]) for name in rules.columns]
        numbers = {name: number for number, name in enumerate(rules.columns)}
        self._required = [(numbers[name], reason) for name, reason in rules.required.items()]
        self._time = numbers[rules.timestamp]
        self._is_text = check_of(pl.String())
        self._shard = plain_shards(rules.columns, rules.shard_by, rules.shards)

    def screen(self, records: Records, ingested_us: int, latest_us: int) -> Screened:
        """Tell accepted from refused records."""
        screened = Screened()
        for row, record in enumerate(records):
            event = self._event(record, ingested_us, latest_us)
            if isinstance(event, str):
                given = record.get(EVENT_ID)
                screened.refused.append(Refused(row, given if self._is_text(given) else None, event))
            else:
                screened.pushed.append(event)
        return screened

    def _event(self, record: Mapping[str, Any], ingested_us: int, latest_us: int) -> Pushed | str:
        """The event of a record, or why it is refused."""
        values = self._values(record)
        if isinstance(values, str):
            return values
        for number, reason in self._required:
            if values[number] is None:
                return reason
        if values[self._time] > latest_us:
            return future(self._rules.timestamp, values[self._time], latest_us)
        event_id = record.get(EVENT_ID)
        if event_id is None:
            event_id = self._rows.event_id(values)
        payload = self._rows.payload(values, ingested_us)
        if (reason_of_size := too_large(event_id, payload, self._rules.size_bytes_max)) is not None:
            return reason_of_size
        return Pushed(self._shard(values, event_id), event_id, values[self._time], payload)

    def _values(self, record: Mapping[str, Any]) -> list[Any] | str:
        """The physical values, or the first column that is unknown or does not fit."""
        if not record.keys() <= self._known:
            unknown = next(name for name in record if name not in self._known)
            return f"column {shown(unknown)} is not declared. {UNKNOWN_MEND}"
        values: list[Any] = []
        for name, fits, physical in self._columns:
            value = record.get(name)
            if value is None:
                values.append(None)
            elif fits(value):
                values.append(physical(value))
            else:
                return unfit(name, *fit_rule(value, self._rules.columns[name]), value)
        event_id = record.get(EVENT_ID)
        if event_id is not None and not self._is_text(event_id):
            return unfit(EVENT_ID, *fit_rule(event_id, pl.String()), event_id)
        return values


def unfit(name: str, rule: str, mend: str, value: object) -> str:
    """Why an event with a value that does not fit its column is refused."""
    return f"column {name!r} {rule}; got {shown(value)}. {mend}"


def future(timestamp: str, time_us: int, latest_us: int) -> str:
    """Why an event that is too far ahead is refused."""
    latest = to_datetime(latest_us).isoformat(" ")
    time = to_datetime(time_us).isoformat(" ") if time_us <= LAST_US else f"{time_us} us"
    return f"column {timestamp!r} must not be after {latest}, the clock and max_future_skew; got {time}"


def too_large(event_id: str, payload: bytes, limit: int) -> str | None:
    """Why an event is refused for its size; None if it is not."""
    size = len(payload) + len(event_id.encode())
    return f"the record must have at most {limit} bytes, as set by record_bytes_max; got {size}" if size > limit else None


def shown(value: object, length: int = SHOWN_LETTERS) -> str:
    """A value as a person reads it, however large or odd."""
    try:
        return repr(value)[:length]
    except (ValueError, RecursionError):  # a number of too many digits, a list inside of itself
        return f"<{type(value).__name__}>"


def as_json(record: Mapping[str, Any], length: int) -> str:
    """A refused record as JSON, or as Python shows it where JSON cannot; cut to `length` letters."""
    try:
        return json.dumps(dict(record), default=str)[:length]
    except (TypeError, ValueError, RecursionError):
        return shown(record, length)
