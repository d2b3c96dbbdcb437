"""Turns what a caller hands in into rows of the event log, or refuses it whole.

The rule: a value enters the log unchanged or not at all. Types are only changed where the value stays the same (a wider
integer, another unit or zone of the same instant, a category as its text); strings are never parsed and floats never become
integers. Every refusal names the source, the column, the rule, the value with its row, and what to do.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import polars as pl

from tilefold.errors import FileError, InputError, complaint
from tilefold.stores.event_columns import EVENT_ID, check_columns
from tilefold.stores.event_ids import row_ids
from tilefold.stores.event_values import FIRST_US, LAST_US, as_typed, from_records, learned_type, refusal


def conform(
    frame: pl.DataFrame | pl.LazyFrame | Sequence[Mapping[str, Any]],
    source: str,
    columns: pl.Schema,
    timestamp: str,
    key_columns: Collection[str] = (),
) -> pl.DataFrame:
    """The rows with exactly `columns` in their dtypes and a filled `event_id`.

    Parameters
    ----------
    frame
        Rows in any order; may hold `event_id` (String, null where unknown) beside the columns.
    source, columns, timestamp
        The source's name, columns and the one of them that holds an event's time.
    key_columns
        Columns that must not be null, beside the timestamp; those that the source does not have are left out.

    Raises
    ------
    InputError
        The frame breaks a rule; nothing of it is used.
    """
    frame = collected(frame, source, columns)
    _check_names(frame, source, columns)
    typed = frame.select(as_typed(frame[name], source, dtype) for name, dtype in columns.items())
    for name in (timestamp, *(name for name in key_columns if name in columns)):
        _check_no_nulls(typed[name], source, "the timestamp" if name == timestamp else "a join key")
    _check_years(typed[timestamp], source)
    return typed.with_columns(_ids(frame, typed, source))


def _check_years(times: pl.Series, source: str) -> None:
    times_us = times.dt.timestamp("us")
    outside = ~times_us.is_between(FIRST_US, LAST_US)
    if outside.any():
        row = int(outside.arg_max() or 0)
        mend = f"Correct or drop these rows ({int(outside.sum())} of {len(times)})."
        rule = "must lie in the years 1 to 9999, as microseconds"
        raise refusal(source, times.name, row, rule=rule, value=times_us[row], mend=mend)


def _run(frame: pl.LazyFrame, source: str) -> pl.DataFrame:
    try:
        return frame.collect(engine="streaming")
    except (OSError, pl.exceptions.PolarsError) as error:
        mend = "Check the files, their format and the columns named in the source's batch_config."
        rule = "its rows must be readable"
        raise FileError(complaint(f"source {source!r}", rule, str(error).strip()[:300], mend)) from error


def _check_names(frame: pl.DataFrame, source: str, columns: pl.Schema) -> None:
    known = {*columns, EVENT_ID}
    if missing := [name for name in columns if name not in frame.columns]:
        mend = f"It must hold {', '.join(columns)}."
        raise InputError(complaint(f"source {source!r}", f"column {missing[0]!r} is missing", frame.columns, mend))
    if unknown := [name for name in frame.columns if name not in known]:
        mend = "Drop the column, or declare it in the source's schema."
        raise InputError(complaint(f"source {source!r}", "every column must be declared", unknown[0], mend))


def _ids(frame: pl.DataFrame, typed: pl.DataFrame, source: str) -> pl.Series:
    if EVENT_ID not in frame.columns:
        return row_ids(typed, typed.schema)
    given = as_typed(frame[EVENT_ID], source, pl.String())
    return given if not given.null_count() else given.zip_with(given.is_not_null(), row_ids(typed, typed.schema))


def _check_no_nulls(series: pl.Series, source: str, role: str) -> None:
    if count := series.null_count():
        row = int(series.is_null().arg_max() or 0)
        mend = f"Drop or fill these rows ({count} of {len(series)})."
        raise refusal(source, series.name, row, rule=f"is {role} and must not be null", value=None, mend=mend)


def learn_columns(frame: pl.DataFrame, source: str) -> pl.Schema:
    """The columns of a source that declares none, from its first rows.

    Raises
    ------
    InputError
        A column holds only nulls, or has a type that cannot be stored.
    """
    columns = pl.Schema({name: learned_type(source, series) for name, series in frame.to_dict().items() if name != EVENT_ID})
    check_columns(source, columns)
    return columns


def collected(
    frame: pl.DataFrame | pl.LazyFrame | Sequence[Mapping[str, Any]], source: str, columns: pl.Schema | None
) -> pl.DataFrame:
    """The rows in memory; records become a frame with the declared dtypes.

    Raises
    ------
    InputError
        Records whose values do not have the declared types.
    FileError
        A LazyFrame whose files cannot be read.
    """
    if isinstance(frame, pl.LazyFrame):
        return _run(frame, source)
    if isinstance(frame, pl.DataFrame):
        return frame if frame.width or columns is None else pl.DataFrame(schema=columns)
    return from_records(frame, source, columns)
