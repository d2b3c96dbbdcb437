"""The one way in which Tilefold changes a Delta table: look at a version, decide, commit on exactly that version.

The rule: a commit lands only as the direct successor of the version its decision was made from (`max_commit_retries=0` makes
Delta's log a compare-and-set); on a conflict the decision is made again from the newer version. So every change is serialized,
whatever it adds and removes, and a repeated decision can see that it is already done. Files are staged before and only named by
the commit: one commit may replace many slices, and a crash at any point leaves the old version whole.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError

from tilefold.errors import ConflictError, complaint
from tilefold.stores.delta_create import add_columns, columns_of, create
from tilefold.stores.delta_errors import reading, writing
from tilefold.stores.delta_files import StagedFile, TableSpec, remove_actions, stage
from tilefold.stores.delta_snapshot import Snapshot, empty_snapshot, load_snapshot, open_delta, pinned_delta

ATTEMPTS = 60


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit does: files that come, files that go (rows of `Snapshot.files`), application transactions."""

    adds: Sequence[StagedFile] = ()
    removes: pl.DataFrame | None = None
    claims: Mapping[str, int] = field(default_factory=dict)


class Table:
    """A Delta table that may not exist yet; safe to share between threads."""

    def __init__(self, spec: TableSpec) -> None:
        self.spec = spec
        self._lock = threading.RLock()
        self._head: DeltaTable | None = None
        self._cached: Snapshot | None = None
        self._fits = False

    def stage(
        self,
        frame: pl.DataFrame,
        values: Mapping[str, date | int | str],
        footer: Mapping[str, str] | None = None,
    ) -> StagedFile:
        """Write a data file of the partition `values`, not yet visible; `footer` is kept as its Parquet metadata."""
        return stage(self.spec, frame, values, footer)

    def snapshot(self, version: int | None = None) -> Snapshot:
        """The newest version or `version`, pinned; version -1 without files where the table does not exist."""
        if version is not None:
            return load_snapshot(self.spec, pinned_delta(self.spec, version))
        with self._lock:
            if (head := self._refreshed()) is None:
                return empty_snapshot(self.spec)
            if self._cached is None or self._cached.version != head.version():
                self._cached = load_snapshot(self.spec, head)
            return self._cached

    def columns(self) -> pl.Schema | None:
        """The columns on disk; None where the table does not exist."""
        with self._lock:
            head = self._refreshed()
            return None if head is None else columns_of(head)

    def property(self, name: str) -> str | None:
        """A fact that was fixed when the table was created; None where there is no table or no such fact."""
        with self._lock:
            head = self._refreshed()
            return None if head is None else head.metadata().configuration.get(f"tilefold.{name}")

    def ensure(self) -> None:
        """Create the table or add its missing columns."""
        with self._lock:
            head = self._refreshed()
            if head is None:
                self._head = create(self.spec)
            elif not self._fits:
                add_columns(self.spec, head)
            self._fits = True

    def commit(self, decide: Callable[[Snapshot], Change | None]) -> int:
        """Apply what `decide` makes of the newest version; it runs again whenever another writer came first.

        Returns
        -------
        int
            The version that holds the change; where `decide` returned None, the version it looked at.

        Raises
        ------
        ConflictError
            Other writers came first every time.
        FileError, FormatError
            The place cannot be written, or the table is broken.
        """
        for attempt in range(ATTEMPTS):
            with self._lock:
                version = self._attempt(decide)
            if version is not None:
                return version
            _pause(attempt)
        mend = "Run it again when the other writers are done."
        raise ConflictError(complaint(f"table {self.spec.uri}", "other writers came first", f"{ATTEMPTS} attempts", mend))

    def vacuum(self, retention_hours: int = 168) -> list[str]:
        """Delete files that no version younger than `retention_hours` names; returns their paths.

        Anything younger than a running build must be kept: its staged files are not named yet.
        """
        return self._vacuum(retention_hours, full=True)

    def drop_history(self) -> list[str]:
        """Delete at once the files that earlier commits have removed, and no others; returns their paths.

        Files of a running build stay. Who reads an earlier version fails, and must read the newest one.
        """
        return self._vacuum(0, full=False)

    def _vacuum(self, retention_hours: int, *, full: bool) -> list[str]:
        with self._lock, writing(self.spec.uri):
            if (head := self._refreshed()) is None:
                return []
            return head.vacuum(retention_hours, dry_run=False, enforce_retention_duration=False, full=full)

    def _attempt(self, decide: Callable[[Snapshot], Change | None]) -> int | None:
        """The version after one try, None when another writer came first."""
        with writing(self.spec.uri):
            try:
                self.ensure()
                snapshot = self.snapshot()
                if (change := decide(snapshot)) is not None:
                    self._write(change)
            except CommitFailedError:
                return None
        return snapshot.version + (change is not None)

    def _write(self, change: Change) -> None:
        assert self._head is not None
        removes = [] if change.removes is None else remove_actions(self.spec, change.removes)
        transactions = [Transaction(app_id, version) for app_id, version in change.claims.items()]
        self._head.create_write_transaction(
            [*(added.to_action() for added in change.adds), *removes],
            mode="append",  # explicit removes need it; an overwrite would derive its own
            schema=self._head.schema(),
            partition_by=list(self.spec.partition_by),
            commit_properties=CommitProperties(app_transactions=transactions, max_commit_retries=0),
        )

    def _refreshed(self) -> DeltaTable | None:
        """The table at its newest version."""
        if self._head is None:
            self._head = open_delta(self.spec)
        else:
            with reading(self.spec.uri):
                self._head.update_incremental()
        return self._head


def _pause(attempt: int) -> None:
    """Wait longer after every conflict, and differently in every thread, so that writers do not keep step."""
    step_s = min(0.002 * 2**attempt, 0.2)
    time.sleep(step_s * (1 + threading.get_ident() % 97 / 97))
