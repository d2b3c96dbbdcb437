"""Definitions that are kept: what a version of a view was, for processes that are given another one.

The rule: a version is kept before its first key is written, and until it is removed. Its description is enough to read it. To
compute it, its code is needed: that of a view that this process was given once, else of the Python files of the folder that
declared it, which are imported only where a stream must be folded into a version that is not this process's own, and only taken
where they give that very version.
"""

import json
import logging
import re
import tempfile
import threading
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilefold.declaration.described import describe_view, view_of
from tilefold.declaration.sources import Source
from tilefold.declaration.views import FeatureView
from tilefold.errors import DeclarationError, TilefoldError
from tilefold.serving.definitions import Definitions, load_definitions
from tilefold.stores.catalog import Catalog

_OTHER = re.compile(r"[^a-z0-9]")
_log = logging.getLogger(__name__)
_seen: dict[tuple[str, str], FeatureView] = {}  # every view that this process was given, with its code


@dataclass(frozen=True, slots=True)
class Kept:
    """One version that is kept.

    Attributes
    ----------
    workspace
        The name of the workspace that keeps it.
    kept_us
        When it was kept.
    """

    workspace: str
    view: str
    version: str
    kept_us: int
    description: str
    files: Mapping[str, str]


class KeptViews:
    """The kept definitions of a root, as one of its workspaces sees them.

    Parameters
    ----------
    root
        Where the Delta tables are.
    workspace
        The workspace's name.
    """

    def __init__(self, root: str, workspace: str, storage_options: Mapping[str, str], definitions: Definitions) -> None:
        self._root, self._workspace, self._definitions = root, workspace, definitions
        self.storage_options = storage_options
        self._table = Catalog(f"{root}/definitions", storage_options)
        self._lock = threading.RLock()
        self._kept: set[tuple[str, str]] = set()
        self._read: dict[tuple[str, str], FeatureView] = {}
        self._computed: dict[tuple[str, str], FeatureView | None] = {}
        _seen.update({(view.name, view.version): view for view in definitions.views.values()})

    def keep(self, view: FeatureView, now_us: int) -> None:
        """Keep a version; once it is kept this costs nothing."""
        known = (view.name, view.version)
        with self._lock:
            if known in self._kept:
                return
            facts = {
                "workspace": self._workspace,
                "view": view.name,
                "version": view.version,
                "kept_us": now_us,
                "description": describe_view(view),
                "files": _packed(self._definitions.files),
            }
            self._table.put_if_absent(self._key(*known), json.dumps(facts))
            self._kept.add(known)

    def forget(self, view: str, version: str) -> None:
        """Keep a version no longer."""
        with self._lock:
            self._table.drop(self._key(view, version))
            for known in (self._kept, self._read, self._computed):
                if (view, version) in known:
                    known.remove((view, version)) if isinstance(known, set) else known.pop((view, version))

    def all(self) -> list[Kept]:
        """Every kept version of this root, other workspaces' too, the oldest first."""
        found = [_kept(json.loads(value)) for value in self._table.items().values()]
        return sorted(found, key=lambda each: (each.kept_us, each.view, each.version))

    def of(self, view: str) -> list[Kept]:
        """The kept versions of a view in this workspace, the oldest first."""
        return [each for each in self.all() if each.workspace == self._workspace and each.view == view]

    def readable(self, view: str, version: str) -> FeatureView | None:
        """A version whose values can be read here; None where nothing is known of it."""
        known = (view, version)
        with self._lock:
            if (seen := self._had(known)) is not None:
                return seen
            if known not in self._read:
                kept = self._find(*known)
                source = None if kept is None else self._source(kept)
                if kept is None or source is None:
                    return None
                try:
                    self._read[known] = view_of(kept.description, source)
                except DeclarationError as error:
                    _log.warning("version %s of view '%s' cannot be read here: %s", version, view, error)
                    return None
            return self._read[known]

    def computable(self, view: str, version: str) -> FeatureView | None:
        """A version whose stream can be folded here; None where its code is not at hand."""
        known = (view, version)
        with self._lock:
            if (seen := self._had(known)) is not None:
                return seen
            if known not in self._computed:
                kept = self._find(*known)
                if kept is None or self._source(kept) is None:
                    return None
                self._computed[known] = self._imported(kept)
            return self._computed[known]

    def users(self, view: str, version: str) -> list[str]:
        """The other workspaces of this root that keep a version, by name."""
        others = [each.workspace for each in self.all() if (each.view, each.version) == (view, version)]
        return sorted(set(others) - {self._workspace})

    def _had(self, known: tuple[str, str]) -> FeatureView | None:
        """A version that this process was given once, if its source is declared here."""
        seen = _seen.get(known)
        return seen if seen is not None and seen.source.name in self._definitions.sources else None

    def _find(self, view: str, version: str) -> Kept | None:
        """What is kept of a version, by this workspace or else by another one of the root."""
        value = self._table.get(self._key(view, version))
        if value is not None:
            return _kept(json.loads(value))
        return next((each for each in self.all() if (each.view, each.version) == (view, version)), None)

    def _source(self, kept: Kept) -> Source | None:
        """The source that a kept version has its events from, where it is declared here too."""
        return self._definitions.sources.get(json.loads(kept.description)["source"])

    def _imported(self, kept: Kept) -> FeatureView | None:
        """The view, as the files of its folder declare it."""
        if not kept.files:
            return None
        folder = Path(tempfile.mkdtemp(prefix="tilefold-")) / "features"
        try:
            for name, text in kept.files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            found = load_definitions(folder, self._root).views.get(kept.view)
        except (TilefoldError, OSError) as error:
            _log.warning("the kept files of view '%s', version %s, cannot be used: %s", kept.view, kept.version, error)
            return None
        if found is None or found.version != kept.version:
            _log.warning("the kept files of view '%s' do not give version %s", kept.view, kept.version)
            return None
        _seen[kept.view, kept.version] = found
        return found

    def _key(self, view: str, version: str) -> str:
        name = _OTHER.sub(lambda found: f"_{ord(found[0]):x}_", f"{self._workspace}.{view}")
        return f"{name}_{version}"


def _packed(files: Mapping[str, str]) -> str:
    return b64encode(zlib.compress(json.dumps(files).encode())).decode()


def _kept(facts: Mapping[str, Any]) -> Kept:
    files = json.loads(zlib.decompress(b64decode(facts["files"])))
    return Kept(facts["workspace"], facts["view"], facts["version"], facts["kept_us"], facts["description"], files)
