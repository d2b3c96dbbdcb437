"""Where a view's values are kept offline, and for which runtime it was written.

The rule: compaction reads and writes Delta Lake, so a compacted view is offline, in a Delta store.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from tilefold.declaration.elsewhere import DELTA, OFFLINE_STORE, tolerant
from tilefold.errors import DeclarationError, complaint

TECTON_RUNTIME_MIN: Final = (0, 8, 2)
"""The first runtime of that SDK that knows compaction."""
WRITABLE_RUNTIMES: Final = ("0.1.0",)
"""The versions of this project whose stored form this code can write."""

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:[^\d].*)?")


@tolerant("DeltaConfig", (), DELTA)
@dataclass(frozen=True, slots=True)
class DeltaConfig:
    """Delta Lake as the format of the offline store: the only one there is."""


@tolerant("OfflineStoreConfig", ("staging_table_format",), OFFLINE_STORE)
@dataclass(frozen=True, slots=True)
class OfflineStoreConfig:
    """The offline store of a view.

    Parameters
    ----------
    staging_table_format
        `DeltaConfig()`, the default; compaction needs it.
    """

    staging_table_format: DeltaConfig = field(default_factory=DeltaConfig)


def check_compaction_store(thing: str, *, offline: bool, offline_store: object) -> None:
    """Refuse compaction without an offline store in Delta; `thing` is what the error names."""
    if not offline:
        mend = "Set offline=True, or compaction_enabled=False."
        raise DeclarationError(complaint(thing, "compaction needs offline=True", offline, mend))
    found = offline_store.staging_table_format if isinstance(offline_store, OfflineStoreConfig) else offline_store
    if not isinstance(found, DeltaConfig):
        mend = "Use OfflineStoreConfig(staging_table_format=DeltaConfig()), or compaction_enabled=False."
        raise DeclarationError(complaint(thing, "compaction needs offline_store to be Delta Lake", found, mend))


def check_tecton_runtime(thing: str, version: object) -> None:
    """Refuse a `tecton_materialization_runtime` that does not know compaction; None is none given."""
    if version is None:
        return
    found = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if found is None or tuple(map(int, found.groups())) < TECTON_RUNTIME_MIN:
        rule = "tecton_materialization_runtime must be a version string of at least 0.8.2"
        raise DeclarationError(complaint(thing, rule, version, 'Write "0.8.2" or later, or leave it out.'))


def check_own_runtime(thing: str, version: object) -> None:
    """Refuse a `materialization_runtime` whose stored form this code cannot write; None is none given."""
    if version is not None and version not in WRITABLE_RUNTIMES:
        rule = "materialization_runtime must be a version that this code can write"
        mend = f"Use one of {', '.join(WRITABLE_RUNTIMES)}, or leave it out."
        raise DeclarationError(complaint(thing, rule, version, mend))
