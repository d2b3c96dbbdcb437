"""What the tests of the Delta stores share: a source, events of it, and tables in a temporary folder."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from tilefold.stores.delta import Table
from tilefold.stores.delta_files import StagedFile, TableSpec
from tilefold.stores.event_log import EventLog
from tilefold.types import Field

DAY = date(2024, 1, 1)
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
ARRIVED = datetime(2024, 1, 9, tzinfo=UTC)
NUMBERS = pl.Schema({"n": pl.Int64(), "day": pl.Date()})


@dataclass(frozen=True)
class Source:
    """As much of a source as the event log looks at."""

    name: str = "spend"
    schema: tuple[Field, ...] | None = (
        Field("user", pl.String),
        Field("at", pl.Datetime("us", "UTC")),
        Field("amount", pl.Float64),
    )
    timestamp_field: str = "at"


def numbers_table(folder: Path) -> TableSpec:
    """A table of numbers by day."""
    return TableSpec(str(folder / "numbers"), NUMBERS, ("day",), ("n",))


def event_log(folder: Path, source: Source | None = None) -> EventLog:
    """A log in the folder; each call opens it anew, as another process would."""
    return EventLog(str(folder / "log"), source or Source())


def events(*amounts: float, day: int = 0, hour: int = 12) -> pl.DataFrame:
    """One event for each amount, all at one hour of 2024-01-01 plus `day`."""
    at = datetime(2024, 1, 1, hour, tzinfo=UTC) + timedelta(days=day)
    columns = {"user": ["u"] * len(amounts), "at": [at] * len(amounts), "amount": list(amounts)}
    return pl.DataFrame(columns, schema={"user": pl.String, "at": pl.Datetime("us", "UTC"), "amount": pl.Float64})


def amounts(log: EventLog) -> list[float]:
    """The amounts of all events in the log, ascending."""
    return sorted(log.snapshot().scan(columns=["amount"]).collect()["amount"])


def at_us(day: int = 0, hour: int = 0) -> int:
    """Microseconds of an hour of 2024-01-01 plus `day`."""
    return int((datetime(2024, 1, 1, hour, tzinfo=UTC) + timedelta(days=day)).timestamp()) * 1_000_000


def staged(table: Table, *values: int) -> StagedFile:
    """A written file of these numbers that no commit names."""
    return table.stage(pl.DataFrame({"n": values}, schema={"n": pl.Int64}), {"day": DAY})


def numbers(table: Table) -> list[int]:
    """All numbers that a reader of the table sees, ascending."""
    snapshot = table.snapshot()
    return sorted(snapshot.scan(snapshot.files, columns=["n"]).collect()["n"])
