import os
from pathlib import Path

import pytest

from tests.stores.delta_samples import numbers_table, staged
from tilefold.errors import FileError, FormatError
from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import TableSpec


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
    table.commit(lambda _: Change([staged(table, 1)]))
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
        table.commit(lambda _: Change([staged(table, 1)]))
    with pytest.raises(FileError, match=r"plain/numbers: the place must be writable"):
        staged(table, 1)


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is there but may not be read is an error, never an empty table."""
    table = Table(numbers_table(tmp_path))
    table.ensure()
    log = tmp_path / "numbers" / "_delta_log"
    log.rename(log.with_name("hidden"))  # what deltalake sees of a folder without access; the tests may run as root
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(FileError, match=r"the folder must be readable; .*Give this user read access"):
        Table(table.spec).snapshot()
