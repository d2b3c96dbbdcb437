"""Imports of a folder's files from their text, each time.

The rule: bytecode is neither read nor written of them. It is told stale by the size of a file and the second in which it was
changed, so that a definition that was changed at once (`sum` to `max`) would be taken for what it was before.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType


class _FromText(SourceFileLoader):
    """Compiles a file whenever it is imported."""

    def get_code(self, fullname: str) -> CodeType:
        """What its text says now."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


class _Finder(MetaPathFinder):
    """Finds what the path has; files of the folder are loaded from their text."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """None where it is no file of the folder: the next finder is asked."""
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        if not Path(spec.origin).resolve().is_relative_to(self._folder):
            return None
        spec.loader, spec.cached = _FromText(fullname, spec.origin), None
        return spec


@contextmanager
def uncached(folder: Path) -> Iterator[None]:
    """Import files of this folder from their text meanwhile."""
    finder = _Finder(folder)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
