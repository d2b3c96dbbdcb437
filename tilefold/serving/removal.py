"""Removal of old versions of a view: keys, tables and kept definitions.

The rule: the served version and the one that is declared stay, and what was switched away from in the last minute. First nobody
may read or write a version; then, when no process can know its mark any more, its keys go, then its tables, unless another
workspace of the root has use of them, and what was kept of it last. Killed anywhere, a repeat goes on.
"""

import time
from collections.abc import Callable

from tilefold.declaration.views import FeatureView
from tilefold.errors import ConflictError
from tilefold.serving.kept import KeptViews
from tilefold.serving.reports import RemovalReport, RemovedVersion
from tilefold.stores.cached_mark import REFRESH_S
from tilefold.stores.erasing import erase
from tilefold.stores.online_store import OnlineStore

GRACE_S = 2 * REFRESH_S


def remove_old_versions(
    view: FeatureView,
    online: OnlineStore,
    kept: KeptViews,
    place: Callable[[str], str],
    pause: Callable[[float], object] = time.sleep,
) -> RemovalReport:
    """Remove all versions of a view but the served one and the declared one.

    Parameters
    ----------
    place
        Where the tables of a version are.
    """
    versions = online.versions.of(view.name)
    known = {each.version for each in kept.of(view.name)} | set(versions.since_ms)
    left: dict[str, str] = {}
    going: list[str] = []
    for version in sorted(known - {versions.served, view.version}):
        try:
            if version in versions.since_ms:
                online.versions.begin_removal(view.name, version)
            going.append(version)
        except ConflictError as error:
            left[version] = str(error)
    if any(version in versions.since_ms for version in going):
        pause(GRACE_S)
    removed = tuple(_removed(view, version, online, kept, place) for version in going)
    return RemovalReport(view.name, versions.served, removed, left)


def _removed(
    view: FeatureView, version: str, online: OnlineStore, kept: KeptViews, place: Callable[[str], str]
) -> RemovedVersion:
    keys = online.versions.remove_keys(view.name, version)
    users = kept.users(view.name, version)
    size_bytes = 0 if users else erase(place(version), kept.storage_options)
    kept.forget(view.name, version)
    online.versions.end_removal(view.name, version)
    return RemovedVersion(version, keys, size_bytes, tuple(users))
