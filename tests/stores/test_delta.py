import threading
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from tests.stores.delta_samples import DAY, numbers_table
from tilefold.errors import ConflictError, FileError, FormatError, InputError, NewerFormatError
from tilefold.stores import delta
from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import StagedFile, TableSpec
from tilefold.stores.delta_snapshot import Snapshot


def _staged(table: Table, *numbers: int) -> StagedFile:
    return table.stage(pl.DataFrame({"n": numbers}, schema={"n": pl.Int64}), {"day": DAY})


def _numbers(table: Table) -> list[int]:
    snapshot = table.snapshot()
    return sorted(snapshot.scan(snapshot.files, columns=["n"]).collect()["n"])


def test_a_missing_table_reads_as_empty(tmp_path: Path) -> None:
    """A table that nobody wrote has version -1, no rows, and the right columns."""
    snapshot = Table(numbers_table(tmp_path)).snapshot()
    assert snapshot.version == -1
    assert snapshot.scan(snapshot.files).collect().schema == {"n": pl.Int64, "day": pl.Date}
    assert not (tmp_path / "numbers").exists()


def test_staged_files_are_invisible(tmp_path: Path) -> None:
    """A crash between writing files and the commit leaves nothing that a reader sees."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change([_staged(table, 1)]))
    _staged(table, 2)
    assert _numbers(Table(table.spec)) == [1]


def test_one_commit_replaces_files(tmp_path: Path) -> None:
    """Files that go and files that come change places in one version."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change([_staged(table, 1, 2)]))
    before = table.snapshot()
    version = table.commit(lambda snapshot: Change([_staged(table, 3)], snapshot.files))
    assert version == before.version + 1
    assert _numbers(table) == [3]
    assert before.scan(before.files, columns=["n"]).collect()["n"].to_list() == [1, 2]


def test_other_readers_see_the_same(tmp_path: Path) -> None:
    """Polars' own reader of Delta tables finds our rows, partition columns and removed files."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change([_staged(table, 1)]))
    table.commit(lambda snapshot: Change([_staged(table, 2)], snapshot.files))
    assert pl.scan_delta(table.spec.uri).collect().rows() == [(2, DAY)]


def test_files_record_rows_and_ranges(tmp_path: Path) -> None:
    """The log keeps each file's number of rows and the range of the columns with statistics."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change([_staged(table, 5, 3)]))
    table.commit(lambda _: Change([_staged(table)]))
    facts = Table(table.spec).snapshot().files.sort("rows").select("rows", "n_min", "n_max", "day").rows()
    assert facts == [(0, None, None, DAY), (2, 3, 5, DAY)]


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
        theirs.commit(lambda _: Change([_staged(theirs, 1)]))
        return Change([_staged(ours, 2)])

    with pytest.raises(ConflictError, match=r"numbers: other writers came first; got '3 attempts'\. Run it again"):
        ours.commit(overtaken)
    assert _numbers(ours) == [1, 1, 1]


def test_deciding_nothing_commits_nothing(tmp_path: Path) -> None:
    """A decision of None leaves the version as it is and returns it."""
    table = Table(numbers_table(tmp_path))
    version = table.commit(lambda _: Change([_staged(table, 1)]))
    assert table.commit(lambda _: None) == version == table.snapshot().version


def test_an_old_version_stays_readable(tmp_path: Path) -> None:
    """A version can be opened by its number after newer ones were written."""
    table = Table(numbers_table(tmp_path))
    first = table.commit(lambda _: Change([_staged(table, 1)], claims={"x": -5}))
    table.commit(lambda snapshot: Change([_staged(table, 2)], snapshot.files, {"x": 9}))
    old = Table(table.spec).snapshot(first)
    assert (old.version, old.claim("x")) == (first, -5)
    assert old.scan(old.files, columns=["n"]).collect()["n"].to_list() == [1]
    with pytest.raises(FormatError, match="numbers"):
        table.snapshot(77)


def test_claims_of_a_snapshot_do_not_move(tmp_path: Path) -> None:
    """A snapshot answers with the application transactions of its own version, whatever is written later."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change(claims={"x": 1}))
    pinned = table.snapshot()
    table.commit(lambda _: Change(claims={"x": 2}))
    assert (pinned.claim("x"), table.snapshot().claim("x")) == (1, 2)


def test_claims_survive_checkpoints(tmp_path: Path) -> None:
    """What a table remembers by application transactions is still there after its log was compacted."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change(claims={"x": 7}))
    for _ in range(22):
        table.commit(lambda _: Change(claims={"y": 1}))
    assert (tmp_path / "numbers" / "_delta_log" / "_last_checkpoint").exists()
    assert Table(table.spec).snapshot().claim("x") == 7


