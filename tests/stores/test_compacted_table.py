from pathlib import Path

import polars as pl
import pytest

from tilefold.errors import ConflictError, UnknownNameError
from tilefold.stores.compacted_table import CompactedTable
from tilefold.stores.delta import Change

ROW = pl.Schema({"key": pl.String(), "n": pl.Int64()})


def _table(folder: Path) -> CompactedTable:
    return CompactedTable(str(folder / "compacted"), ROW)


def _rows(*numbers: int) -> pl.DataFrame:
    return pl.DataFrame({"key": ["k"] * len(numbers), "n": numbers}, schema=ROW)


def test_a_compaction_comes_back(tmp_path: Path) -> None:
    """Rows, buckets and facts of a compaction are read as they were written."""
    _table(tmp_path).write(10, 1, [(0, _rows(1)), (1, _rows()), (3, _rows(2, 3))], {"tiles": 5, "of": ["a"]}, run_id="r1")
    table = _table(tmp_path)
    assert table.partitions() == [(10, 1)]
    assert table.scan(10, 1).collect().schema == ROW
    assert sorted(table.scan(10, 1).collect()["n"]) == [1, 2, 3]
    assert table.scan(10, 1, bucket=3).collect()["n"].to_list() == [2, 3]
    assert table.metadata(10, 1) == {"tiles": 5, "of": ["a"], "run_id": "r1"}


def test_an_empty_compaction_exists(tmp_path: Path) -> None:
    """A compaction without rows is one all the same."""
    table = _table(tmp_path)
    table.write(10, 1, [], {})
    assert (table.partitions(), table.latest(10), table.scan(10, 1).collect().height) == ([(10, 1)], 1, 0)


def test_nothing_was_compacted_yet(tmp_path: Path) -> None:
    """Before the first compaction everything is empty, and asking leaves no trace."""
    table = _table(tmp_path)
    assert (table.partitions(), table.latest(10), table.prune(lambda _, __: False)) == ([], None, [])
    assert table.scan(10, 1).collect().schema == ROW
    with pytest.raises(UnknownNameError, match=r"no such compaction; got \(10, 1\)"):
        table.metadata(10, 1)
    assert not (tmp_path / "compacted").exists()


def test_the_latest_has_the_largest_number(tmp_path: Path) -> None:
    """Of several compactions at one watermark the one of the largest epoch is the latest."""
    table = _table(tmp_path)
    for as_of_us, epoch in [(20, 3), (10, 9), (20, 12), (-5, 1)]:
        table.write(as_of_us, epoch, [(0, _rows(epoch))], {})
    assert table.partitions() == [(-5, 1), (10, 9), (20, 3), (20, 12)]
    assert (table.latest(20), table.latest(10), table.latest(30)) == (12, 9, None)
    assert table.scan(20, 3).collect()["n"].to_list() == [3]


@pytest.mark.parametrize(("first", "second"), [("r1", "r2"), ("", "")])
def test_a_compaction_is_never_overwritten(tmp_path: Path, first: str, second: str) -> None:
    """Writing under a number that another run has used is an error, and changes nothing."""
    table = _table(tmp_path)
    table.write(10, 1, [(0, _rows(1))], {}, run_id=first)
    with pytest.raises(ConflictError, match=r"\(as_of_us, epoch\) exists already; .* take the next barrier"):
        _table(tmp_path).write(10, 1, [(0, _rows(2))], {}, run_id=second)
    assert table.scan(10, 1).collect()["n"].to_list() == [1]


def test_a_run_may_repeat_its_write(tmp_path: Path) -> None:
    """The same run writing again does nothing and is no error."""
    table = _table(tmp_path)
    version = table.write(10, 1, [(0, _rows(1))], {"a": 1}, run_id="r1")
    assert table.write(10, 1, [(0, _rows(2))], {"a": 2}, run_id="r1") == version
    assert (table.scan(10, 1).collect()["n"].to_list(), table.metadata(10, 1)["a"]) == ([1], 1)


def test_racing_writers_of_one_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that write one compaction at once, the second is refused and the first is whole."""
    table = _table(tmp_path)
    decided = table._table._write

    def late(change: Change) -> None:
        monkeypatch.setattr(table._table, "_write", decided)
        _table(tmp_path).write(10, 1, [(0, _rows(2))], {}, run_id="theirs")
        decided(change)

    monkeypatch.setattr(table._table, "_write", late)
    with pytest.raises(ConflictError):
        table.write(10, 1, [(0, _rows(1))], {}, run_id="ours")
    assert (table.scan(10, 1).collect()["n"].to_list(), table.metadata(10, 1)["run_id"]) == ([2], "theirs")


def test_a_crash_before_the_commit_leaves_nothing(tmp_path: Path) -> None:
    """A compaction that broke off does not exist, and can be written again."""
    table = _table(tmp_path)

    def buckets() -> object:
        yield 0, _rows(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        table.write(10, 1, buckets(), {}, run_id="r1")  # type: ignore[arg-type]
    assert (table.partitions(), table.scan(10, 1).collect().height) == ([], 0)
    table.write(10, 1, [(0, _rows(1))], {}, run_id="r2")
    assert table.scan(10, 1).collect()["n"].to_list() == [1]


def test_pruning(tmp_path: Path) -> None:
    """What is not kept is removed in one commit and reported; vacuum then frees the disk."""
    table = _table(tmp_path)
    for as_of_us in (10, 20, 30):
        table.write(as_of_us, 1, [(0, _rows(as_of_us))], {})
    assert table.prune(lambda as_of_us, _: as_of_us > 20) == [(10, 1), (20, 1)]
    assert table.partitions() == [(30, 1)]
    assert table.prune(lambda as_of_us, _: as_of_us > 20) == []
    assert len(table.vacuum(retention_hours=0)) == 4
    assert table.scan(30, 1).collect()["n"].to_list() == [30]
