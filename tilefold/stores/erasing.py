"""Deletes whole tables.

The rule: a folder of this machine goes with all that is in it. On an object store the rows go, then the files that held them;
what is left is an empty table's log.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from tilefold.errors import FileError, complaint
from tilefold.stores.delta_errors import writing

TABLES = ("tiles", "compacted", "samples")


def erase(place: str, storage_options: Mapping[str, str]) -> int:
    """Delete the tables of a version, which lie at one place; how many bytes their files had.

    Raises
    ------
    FileError
        If they cannot be deleted.
    """
    if "://" in place:
        return sum(_erase_table(f"{place}/{table}", storage_options) for table in TABLES)
    folder = Path(place)
    if not folder.is_dir():
        return 0
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        shutil.rmtree(folder)
    except OSError as error:
        mend = f"Make it writable ({error.strerror}), then run it again."
        raise FileError(complaint("tables", "a removed version's folder must be deleted", place, mend)) from error
    return size_bytes


def _erase_table(uri: str, storage_options: Mapping[str, str]) -> int:
    with writing(uri):
        try:
            table = DeltaTable(uri, storage_options=dict(storage_options))
        except TableNotFoundError:
            return 0
        size_bytes = pl.DataFrame(table.get_add_actions(flatten=True))["size_bytes"].sum()
        table.delete()
        table.vacuum(0, dry_run=False, enforce_retention_duration=False)
        return int(size_bytes)
