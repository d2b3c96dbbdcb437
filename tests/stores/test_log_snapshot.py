from datetime import timedelta
from pathlib import Path

import polars as pl

from tests.stores.delta_samples import ARRIVED, DAY, at_us, event_log, events
from tilefold.stores.delta import Change
from tilefold.stores.event_columns import TIMESTAMP
from tilefold.stores.event_log import EventLog

NEXT = DAY + timedelta(days=1)


def _drain(
    log: EventLog, amount: float, *, epoch: int, shard: int, position: int, event_id: str, at: int = at_us(0, 12)
) -> None:
    """Write one streamed row, as a drain does."""
    rows = events(amount).with_columns(
        pl.lit(at).cast(TIMESTAMP).alias("at"),
        pl.lit(event_id).alias("event_id"),
        pl.lit(ARRIVED).cast(TIMESTAMP).alias("tf_ingested_at"),
        pl.lit(epoch, pl.Int64).alias("tf_epoch"),
        pl.lit(shard, pl.Int32).alias("tf_shard"),
        pl.lit(position, pl.Int64).alias("tf_position"),
    )
    log._table.commit(lambda _: Change([log._table.stage(rows, {"tf_date": rows["at"].dt.date()[0], "tf_origin": "stream"})]))


def test_days_say_what_they_hold(tmp_path: Path) -> None:
    """Each date has its rows, bytes and range of epochs, without a file being opened."""
    log = event_log(tmp_path)
    log.append(pl.concat([events(1.0, 2.0), events(3.0, day=1)]), ingested_at=ARRIVED)
    log.take_barrier()
    log.append(events(4.0), ingested_at=ARRIVED)
    for path in (tmp_path / "log").rglob("*.parquet"):
        path.unlink()
    days = event_log(tmp_path).snapshot().days()
    assert [(day, facts.rows, facts.epoch_min, facts.epoch_max) for day, facts in days.items()] == [
        (DAY, 3, 1, 2),
        (NEXT, 1, 1, 1),
    ]
    assert all(facts.appended_only and facts.size_bytes > 0 for facts in days.values())


def test_fingerprints_tell_changed_days(tmp_path: Path) -> None:
    """A date's fingerprint changes when its files do, and only then; it is the same for every reader and fits 63 bits."""
    log = event_log(tmp_path)
    log.append(pl.concat([events(1.0), events(3.0, day=1)]), ingested_at=ARRIVED)
    before = log.snapshot().days()
    log.append(events(2.0), ingested_at=ARRIVED)
    after = event_log(tmp_path).snapshot().days()
    assert after[DAY].fingerprint != before[DAY].fingerprint
    assert after[NEXT].fingerprint == before[NEXT].fingerprint
    assert all(0 <= facts.fingerprint < 2**63 for facts in after.values())


def test_a_snapshot_is_pinned(tmp_path: Path) -> None:
    """What is appended later is not in an older snapshot, whose lazy scans may be collected at any time."""
    log = event_log(tmp_path)
    assert not log.snapshot().has_history()
    log.append(events(1.0), ingested_at=ARRIVED)
    pinned = log.snapshot()
    scan = pinned.scan([DAY], columns=["amount"])
    log.append(events(2.0), ingested_at=ARRIVED)
    log.take_barrier()
    assert scan.collect().rows() == [(1.0,)]
    assert (pinned.version, pinned.barrier, log.snapshot().barrier) == (1, 0, 1)


def test_scans_open_only_the_wanted_days(tmp_path: Path) -> None:
    """A scan of one date needs no other date's files."""
    log = event_log(tmp_path)
    log.append(pl.concat([events(1.0), events(2.0, day=1)]), ingested_at=ARRIVED)
    for path in (tmp_path / "log").rglob(f"tf_date={NEXT}/**/*.parquet"):
        path.unlink()
    assert log.snapshot().scan([DAY], columns=["amount"]).collect().rows() == [(1.0,)]
    assert log.snapshot().scan([], columns=["amount"]).collect().rows() == []


def test_the_smallest_epoch_and_position_count(tmp_path: Path) -> None:
    """Of the rows of one id on one date the one of the smallest (epoch, position) counts, in whatever order they came."""
    log = event_log(tmp_path)
    _drain(log, 1.0, epoch=2, shard=0, position=1, event_id="a")
    _drain(log, 2.0, epoch=1, shard=1, position=9, event_id="a")
    _drain(log, 3.0, epoch=1, shard=0, position=8, event_id="a")
    _drain(log, 4.0, epoch=3, shard=0, position=2, event_id="b")
    snapshot = log.snapshot()
    assert not snapshot.days()[DAY].appended_only
    assert snapshot.scan_unique(DAY, columns=["amount"]).collect().sort("amount").rows() == [(3.0,), (4.0,)]
    assert snapshot.scan([DAY]).collect().height == 4


def test_an_appended_row_counts_before_a_streamed_one_of_its_epoch(tmp_path: Path) -> None:
    """A row without a position comes before those that have one."""
    log = event_log(tmp_path)
    log.append(events(1.0).with_columns(event_id=pl.lit("a")), ingested_at=ARRIVED)
    _drain(log, 2.0, epoch=1, shard=0, position=0, event_id="a")
    assert log.snapshot().scan_unique(DAY, columns=["amount"]).collect().rows() == [(1.0,)]


def test_days_without_streamed_rows_are_scanned_as_they_are(tmp_path: Path) -> None:
    """Appended and imported rows are unique already, so nothing is sorted for them."""
    log = event_log(tmp_path)
    log.append(events(1.0), ingested_at=ARRIVED)
    log.import_days({DAY: events(2.0)}, ingested_at=ARRIVED)
    plan = log.snapshot().scan_unique(DAY).explain()
    assert "UNIQUE" not in plan
    assert log.snapshot().scan_unique(DAY).collect().height == 2


def test_newest_event(tmp_path: Path) -> None:
    """The newest event is told to the microsecond, from the newest day alone; a repeat that does not count is not it."""
    log = event_log(tmp_path)
    assert log.snapshot().newest_us("at") is None
    log.append(pl.concat([events(1.0), events(3.0, day=1).with_columns(pl.col("at").dt.offset_by("7us"))]), ingested_at=ARRIVED)
    assert log.snapshot().newest_us("at") == at_us(1, 12) + 7
    for path in (tmp_path / "log").rglob(f"tf_date={DAY}/**/*.parquet"):
        path.unlink()
    assert log.snapshot().newest_us("at") == at_us(1, 12) + 7
    _drain(log, 2.0, epoch=1, shard=0, position=0, event_id="a", at=at_us(1, 13))
    _drain(log, 2.0, epoch=1, shard=0, position=1, event_id="a", at=at_us(1, 14))
    assert log.snapshot().newest_us("at") == at_us(1, 13)
