from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.stores.delta_samples import DAY
from tilefold.errors import InputError
from tilefold.stores.delta import Change
from tilefold.stores.tile_table import Buckets, TileTable

TILE = pl.Schema({"key": pl.String(), "n": pl.Int64(), "epoch": pl.Int64()})
DAYS = [DAY + timedelta(days=i) for i in range(5)]


def _table(folder: Path, buckets: int = 2) -> TileTable:
    return TileTable(str(folder / "tiles"), TILE, buckets=buckets, stats_columns=["epoch"])


def _tiles(*numbers: int, epoch: int = 1) -> pl.DataFrame:
    return pl.DataFrame({"key": ["k"] * len(numbers), "n": numbers, "epoch": [epoch] * len(numbers)}, schema=TILE)


def _day(*numbers: int, bucket: int = 0) -> Buckets:
    return [(bucket, _tiles(*numbers))]


def _numbers(table: TileTable, **where: object) -> list[int]:
    return sorted(table.snapshot().scan(**where).collect()["n"])  # type: ignore[arg-type]


def test_a_day_is_replaced_whole(tmp_path: Path) -> None:
    """All buckets of a date give way to the given ones; other dates stay."""
    table = _table(tmp_path)
    table.replace_days([(DAYS[0], [(0, _tiles(1)), (1, _tiles(2))]), (DAYS[1], _day(3))], {DAYS[0]: 10, DAYS[1]: 11})
    table.replace_days([(DAYS[0], _day(9, bucket=1))], {DAYS[0]: 12})
    assert _numbers(table) == [3, 9]
    assert (table.built_from(DAYS[0]), table.built_from(DAYS[1]), table.built_from(DAYS[2])) == (12, 11, None)


def test_a_day_without_tiles_is_built(tmp_path: Path) -> None:
    """A date whose events make no tiles is known to be built, and loses the tiles that it had."""
    table = _table(tmp_path)
    table.replace_days([(DAYS[0], _day(1))], {DAYS[0]: 10})
    table.replace_days([(DAYS[0], []), (DAYS[1], _day())], {DAYS[0]: 20, DAYS[1]: 21})
    assert [(facts.rows, facts.fingerprint) for facts in table.snapshot().days().values()] == [(0, 20), (0, 21)]
    assert table.snapshot().scan().collect().schema == TILE
    assert _numbers(table) == []


def test_a_range_is_committed_in_chunks(tmp_path: Path) -> None:
    """Dates are committed a few at a time, each taken from the iterator when its turn comes."""
    table, seen = _table(tmp_path), []

    def days() -> Iterator[tuple[date, Buckets]]:
        for day in DAYS:
            seen.append(len(_table(tmp_path).snapshot().days()))
            yield day, _day(1)

    version = table.replace_days(days(), dict.fromkeys(DAYS, 7), chunk_days=2)
    assert seen == [0, 0, 2, 2, 4]
    assert version == table.snapshot().version == 3


def test_a_failure_keeps_the_chunks_before(tmp_path: Path) -> None:
    """When building breaks off, whole chunks stay, and the dates of the broken one are as they were."""
    table = _table(tmp_path)
    table.replace_days([(DAYS[2], _day(5))], {DAYS[2]: 1})

    def days() -> Iterator[tuple[date, Buckets]]:
        yield from [(day, _day(9)) for day in DAYS[:3]]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        table.replace_days(days(), dict.fromkeys(DAYS, 7), chunk_days=2)
    assert {day: facts.fingerprint for day, facts in table.snapshot().days().items()} == {DAYS[0]: 7, DAYS[1]: 7, DAYS[2]: 1}
    assert _numbers(table, start=DAYS[2]) == [5]


@pytest.mark.parametrize(("theirs", "kept"), [(7, [2]), (8, [1])])
def test_racing_builders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: int, kept: list[int]) -> None:
    """A day that another builder finished meanwhile from the same events stays; from others, the later commit wins."""
    table = _table(tmp_path)
    table.create()
    decided = table._table._write

    def late(change: Change) -> None:
        monkeypatch.setattr(table._table, "_write", decided)
        _table(tmp_path).replace_days([(DAYS[0], _day(2))], {DAYS[0]: theirs})
        decided(change)

    monkeypatch.setattr(table._table, "_write", late)
    table.replace_days([(DAYS[0], _day(1)), (DAYS[1], _day(3))], {DAYS[0]: 7, DAYS[1]: 7})
    assert _numbers(table) == [*kept, 3]
    assert set(table.snapshot().days()) == set(DAYS[:2])


