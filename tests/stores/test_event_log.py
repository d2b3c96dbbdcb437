from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.stores.delta_samples import ARRIVED, DAY, Source, amounts, at_us, event_log, events
from tilefold.errors import ConflictError, InputError
from tilefold.stores import delta
from tilefold.stores.delta import Change
from tilefold.stores.event_log import AppendResult, Barrier, EventLog
from tilefold.types import Field

NEXT = DAY + timedelta(days=1)


def _append(log: EventLog, frame: pl.DataFrame) -> AppendResult:
    return log.append(frame, ingested_at=ARRIVED, key_columns=["user"])


def _import(log: EventLog, frames: dict[date, pl.DataFrame]) -> AppendResult:
    return log.import_days(frames, ingested_at=ARRIVED, key_columns=["user"])


def _replace(log: EventLog, frame: pl.DataFrame, start_us: int, end_us: int) -> AppendResult:
    return log.replace(frame, start_us, end_us, ingested_at=ARRIVED)


def test_events_come_back_as_they_went_in(tmp_path: Path) -> None:
    """Rows keep their values and types, and get the columns that the log adds."""
    log = event_log(tmp_path)
    _append(log, events(1.0, 2.0))
    row = event_log(tmp_path).snapshot().scan().sort("amount").collect().row(0, named=True)
    assert {**row, "event_id": len(row["event_id"])} == {
        **events(1.0).row(0, named=True),
        "event_id": 32,
        "tf_ingested_at": ARRIVED,
        "tf_epoch": 1,
        "tf_shard": None,
        "tf_position": None,
        "tf_date": DAY,
        "tf_origin": "append",
    }


def test_appending_again_changes_nothing(tmp_path: Path) -> None:
    """Events that the log holds are dropped, and without new ones no commit is made."""
    log = event_log(tmp_path)
    assert _append(log, events(1.0, 2.0)) == AppendResult(2, 0, (DAY,), 1)
    assert _append(event_log(tmp_path), events(2.0, 1.0)) == AppendResult(0, 2, (), 1)


def test_repeats_within_a_frame_enter_once(tmp_path: Path) -> None:
    """Of rows with one id the first enters."""
    log = event_log(tmp_path)
    result = _append(log, events(5.0, 6.0).with_columns(event_id=pl.lit("same")))
    assert (result.accepted, result.duplicate, amounts(log)) == (1, 1, [5.0])


def test_an_id_counts_once_per_date(tmp_path: Path) -> None:
    """The same id on another date is another event."""
    log = event_log(tmp_path)
    both = pl.concat([events(1.0), events(1.0, day=1)]).with_columns(event_id=pl.lit("same"))
    assert _append(log, both) == AppendResult(2, 0, (DAY, NEXT), 1)


def test_dates_are_those_of_utc(tmp_path: Path) -> None:
    """An event belongs to the UTC date of its own timestamp, to the microsecond."""
    log = event_log(tmp_path)
    last = events(1.0).with_columns(pl.lit(at_us(1) - 1).cast(pl.Datetime("us", "UTC")).alias("at"))
    assert _append(log, pl.concat([last, events(2.0, day=1, hour=0)])).days == (DAY, NEXT)


def test_a_wrong_frame_leaves_nothing(tmp_path: Path) -> None:
    """One wrong row refuses the whole frame, and the log stays as it was."""
    log = event_log(tmp_path)
    with pytest.raises(InputError, match="is a join key and must not be null"):
        _append(log, events(1.0, 2.0).with_columns(user=pl.Series(["u", None])))
    assert log.snapshot().version == -1
    assert not (tmp_path / "log").exists()


