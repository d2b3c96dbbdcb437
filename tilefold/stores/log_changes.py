"""What appending, importing and replacing mean for one date of an event log.

The rule: each is a function from the files of a date in one version, and the new rows, to the rows that come and the files
that go. None of them writes; so all can be decided again from a newer version.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tilefold.stores.delta_snapshot import Snapshot
from tilefold.stores.event_columns import APPENDED, DATE, EVENT_ID, IMPORTED, ORIGIN, REPLACED


@dataclass(frozen=True, slots=True)
class LogDay:
    """The files of one date in one version."""

    snapshot: Snapshot
    files: pl.DataFrame

    def ids(self, files: pl.DataFrame) -> pl.DataFrame:
        """Event ids of `files`."""
        if files.is_empty():  # the usual case; saves a query per date
            return pl.DataFrame(schema={EVENT_ID: pl.String()})
        return self.snapshot.collect(self.snapshot.scan(files, columns=[EVENT_ID]))

    def key(self) -> tuple[str, ...]:
        """Equal for two versions in which this date is the same."""
        return tuple(self.files["path"].sort())


@dataclass(frozen=True, slots=True)
class DayChange:
    """The change of one date.

    Attributes
    ----------
    adds
        Origin and rows of each file that comes.
    removes
        Files that go, rows of `Snapshot.files`.
    accepted
        How many of the new rows come in.
    """

    adds: Sequence[tuple[str, pl.DataFrame]]
    removes: pl.DataFrame
    accepted: int

    def is_empty(self) -> bool:
        """Whether nothing comes and nothing goes."""
        return not self.adds and self.removes.is_empty()


def append_day(day: LogDay, rows: pl.DataFrame) -> DayChange:
    """Add the rows whose ids the date does not hold."""
    fresh = rows.join(day.ids(day.files), on=EVENT_ID, how="anti", maintain_order="left")
    return DayChange(_file(APPENDED, fresh), day.files.clear(), fresh.height)


def import_day(day: LogDay, rows: pl.DataFrame) -> DayChange:
    """Let `rows` be the date's imported rows; ids that came another way stay as they are, the same ids change nothing."""
    imported = day.files.filter(pl.col(ORIGIN) == IMPORTED)
    others = day.files.filter(pl.col(ORIGIN) != IMPORTED)
    wanted = rows.join(day.ids(others), on=EVENT_ID, how="anti", maintain_order="left")
    held = day.ids(imported)
    if held.height == wanted.height and held.join(wanted, on=EVENT_ID, how="anti").is_empty():
        return DayChange((), day.files.clear(), 0)
    return DayChange(_file(IMPORTED, wanted), imported, wanted.height)


def replace_day(day: LogDay, rows: pl.DataFrame, outside: pl.Expr) -> DayChange:
    """Drop the date's rows that are not `outside`, then add `rows`."""
    kept = day.snapshot.collect(day.snapshot.scan(day.files).filter(outside))
    fresh = rows.join(kept, on=EVENT_ID, how="anti", maintain_order="left")
    if fresh.is_empty() and kept.height == day.files["rows"].sum():
        return DayChange((), day.files.clear(), 0)
    origins = kept.partition_by(ORIGIN, as_dict=True, include_key=False)
    adds = [(str(origin), part) for (origin,), part in origins.items()]
    return DayChange([*adds, *_file(APPENDED, fresh)], day.files, fresh.height)


def _file(origin: str, rows: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    return [] if rows.is_empty() else [(origin, rows)]


def replaced_claims(removes: pl.DataFrame, epoch: int) -> dict[str, int]:
    """What tells later that rows of some dates were taken away: values served before rightly differ from the log since."""
    days = removes[DATE].unique().sort()
    return dict.fromkeys([REPLACED, *(f"{REPLACED}/{day}" for day in days)], epoch) if len(days) else {}
