import threading
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from tests.stores.delta_samples import DAY, numbers, numbers_table, staged
from tilefold.errors import InputError
from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import TableSpec


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
    table.commit(lambda _: Change([staged(table, 1)]))
    wider = Table(TableSpec(table.spec.uri, pl.Schema({"n": pl.Int64(), "m": pl.String(), "day": pl.Date()}), ("day",)))
    assert wider.snapshot().scan(wider.snapshot().files, columns=["n", "m"]).collect().rows() == [(1, None)]
    frame = pl.DataFrame({"n": [2], "m": ["x"]})
    wider.commit(lambda _: Change([wider.stage(frame, {"day": DAY})]))
    snapshot = wider.snapshot()
    assert sorted(snapshot.scan(snapshot.files, columns=["n", "m"]).collect().rows()) == [(1, None), (2, "x")]
    assert numbers(table) == [1, 2]


def test_a_changed_type_is_refused(tmp_path: Path) -> None:
    """A column that is stored in one type cannot be declared in another."""
    Table(numbers_table(tmp_path)).ensure()
    changed = Table(TableSpec(str(tmp_path / "numbers"), pl.Schema({"n": pl.String(), "day": pl.Date()}), ("day",)))
    with pytest.raises(InputError, match=r"column 'n' is stored as Int64; got String"):
        changed.ensure()


def test_facts_of_creation_stay(tmp_path: Path) -> None:
    """Properties are those of the first creator."""
    spec = numbers_table(tmp_path)
    first, second = (TableSpec(spec.uri, spec.schema, ("day",), properties={"buckets": count}) for count in "48")
    assert Table(second).property("buckets") is None
    Table(first).ensure()
    Table(second).ensure()
    assert Table(second).property("buckets") == "4"
