"""What all that is kept in one Delta table has in common: where it lies, and how files leave the disk.

The rule: a commit takes files out of the table and leaves them on disk, for those who read an earlier version; they go when
asked, by age or at once.
"""

from tilefold.stores.delta import Table


class OneTable:
    """Something that is kept in one Delta table, which its class makes."""

    _table: Table

    @property
    def uri(self) -> str:
        """The table's place."""
        return self._table.spec.uri

    def drop_history(self) -> list[str]:
        """See `Table.drop_history`."""
        return self._table.drop_history()

    def vacuum(self, retention_hours: int = 168) -> list[str]:
        """Delete files that no version younger than `retention_hours` names; returns their paths."""
        return self._table.vacuum(retention_hours)
