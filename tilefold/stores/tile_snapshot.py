"""One pinned version of a tile table: what each day holds, and scans of exactly the wanted files.

The rule: the log names every file's date, bucket and rows, so that a scan opens no file that it does not need.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from tilefold.stores.delta_snapshot import Snapshot, fingerprint

DATE = "tf_date"
BUCKET = "tf_bucket"
BUILT_FROM = "tf_built_from"
PARTITIONS = pl.Schema({DATE: pl.Date(), BUCKET: pl.Int32(), BUILT_FROM: pl.Int64()})


@dataclass(frozen=True, slots=True)
class DayTiles:
    """What the table holds of one date.

    Attributes
    ----------
    rows, size_bytes
        Sums over the day's files.
    fingerprint
        The state of the day's events that the tiles were built from.
    files
        63-bit hash of the files' names: equal means the same tiles.
    """

    rows: int
    size_bytes: int
    fingerprint: int
    files: int


@dataclass(frozen=True)
class TileSnapshot:
    """The tiles of a view at one version."""

    pinned: Snapshot

    @property
    def version(self) -> int:
        """Delta's version; -1 where no tile was built yet."""
        return self.pinned.version

    def days(self) -> dict[date, DayTiles]:
        """Every built date, ascending, days without tiles included."""
        return dict(self._days)

    @cached_property
    def _days(self) -> dict[date, DayTiles]:
        """Worked out once: a version never changes."""
        facts = [pl.col("rows").sum(), pl.col("size_bytes").sum(), pl.col(BUILT_FROM).first(), pl.col("path").sort()]
        grouped = self.pinned.files.group_by(DATE).agg(facts).sort(DATE)
        return {day: DayTiles(rows, size, built, fingerprint(paths)) for day, rows, size, built, paths in grouped.iter_rows()}

    def scan(self, start: date | None = None, end: date | None = None, bucket: int | None = None) -> pl.LazyFrame:
        """Tiles of the dates `start <= date < end` (open where None) and of one bucket (all where None)."""
        return self.pinned.scan(self._files(start, end, bucket), columns=self.pinned.spec.file_schema.names())

    def scan_files(self, start: date | None = None, end: date | None = None, bucket: int | None = None) -> list[pl.LazyFrame]:
        """The same as `scan`, one frame per file, ascending by date: for merges of files that are sorted inside."""
        columns = self.pinned.spec.file_schema.names()
        files = self._files(start, end, bucket)
        return [self.pinned.scan(file, columns=columns) for file in files.iter_slices(1)]

    def value_range(self, column: str, start: date | None = None, end: date | None = None) -> tuple[int, int] | None:
        """Smallest and largest value of a column with statistics in `start <= date < end`; None where there are no tiles."""
        files = self._files(start, end, None)
        found = files.select(pl.col(f"{column}_min").min(), pl.col(f"{column}_max").max()).row(0)
        return None if None in found else (int(found[0]), int(found[1]))

    def _files(self, start: date | None, end: date | None, bucket: int | None) -> pl.DataFrame:
        wanted = [pl.col("rows") > 0]
        wanted += [] if start is None else [pl.col(DATE) >= start]
        wanted += [] if end is None else [pl.col(DATE) < end]
        wanted += [] if bucket is None else [pl.col(BUCKET) == bucket]
        return self.pinned.files.filter(wanted).sort(DATE, BUCKET)  # rows in order of time make compaction's sort cheap