def test_rebuilding_from_the_same_events_replaces(tmp_path: Path) -> None:
    """A day that is built again on purpose is written again, from whatever it was built."""
    table = _table(tmp_path)
    table.replace_days([(DAYS[0], _day(1))], {DAYS[0]: 7})
    before = table.snapshot().days()[DAYS[0]]
    table.replace_days([(DAYS[0], _day(2))], {DAYS[0]: 7})
    assert _numbers(table) == [2]
    assert table.snapshot().days()[DAYS[0]].files != before.files


def test_scans_are_of_dates_and_buckets(tmp_path: Path) -> None:
    """A scan holds the dates from start to before end, of one bucket or all."""
    table = _table(tmp_path)
    days = [(day, [(0, _tiles(i)), (1, _tiles(10 + i))]) for i, day in enumerate(DAYS)]
    table.replace_days(days, dict.fromkeys(DAYS, 1))
    assert _numbers(table, start=DAYS[1], end=DAYS[3]) == [1, 2, 11, 12]
    assert _numbers(table, bucket=1) == [10, 11, 12, 13, 14]
    assert _numbers(table, end=DAYS[1]) == [0, 10]
    files = table.snapshot().scan_files(DAYS[0], DAYS[2])
    assert [file.collect()["n"].to_list() for file in files] == [[0], [10], [1], [11]]


def test_epochs_are_known_without_reading(tmp_path: Path) -> None:
    """The range of a column with statistics comes from the log."""
    table = _table(tmp_path)
    table.replace_days(
        [(DAYS[0], [(0, _tiles(1, epoch=3))]), (DAYS[1], [(0, _tiles(1, epoch=5))]), (DAYS[2], [])], dict.fromkeys(DAYS, 1)
    )
    snapshot = table.snapshot()
    assert snapshot.value_range("epoch") == (3, 5)
    assert snapshot.value_range("epoch", DAYS[1]) == (5, 5)
    assert snapshot.value_range("epoch", DAYS[2]) is None


def test_buckets_are_fixed_at_creation(tmp_path: Path) -> None:
    """The first creator's number of buckets holds for everyone, whatever they ask for."""
    assert _table(tmp_path, buckets=4).buckets == 4
    _table(tmp_path, buckets=4).create()
    assert _table(tmp_path, buckets=2).buckets == 4


@pytest.mark.parametrize(
    ("bucket", "built_from", "said"),
    [
        (2, {DAYS[0]: 1}, r"buckets go from 0 to 1; got 2\. Split keys"),
        (-1, {DAYS[0]: 1}, r"buckets go from 0 to 1; got -1"),
        (0, {}, r"built_from must hold every date; got datetime\.date\(2024, 1, 1\)"),
    ],
)
def test_wrong_tiles_are_refused(tmp_path: Path, bucket: int, built_from: dict[date, int], said: str) -> None:
    """A bucket that the table does not have, or a date without a fingerprint, writes nothing."""
    table = _table(tmp_path)
    with pytest.raises(InputError, match=said):
        table.replace_days([(DAYS[0], _day(1, bucket=bucket))], built_from)
    assert table.snapshot().days() == {}


def test_a_table_has_buckets(tmp_path: Path) -> None:
    """Fewer than one bucket is refused at once."""
    with pytest.raises(InputError, match="buckets must be at least 1; got 0"):
        _table(tmp_path, buckets=0)


def test_old_versions_stay_readable(tmp_path: Path) -> None:
    """Tiles pinned at a version are those of that version until vacuum."""
    table = _table(tmp_path)
    version = table.replace_days([(DAYS[0], _day(1))], {DAYS[0]: 1})
    table.replace_days([(DAYS[0], _day(2))], {DAYS[0]: 2})
    assert table.snapshot(version).scan().collect()["n"].to_list() == [1]
    assert len(table.vacuum(retention_hours=0)) == 1
    assert _numbers(table) == [2]