def test_racing_appends_keep_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two writers of the same event from the same version: the second looks again and drops it."""
    ours, theirs = event_log(tmp_path), event_log(tmp_path)
    decided = ours._table._write

    def late(change: Change) -> None:
        monkeypatch.setattr(ours._table, "_write", decided)
        _append(theirs, events(1.0, 2.0))
        decided(change)

    monkeypatch.setattr(ours._table, "_write", late)
    assert _append(ours, events(2.0, 3.0)) == AppendResult(1, 1, (DAY,), 2)
    assert amounts(ours) == [1.0, 2.0, 3.0]


def test_a_crash_before_the_commit_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were written without a commit are invisible, and the repeat enters everything once."""
    log = event_log(tmp_path)
    _append(log, events(1.0))

    def die(_: Change) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(log._table, "_write", die)
    with pytest.raises(KeyboardInterrupt):
        _append(log, events(2.0))
    again = event_log(tmp_path)
    assert amounts(again) == [1.0]
    assert _append(again, events(1.0, 2.0)).accepted == 1
    assert amounts(again) == [1.0, 2.0]


def test_barriers_are_numbered(tmp_path: Path) -> None:
    """Each barrier has the next number, whoever takes it, on a log without events too."""
    assert event_log(tmp_path).last_barrier() == 0
    assert event_log(tmp_path).take_barrier() == Barrier(1, 1)
    assert event_log(tmp_path).take_barrier() == Barrier(2, 2)
    assert event_log(tmp_path).last_barrier() == 2


def test_rows_behind_a_barrier_have_a_larger_epoch(tmp_path: Path) -> None:
    """What is appended after barrier n is of epoch n + 1; the log at the barrier holds exactly the others."""
    log = event_log(tmp_path)
    _append(log, events(1.0))
    barrier = log.take_barrier()
    _append(log, events(2.0))
    epochs = log.snapshot().scan(columns=["amount", "tf_epoch"]).sort("amount").collect()
    assert epochs.rows() == [(1.0, 1), (2.0, 2)]
    assert log.snapshot(barrier.version).scan(columns=["amount"]).collect().rows() == [(1.0,)]


def test_an_append_overtaken_by_a_barrier_moves_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An append that was worked out before a barrier and lands after it carries the later epoch."""
    log, other = event_log(tmp_path), event_log(tmp_path)
    decided = log._table._write

    def late(change: Change) -> None:
        monkeypatch.setattr(log._table, "_write", decided)
        other.take_barrier()
        decided(change)

    monkeypatch.setattr(log._table, "_write", late)
    _append(log, events(1.0))
    assert log.snapshot().days()[DAY].epoch_min == 2


def test_an_import_replaces_the_last_one(tmp_path: Path) -> None:
    """Imported rows of a date give way to the newly imported ones; appended rows and other dates stay."""
    log = event_log(tmp_path)
    _append(log, events(9.0))
    _import(log, {DAY: events(1.0, 2.0), NEXT: events(4.0, day=1)})
    assert _import(log, {DAY: events(2.0, 3.0)}).days == (DAY,)
    assert amounts(log) == [2.0, 3.0, 4.0, 9.0]


def test_an_unchanged_import_makes_no_commit(tmp_path: Path) -> None:
    """The same set of ids in any order leaves the version and every fingerprint as they were."""
    log = event_log(tmp_path)
    _import(log, {DAY: events(1.0, 2.0), NEXT: events(4.0, day=1)})
    before = log.snapshot()
    again = _import(event_log(tmp_path), {DAY: events(2.0, 1.0), NEXT: events(4.0, day=1)})
    assert again == AppendResult(0, 3, (), before.version)
    assert log.snapshot().days() == before.days()


def test_an_import_does_not_repeat_appended_events(tmp_path: Path) -> None:
    """An id that came by append stays the one row of its date."""
    log = event_log(tmp_path)
    _append(log, events(1.0))
    assert _import(log, {DAY: events(1.0, 2.0)}).accepted == 1
    assert amounts(log) == [1.0, 2.0]


def test_an_empty_import_removes(tmp_path: Path) -> None:
    """A date that has no rows any more loses its imported ones."""
    log = event_log(tmp_path)
    _import(log, {DAY: events(1.0)})
    assert _import(log, {DAY: events()}).days == (DAY,)
    assert log.snapshot().days() == {}


def test_an_import_of_another_date_is_refused(tmp_path: Path) -> None:
    """A row that does not lie on its date refuses the whole range."""
    log = event_log(tmp_path)
    with pytest.raises(InputError, match=r"imported as 2024-01-02 must lie on that date \(UTC\).*\(1 of 1 rows\)"):
        _import(log, {DAY: events(1.0), NEXT: events(2.0)})
    assert log.snapshot().version == 0


def test_replacing_a_range(tmp_path: Path) -> None:
    """Rows at or after the start and before the end go, the given ones come, the rest of the days stays."""
    log = event_log(tmp_path)
    old = [events(1.0, hour=1), events(2.0, hour=2), events(3.0, day=1), events(4.0, day=2, hour=5), events(5.0, day=2, hour=6)]
    _import(log, {DAY: old[0]})
    _append(log, pl.concat(old))
    result = _replace(log, events(9.0, day=1), at_us(hour=2), at_us(day=2, hour=6))
    assert (result.accepted, len(result.days)) == (1, 3)
    assert amounts(log) == [1.0, 5.0, 9.0]
    assert log.snapshot().scan().filter(pl.col("amount") == 1.0).collect()["tf_origin"].to_list() == ["import"]


def test_replacing_by_nothing_deletes(tmp_path: Path) -> None:
    """An empty frame deletes the range."""
    log = event_log(tmp_path)
    _append(log, pl.concat([events(1.0), events(2.0, day=1)]))
    assert _replace(log, events(), at_us(), at_us(day=1)).days == (DAY,)
    assert amounts(log) == [2.0]


def test_replacing_where_nothing_is_changes_nothing(tmp_path: Path) -> None:
    """A range without rows, in a day with others, leaves the day's files as they are."""
    log = event_log(tmp_path)
    _append(log, events(1.0))
    before = log.snapshot().days()
    assert _replace(log, events(), at_us(hour=13), at_us(day=1)).days == ()
    assert log.snapshot().days() == before


