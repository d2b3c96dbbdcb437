"""Events by date: how a frame falls into dates, and which dates of the log a range of time touches."""

from datetime import UTC, date, datetime, timedelta

import polars as pl

from tilefold.stores.delta_snapshot import Snapshot
from tilefold.stores.event_columns import DATE, EVENT_ID


def first_of_each(rows: pl.DataFrame) -> pl.DataFrame:
    """The first row of each event id and date."""
    return rows.unique([EVENT_ID, DATE], keep="first", maintain_order=True)


def rows_by_day(rows: pl.DataFrame) -> dict[date, pl.DataFrame]:
    """The rows of each date, repeats dropped."""
    parts = first_of_each(rows).partition_by(DATE, as_dict=True)
    return {day: part for (day,), part in parts.items()}


def dates_between(snapshot: Snapshot, start_us: int, end_us: int) -> set[date]:
    """The dates in the log that the range touches."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    first, last = (epoch + timedelta(microseconds=us) for us in (start_us, end_us - 1))
    return set(snapshot.files.filter(pl.col(DATE).is_between(first.date(), last.date()))[DATE])
