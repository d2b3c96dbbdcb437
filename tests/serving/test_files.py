"""Sources with files: Parquet, CSV and Delta, imported by day, again and again, and what is refused."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipelines import DAY, EVENTS, USER, day, frame, opened
from tilefold import Aggregate, BatchSource, FileConfig, Workspace, batch_feature_view
from tilefold.errors import FileError, InputError
from tilefold.types import Timestamp

ROWS = [("a", 0.5, 4), ("a", 1.25, 5), ("b", 1.5, 6), ("b", 2.5, 7), ("b", 9.5, 8)]


def viewing(uri: str, file_format: str = "parquet", *, declared: bool = True) -> Any:
    """A view of the counts of files."""
    config = FileConfig(uri, file_format)
    source = BatchSource("files", schema=EVENTS.schema if declared else None, timestamp_field="at", batch_config=config)

    @batch_feature_view(
        name="counted",
        source=source,
        entities=[USER],
        features=[Aggregate(function="count", time_window=DAY), Aggregate(function="count", time_window=5 * DAY)],
        feature_start_time=day(0),
    )
    def counted(files: pl.LazyFrame) -> pl.LazyFrame:
        return files.select("user", "at")

    return counted


def write(place: Path, rows: Any, file_format: str = "parquet") -> str:
    """Files of events; what names them."""
    place.mkdir(parents=True, exist_ok=True)
    events = frame(rows)
    if file_format == "delta":
        events.write_delta(str(place / "table"), mode="overwrite")
        return str(place / "table")
    for number, part in enumerate(events.partition_by("user")):
        if file_format == "csv":
            part.with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")).write_csv(place / f"{number}.csv")
        else:
            part.write_parquet(place / f"{number}.parquet")
    return str(place / f"*.{file_format}")


def counts(ws: Workspace, edge: datetime) -> list[Any]:
    """How many events in five days each user has."""
    found = ws.get_features_batch("counted", [{"user": "a"}, {"user": "b"}], at=edge)
    return [vector.values["counted.count_5d"] for vector in found]


@pytest.mark.parametrize("file_format", ["parquet", "csv", "delta"])
@pytest.mark.parametrize("declared", [True, False])
def test_formats(tmp_path: Path, online_url: str, file_format: str, declared: bool) -> None:
    """Materialize imports the files of each format up to the watermark, with a schema or without one."""
    uri = write(tmp_path / "in", ROWS, file_format)
    with opened(tmp_path / "root", online_url, viewing(uri, file_format, declared=declared), now=day(3.5)) as ws:
        assert ws.file_days("files") == [date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 10)]
        ws.materialize("counted", day(3))
        assert counts(ws, day(3)) == [2, 2]
        assert ws.materialize("counted", day(3)).skipped
        assert ws.event_log("files").snapshot().scan().collect().height == 4


def test_import_by_day(tmp_path: Path, online_url: str) -> None:
    """Only the asked days are imported; a repeat accepts nothing."""
    uri = write(tmp_path / "in", ROWS)
    with opened(tmp_path / "root", online_url, viewing(uri), now=day(3.5)) as ws:
        receipt = ws.import_days("files", day(1), day(2))
        assert (receipt.accepted, receipt.duplicate, receipt.days) == (2, 0, (date(2024, 1, 2),))
        again = ws.import_days("files", day(1), day(2))
        assert (again.accepted, again.duplicate, again.days) == (0, 2, ())


def test_files_that_changed(tmp_path: Path, online_url: str) -> None:
    """Importing a day again lets the log hold what the files hold now; appended events stay."""
    uri = write(tmp_path / "in", ROWS)
    with opened(tmp_path / "root", online_url, viewing(uri), now=day(3.5)) as ws:
        ws.materialize("counted", day(3))
        ws.append("files", frame([("a", 1.75, 50)]))
        write(tmp_path / "in", [("a", 1.25, 5), ("b", 1.9, 60), ("b", 1.95, 61)])
        ws.import_days("files", day(1), day(2))
        ws.materialize("counted", day(3))
        assert counts(ws, day(3)) == [3, 3]


@pytest.mark.parametrize("first", ["a later day was imported", "an event was appended"])
def test_missing_days_are_imported(tmp_path: Path, online_url: str, first: str) -> None:
    """Materialize imports every day that never was, also before days that the log holds already."""
    uri = write(tmp_path / "in", ROWS)
    with opened(tmp_path / "root", online_url, viewing(uri), now=day(3.5)) as ws:
        if first == "an event was appended":
            ws.append("files", frame([("a", 2.75, 50)]))
        else:
            ws.import_days("files", day(2), day(3))
        ws.materialize("counted", day(3))
        assert counts(ws, day(3)) == ([3, 2] if first == "an event was appended" else [2, 2])


def test_the_last_day_may_grow(tmp_path: Path, online_url: str) -> None:
    """Events that came to the last imported day's files since are imported with the next materialization."""
    uri = write(tmp_path / "in", ROWS[:3])
    with opened(tmp_path / "root", online_url, viewing(uri), now=day(3.5)) as ws:
        ws.materialize("counted", day(2))
        write(tmp_path / "in", [*ROWS, ("a", 1.95, 9)])
        ws.materialize("counted", day(3))
        assert counts(ws, day(3)) == [3, 2]