@pytest.mark.parametrize(
    ("start_us", "end_us", "said"),
    [
        (at_us(hour=13), at_us(day=1), r"must lie inside of the replaced range"),
        (at_us(hour=1), at_us(hour=12), r"must lie inside of the replaced range"),
        (at_us(hour=1), at_us(hour=1), r"the replaced range must end after it starts"),
    ],
)
def test_a_wrong_range_is_refused(tmp_path: Path, start_us: int, end_us: int, said: str) -> None:
    """A row outside of the range, or a range without length, changes nothing."""
    log = event_log(tmp_path)
    _append(log, events(1.0))
    with pytest.raises(InputError, match=said):
        _replace(log, events(2.0), start_us, end_us)
    assert amounts(log) == [1.0]


def test_a_source_without_schema_learns_it(tmp_path: Path) -> None:
    """The first events' columns become the table's, known to every later opener; others are refused."""
    bare = Source(schema=None)
    log = event_log(tmp_path, bare)
    log.take_barrier()
    assert log.columns is None
    log.import_days({DAY: events(1.0).lazy()}, ingested_at=ARRIVED)
    again = event_log(tmp_path, bare)
    assert again.columns == events().schema
    with pytest.raises(InputError, match="every column must be declared; got 'more'"):
        _append(again, events(2.0).with_columns(more=1))


def test_a_column_declared_later(tmp_path: Path) -> None:
    """A source that declares one more column goes on with the same log; old rows are null there."""
    _append(event_log(tmp_path), events(1.0))
    assert Source().schema is not None
    wider = event_log(tmp_path, Source(schema=(*(Source().schema or ()), Field("shop", pl.String))))
    _append(wider, events(2.0).with_columns(shop=pl.lit("s")))
    assert wider.snapshot().scan(columns=["amount", "shop"]).sort("amount").collect().rows() == [(1.0, None), (2.0, "s")]


def test_an_append_that_never_gets_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When others come first every time, the append fails with a ConflictError and leaves nothing."""
    monkeypatch.setattr(delta, "ATTEMPTS", 2)
    log, other = event_log(tmp_path), event_log(tmp_path)
    decided = log._table._write

    def late(change: Change) -> None:
        other.take_barrier()
        decided(change)

    monkeypatch.setattr(log._table, "_write", late)
    with pytest.raises(ConflictError):
        _append(log, events(1.0))
    assert amounts(other) == []