def test_vacuum_keeps_what_is_named(tmp_path: Path) -> None:
    """Vacuum deletes replaced and orphaned files and nothing else."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change([_staged(table, 1)]))
    table.commit(lambda snapshot: Change([_staged(table, 2)], snapshot.files))
    _staged(table, 3)
    assert len(table.vacuum(retention_hours=0)) == 2
    assert _numbers(table) == [2]
    assert Table(TableSpec(str(tmp_path / "none"), table.spec.schema, ("day",))).vacuum() == []


def test_creators_agree(tmp_path: Path) -> None:
    """Of many that create a table at once all go on with the same one."""
    tables = [Table(numbers_table(tmp_path)) for _ in range(6)]
    threads = [threading.Thread(target=table.ensure) for table in tables]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {table.snapshot().version for table in tables} == {0}
    assert len({DeltaTable(table.spec.uri).metadata().id for table in tables}) == 1


def test_declared_columns_are_added(tmp_path: Path) -> None:
    """A column declared later is null in older rows."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change([_staged(table, 1)]))
    wider = Table(TableSpec(table.spec.uri, pl.Schema({"n": pl.Int64(), "m": pl.String(), "day": pl.Date()}), ("day",)))
    assert wider.snapshot().scan(wider.snapshot().files, columns=["n", "m"]).collect().rows() == [(1, None)]
    frame = pl.DataFrame({"n": [2], "m": ["x"]})
    wider.commit(lambda _: Change([wider.stage(frame, {"day": DAY})]))
    snapshot = wider.snapshot()
    assert sorted(snapshot.scan(snapshot.files, columns=["n", "m"]).collect().rows()) == [(1, None), (2, "x")]
    assert _numbers(table) == [1, 2]


def test_a_changed_type_is_refused(tmp_path: Path) -> None:
    """A column that is stored in one type cannot be declared in another."""
    Table(numbers_table(tmp_path)).ensure()
    changed = Table(TableSpec(str(tmp_path / "numbers"), pl.Schema({"n": pl.String(), "day": pl.Date()}), ("day",)))
    with pytest.raises(InputError, match=r"column 'n' is stored as Int64; got String"):
        changed.ensure()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A table that a newer release wrote is refused by name, by readers and writers."""
    table = Table(numbers_table(tmp_path))
    table.ensure()
    log = tmp_path / "numbers" / "_delta_log" / "00000000000000000000.json"
    log.write_text(log.read_text().replace('"tilefold.format":"1"', '"tilefold.format":"2"'))
    again = Table(table.spec)
    for use in (again.snapshot, again.ensure):
        with pytest.raises(NewerFormatError, match=r"reads formats up to 1; got 2\. Upgrade Tilefold"):
            use()


def test_a_foreign_table_is_refused(tmp_path: Path) -> None:
    """A Delta table that Tilefold did not create is neither read nor written."""
    write_deltalake(str(tmp_path / "numbers"), pl.DataFrame({"n": [1]}))
    with pytest.raises(FormatError, match=r"must carry tilefold\.format; got None\. It is not Tilefold's"):
        Table(numbers_table(tmp_path)).snapshot()


def test_a_broken_log_is_named(tmp_path: Path) -> None:
    """A log that is no JSON is an error that names the table and says what to do."""
    table = Table(numbers_table(tmp_path))
    table.ensure()
    (tmp_path / "numbers" / "_delta_log" / "00000000000000000000.json").write_text("{broken")
    with pytest.raises(FormatError, match=r"numbers: its log and files must be readable; .*Restore the folder"):
        Table(table.spec).snapshot()


@pytest.mark.parametrize("damage", ["junk", "gone"])
def test_a_broken_file_is_named(tmp_path: Path, damage: str) -> None:
    """A data file that is junk or gone is an error that names the table."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change([_staged(table, 1)]))
    (path,) = (tmp_path / "numbers").rglob("*.parquet")
    path.unlink() if damage == "gone" else path.write_bytes(b"PAR1 junk")
    snapshot = table.snapshot()
    with pytest.raises(FormatError, match="numbers"):
        snapshot.collect(snapshot.scan(snapshot.files))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A place below a file cannot become a table; the error names it and nothing is left behind."""
    (tmp_path / "plain").write_text("a file")
    table = Table(TableSpec(str(tmp_path / "plain" / "numbers"), numbers_table(tmp_path).schema, ("day",)))
    with pytest.raises(FileError, match=r"plain/numbers: the place must be writable"):
        table.commit(lambda _: Change([_staged(table, 1)]))
    with pytest.raises(FileError, match=r"plain/numbers: the place must be writable"):
        _staged(table, 1)


def test_facts_of_creation_stay(tmp_path: Path) -> None:
    """Properties are those of the first creator."""
    spec = numbers_table(tmp_path)
    first, second = (TableSpec(spec.uri, spec.schema, ("day",), properties={"buckets": count}) for count in "48")
    assert Table(second).property("buckets") is None
    Table(first).ensure()
    Table(second).ensure()
    assert Table(second).property("buckets") == "4"
