from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

from tests.stores.delta_samples import DAY, numbers_table, staged
from tilefold.errors import FormatError, NewerFormatError
from tilefold.stores.delta import Change, Table


def test_a_missing_table_reads_as_empty(tmp_path: Path) -> None:
    """A table that nobody wrote has version -1, no rows, and the right columns."""
    snapshot = Table(numbers_table(tmp_path)).snapshot()
    assert snapshot.version == -1
    assert snapshot.scan(snapshot.files).collect().schema == {"n": pl.Int64, "day": pl.Date}
    assert not (tmp_path / "numbers").exists()


def test_files_record_rows_and_ranges(tmp_path: Path) -> None:
    """The log keeps each file's number of rows and the range of the columns with statistics."""
    table = Table(numbers_table(tmp_path))
    table.commit(lambda _: Change([staged(table, 5, 3)]))
    table.commit(lambda _: Change([staged(table)]))
    facts = Table(table.spec).snapshot().files.sort("rows").select("rows", "n_min", "n_max", "day").rows()
    assert facts == [(0, None, None, DAY), (2, 3, 5, DAY)]


def test_an_old_version_stays_readable(tmp_path: Path) -> None:
    """A version can be opened by its number after newer ones were written."""
    table = Table(numbers_table(tmp_path))
    first = table.commit(lambda _: Change([staged(table, 1)], claims={"x": -5}))
    table.commit(lambda snapshot: Change([staged(table, 2)], snapshot.files, {"x": 9}))
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