def test_relative_to_the_root(tmp_path: Path, online_url: str) -> None:
    """A relative location starts from the workspace's root."""
    write(tmp_path / "root" / "in", ROWS)
    with opened(tmp_path / "root", online_url, viewing("in/*.parquet"), now=day(3.5)) as ws:
        assert len(ws.file_days("files")) == 4


def _unreadable(place: Path) -> tuple[str, str]:
    place.mkdir()
    (place / "0.parquet").write_bytes(b"this is no Parquet file")
    return str(place / "*.parquet"), "parquet"


BROKEN: dict[str, Any] = {
    "missing": lambda place: (str(place / "nothing.parquet"), "parquet"),
    "no match": lambda place: (str(place / "*.parquet"), "parquet"),
    "no parquet": _unreadable,
    "no table": lambda place: (str(place / "table"), "delta"),
    "no csv": lambda place: (str(place / "nothing.csv"), "csv"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_unreadable_files(tmp_path: Path, online_url: str, case: str) -> None:
    """Files that are missing or broken are a FileError that names the source and the place; nothing is committed."""
    uri, file_format = BROKEN[case](tmp_path / "in")
    with opened(tmp_path / "root", online_url, viewing(uri, file_format), now=day(3.5)) as ws:
        for call in (lambda: ws.materialize("counted", day(3)), lambda: ws.import_days("files", day(0), day(3))):
            with pytest.raises(FileError, match=r"source 'files': its files must be readable; got .*in/"):
                call()
        assert ws.context("counted").compacted.partitions() == []


def _changed(**columns: Any) -> pl.DataFrame:
    return frame([("a", 1.5, 4), ("b", 1.75, 5)]).with_columns(**columns)


BAD: dict[str, tuple[pl.DataFrame, str]] = {
    "naive": (_changed(at=pl.col("at").dt.replace_time_zone(None)), "column 'at' of .* must be a UTC time"),
    "no time": (_changed().drop("at"), "column 'at' of .* must be a UTC time; got 'None'"),
    "text": (_changed(at=pl.lit("2024-01-02")), "column 'at' of .* must be a UTC time; got 'String'"),
    "wrong type": (_changed(units=pl.lit("five")), "'units', row 0: must be of type Int64, not String"),
    "missing": (_changed().drop("units"), "column 'units' is missing"),
    "unknown": (_changed(colour=pl.lit("red")), "every column must be declared; got 'colour'"),
    "null key": (_changed(user=pl.lit(None, pl.String)), "'user', row 0: is a join key and must not be null"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_events_in_files(tmp_path: Path, online_url: str, case: str) -> None:
    """Events in files that break a rule are an InputError that says which, and nothing is imported."""
    events, message = BAD[case]
    events.write_parquet(tmp_path / "events.parquet")
    with opened(tmp_path / "root", online_url, viewing(str(tmp_path / "events.parquet")), now=day(3.5)) as ws:
        with pytest.raises(InputError, match=message):
            ws.materialize("counted", day(3))
        assert not ws.event_log("files").snapshot().has_history()


def test_a_naive_time_in_csv(tmp_path: Path, online_url: str) -> None:
    """Times in CSV without a zone are refused; with a Z they are UTC."""
    (tmp_path / "in.csv").write_text("user,at,amount,units,label\na,2024-01-02T12:00:00,1.0,1,x\n")
    with opened(tmp_path / "root", online_url, viewing(str(tmp_path / "in.csv"), "csv"), now=day(3.5)) as ws:
        with pytest.raises(InputError, match="must be a UTC time"):
            ws.materialize("counted", day(3))
        (tmp_path / "in.csv").write_text("user,at,amount,units,label\na,2024-01-02T12:00:00Z,1.0,1,x\n")
        ws.materialize("counted", day(3))
        rows = ws.event_log("files").snapshot().scan().collect()
        assert rows["at"].to_list() == [datetime(2024, 1, 2, 12, tzinfo=UTC)]
        assert rows.schema["at"] == Timestamp


def test_a_source_without_files(tmp_path: Path, online_url: str) -> None:
    """Only a source with files is imported."""
    view = batch_feature_view(
        source=EVENTS, entities=[USER], features=[Aggregate(function="count", time_window=DAY)], feature_start_time=day(0)
    )(_passed)
    with opened(tmp_path, online_url, view, now=day(3)) as ws, pytest.raises(InputError, match="only a source with files"):
        ws.import_days("events", day(0), day(1))


def _passed(events: pl.LazyFrame) -> pl.LazyFrame:
    return events
