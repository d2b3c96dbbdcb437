import threading
from pathlib import Path

import polars as pl
import pytest

from tests.stores.delta_samples import DAY, numbers, numbers_table, staged
from tilefold.errors import ConflictError
from tilefold.stores import delta
from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import TableSpec
from tilefold.stores.delta_snapshot import Snapshot


def test_staged_files_are_invisible(tmp_path: Path) -> None:
    """A crash between writing files and the commit leaves nothing that a reader sees."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change([staged(table, 1)]))
    staged(table, 2)
    assert numbers(Table(table.spec)) == [1]


def test_one_commit_replaces_files(tmp_path: Path) -> None:
    """Files that go and files that come change places in one version."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change([staged(table, 1, 2)]))
    before = table.snapshot()
    version = table.commit(lambda snapshot: Change([staged(table, 3)], snapshot.files))
    assert version == before.version + 1
    assert numbers(table) == [3]
    assert before.scan(before.files, columns=["n"]).collect()["n"].to_list() == [1, 2]


def test_other_readers_see_the_same(tmp_path: Path) -> None:
    """Polars' own reader of Delta tables finds our rows, partition columns and removed files."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change([staged(table, 1)]))
    table.commit(lambda snapshot: Change([staged(table, 2)], snapshot.files))
    assert pl.scan_delta(table.spec.uri).collect().rows() == [(2, DAY)]


def test_a_conflict_decides_again(tmp_path: Path) -> None:
    """A decision whose version was overtaken is made again from the newer one, so no increment is lost."""
    ours, theirs = Table(numbers_table(tmp_path)), Table(numbers_table(tmp_path))
    seen = []

    def decide(snapshot: Snapshot) -> Change:
        seen.append(snapshot.claim("count"))
        if len(seen) == 1:
            theirs.commit(lambda other: Change(claims={"count": (other.claim("count") or 0) + 1}))
        return Change(claims={"count": (snapshot.claim("count") or 0) + 1})

    ours.commit(decide)
    assert seen == [None, 1]
    assert theirs.snapshot().claim("count") == 2


def test_no_increment_of_many_threads_is_lost(tmp_path: Path) -> None:
    """Writers that share nothing but the folder are serialized."""
    spec = numbers_table(tmp_path)

    def count() -> None:
        table = Table(spec)
        for _ in range(5):
            table.commit(lambda snapshot: Change(claims={"count": (snapshot.claim("count") or 0) + 1}))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Table(spec).snapshot().claim("count") == 20


def test_endless_conflicts_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that is overtaken every time gives up with an error that names the table."""
    monkeypatch.setattr(delta, "ATTEMPTS", 3)
    ours, theirs = Table(numbers_table(tmp_path)), Table(numbers_table(tmp_path))

    def overtaken(_: Snapshot) -> Change:
        theirs.commit(lambda _: Change([staged(theirs, 1)]))
        return Change([staged(ours, 2)])

    with pytest.raises(ConflictError, match=r"numbers: other writers came first; got '3 attempts'\. Run it again"):
        ours.commit(overtaken)
    assert numbers(ours) == [1, 1, 1]


def test_deciding_nothing_commits_nothing(tmp_path: Path) -> None:
    """A decision of None leaves the version as it is and returns it."""
    table = Table(numbers_table(tmp_path))
    version = table.commit(lambda _: Change([staged(table, 1)]))
    assert table.commit(lambda _: None) == version == table.snapshot().version


def test_vacuum_keeps_what_is_named(tmp_path: Path) -> None:
    """Vacuum deletes replaced and orphaned files and nothing else."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change([staged(table, 1)]))
    table.commit(lambda snapshot: Change([staged(table, 2)], snapshot.files))
    staged(table, 3)
    assert len(table.vacuum(retention_hours=0)) == 2
    assert numbers(table) == [2]
    assert Table(TableSpec(str(tmp_path / "none"), table.spec.schema, ("day",))).vacuum() == []
