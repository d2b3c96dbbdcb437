"""The definitions of a workspace: declared objects, found in a list, a module or a folder.

The rule: a name means one thing; two different objects of one kind and name are an error. A module or folder that declares
nothing is an error too: it is nearly always another one than was meant. Only a list may be empty.
"""

import difflib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from tilefold.declaration.entity import Entity
from tilefold.declaration.services import FeatureService
from tilefold.declaration.sources import Source
from tilefold.declaration.views import FeatureView
from tilefold.errors import DeclarationError, UnknownNameError, complaint
from tilefold.serving.modules import declares_nothing, files_of, modules_of

T = TypeVar("T")
_loading = threading.RLock()  # files learn the root by the environment, and are imported as modules, which are the process's
DECLARED = (Entity, FeatureService, FeatureView, Source)
ROOT_VARIABLE = "TILEFOLD_ROOT"
Given = str | Path | ModuleType | Sequence[Any]


@dataclass(frozen=True, slots=True)
class Definitions:
    """Sources, views and services by name.

    Attributes
    ----------
    files
        Of a folder its Python files: their text by their place in it.
    """

    sources: dict[str, Source] = field(default_factory=dict)
    views: dict[str, FeatureView] = field(default_factory=dict)
    services: dict[str, FeatureService] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def view(self, name: str) -> FeatureView:
        """The view of that name; raises UnknownNameError."""
        return _found(self.views, "view", name)

    def source(self, name: str) -> Source:
        """The source of that name; raises UnknownNameError."""
        return _found(self.sources, "source", name)

    def views_of(self, source: str) -> list[FeatureView]:
        """The views of a source."""
        return [view for view in self.views.values() if view.source.name == source]

    def selection(self, name: str) -> list[tuple[FeatureView, list[int]]]:
        """The views that a view's or service's name stands for, with the numbers of the chosen features.

        Raises
        ------
        UnknownNameError
            If neither a view nor a service has that name.
        """
        if name in self.views:
            view = self.views[name]
            return [(view, list(range(len(view.features))))]
        service = _found({**self.views, **self.services}, "view or service", name)
        assert isinstance(service, FeatureService), "views were looked up before"
        return [(each.view, _numbers(each.view, each.names)) for each in service.selections]


def _numbers(view: FeatureView, names: Iterable[str]) -> list[int]:
    positions = {feature.name: number for number, feature in enumerate(view.features)}
    return [positions[name] for name in names]


def _found(known: Mapping[str, T], kind: str, name: str) -> T:
    if name not in known:
        alike = difflib.get_close_matches(name, known, n=1)
        mend = f"{f'Did you mean {alike[0]}? ' if alike else ''}Declared are: {', '.join(sorted(known)) or 'none'}."
        raise UnknownNameError(complaint(kind, "it must be declared in the workspace's definitions", name, mend))
    return known[name]


def load_definitions(given: Given, root: str | None = None) -> Definitions:
    """Collect what is declared.

    Parameters
    ----------
    given
        A list of declared objects, a module or its name, or a folder of Python files.
    root
        The workspace's root: files that are imported for it find it in the environment, as `TILEFOLD_ROOT`.

    Raises
    ------
    DeclarationError
        If two different objects share a name, or a declaration breaks a rule, or its file fails, or a module or folder
        declares nothing.
    FileError
        If there is no such module or folder.
    """
    definitions = Definitions(files=files_of(given))
    with _loading, _root_in_environment(root):
        objects = [each for each in _objects(given) if isinstance(each, DECLARED)]
    if not objects and isinstance(given, str | Path | ModuleType):
        raise declares_nothing(given)
    for each in objects:
        if isinstance(each, FeatureService):
            _enter(definitions.services, "service", each)
            for view in each.views:
                _enter_view(definitions, view)
        elif isinstance(each, FeatureView):
            _enter_view(definitions, each)
        elif isinstance(each, Source):
            _enter(definitions.sources, "source", each)
    if both := definitions.views.keys() & definitions.services.keys():
        mend = "Rename one of them: both are read by name."
        raise DeclarationError(complaint("service", "it may not share its name with a view", min(both), mend))
    return definitions


@contextmanager
def _root_in_environment(root: str | None) -> Iterator[None]:
    before = os.environ.get(ROOT_VARIABLE)
    if root is not None:
        os.environ[ROOT_VARIABLE] = root
    try:
        yield
    finally:
        if before is not None:
            os.environ[ROOT_VARIABLE] = before
        elif root is not None:
            del os.environ[ROOT_VARIABLE]


def _enter_view(definitions: Definitions, view: FeatureView) -> None:
    _enter(definitions.views, "view", view)
    _enter(definitions.sources, "source", view.source)


def _enter(known: dict[str, Any], kind: str, each: Any) -> None:
    if not _same(known.setdefault(each.name, each), each):
        mend = "Rename one of them."
        raise DeclarationError(complaint(kind, "a name may stand for one object only", each.name, mend))


def _same(one: Any, other: Any) -> bool:
    """Whether two objects are one declaration: a file may be imported under two names, `views` and `features.views`."""
    if isinstance(one, FeatureView) and isinstance(other, FeatureView):
        return one.version == other.version and _same(one.source, other.source)
    if isinstance(one, FeatureService) and isinstance(other, FeatureService):
        return _chosen(one) == _chosen(other)
    return bool(one == other)


def _chosen(service: FeatureService) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.view.version, each.names) for each in service.selections]


def _objects(given: Given) -> Iterator[Any]:
    if isinstance(given, ModuleType):
        yield from vars(given).values()
    elif isinstance(given, str | Path):
        for module in modules_of(given):
            yield from vars(module).values()
    else:
        yield from _listed(given)


def _listed(given: object) -> Sequence[Any]:
    """A list of declared objects, and nothing else in it: what is no declaration would be left out without a word."""
    mend = "List declared objects, or name a module or a folder."
    if not isinstance(given, Sequence):
        raise DeclarationError(complaint("definitions", "they must be a list, a module or a folder", given, mend))
    for each in given:
        if not isinstance(each, DECLARED):
            raise DeclarationError(complaint("definitions", "a list holds declared objects alone", each, mend))
    return given
