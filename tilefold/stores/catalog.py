"""Facts about a workspace: a small Delta table of keys and values under its root.

The rule: one file per key, in the key's partition; a value that several processes want to set first is set once, and all of
them learn the one that won.
"""

import re
from collections.abc import Mapping

import polars as pl

from tilefold.errors import InputError, complaint
from tilefold.stores.delta import Change, Table
from tilefold.stores.delta_files import TableSpec
from tilefold.stores.delta_snapshot import Snapshot

_SCHEMA = pl.Schema({"value": pl.String(), "key": pl.String()})

_KEY = re.compile(r"[a-z0-9_]+")


class Catalog:
    """Keys and values of a workspace.

    Parameters
    ----------
    uri
        The table's place, local or on an object store.
    storage_options
        Passed on unchanged.
    """

    def __init__(self, uri: str, storage_options: Mapping[str, str] | None = None) -> None:
        self._table = Table(TableSpec(uri, _SCHEMA, ("key",), (), dict(storage_options or {})))

    def get(self, key: str) -> str | None:
        """The value of a key; None where it was never put."""
        return _value(self._table.snapshot(), key)

    def items(self) -> dict[str, str]:
        """All keys and values."""
        snapshot = self._table.snapshot()
        return dict(snapshot.collect(snapshot.scan(snapshot.files, columns=["key", "value"])).sort("key").rows())

    def put(self, key: str, value: str) -> None:
        """Set a key, whatever it held."""
        self._put(key, value, replace=True)

    def put_if_absent(self, key: str, value: str) -> str:
        """Set a key that was never set; returns the value that it has, which may be another's."""
        if (known := self.get(key)) is not None:
            return known
        self._put(key, value, replace=False)
        won = self.get(key)
        assert won is not None
        return won

    def drop(self, key: str) -> None:
        """Forget a key; one that was never put stays so."""

        def decide(snapshot: Snapshot) -> Change | None:
            held = snapshot.files.filter(pl.col("key") == key)
            return None if held.is_empty() else Change(removes=held)

        if self._table.snapshot().version >= 0:
            self._table.commit(decide)

    def _put(self, key: str, value: str, *, replace: bool) -> None:
        if not _KEY.fullmatch(key):
            mend = "Use lower-case letters, digits and _."
            raise InputError(complaint(f"catalog {self._table.spec.uri}", "a key is a part of a path", key, mend))
        self._table.ensure()
        staged = self._table.stage(pl.DataFrame({"value": [value]}), {"key": key})

        def decide(snapshot: Snapshot) -> Change | None:
            held = snapshot.files.filter(pl.col("key") == key)
            return Change([staged], held) if replace or held.is_empty() else None

        self._table.commit(decide)


def _value(snapshot: Snapshot, key: str) -> str | None:
    files = snapshot.files.filter(pl.col("key") == key)
    rows = snapshot.collect(snapshot.scan(files, columns=["value"]))
    return None if rows.is_empty() else str(rows["value"][0])
