"""Modules and folders of declarations, imported.

The rule: what is named must be there and must import; else the error says what was looked for and where, or the line that
failed. A folder's files are read anew each time (see `uncached`), as a package of their own that leaves nothing behind; those
of its subfolders by the names under which they import each other. Tests, and what is hidden, declare nothing.
"""

import importlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from tilefold.errors import DeclarationError, FileError, TilefoldError, complaint
from tilefold.serving.uncached import uncached

NAME_ANOTHER = (
    "Run it in the project's folder, or name a folder of Python files or an importable module "
    "(`definitions`, at the command line `--definitions`)."
)


def modules_of(given: str | Path) -> list[ModuleType]:
    """The module of that name, or those of that folder's Python files.

    Raises
    ------
    FileError
        If there is neither.
    DeclarationError
        If a file cannot be imported.
    """
    folder = Path(given)
    if str(given) and folder.is_dir():
        return _folder_modules(folder)
    try:
        module = importlib.import_module(str(given))
    except TilefoldError:
        raise
    except Exception as error:
        if not isinstance(error, ModuleNotFoundError | ValueError) or not f"{given}.".startswith(f"{_missing(error)}."):
            raise _failed(str(given), error) from error
        raise _not_there(given) from error
    if getattr(module, "__file__", None) is None and hasattr(module, "__path__"):
        raise _not_there(given)  # a folder without `__init__.py` on the path: Python calls it a package, and runs nothing
    return [module]


def files_of(given: object) -> dict[str, str]:
    """Of a folder its Python files, their text by their place in it; nothing of anything else."""
    folder = Path(given) if isinstance(given, str | Path) and str(given) else None
    if folder is None or not folder.is_dir():
        return {}
    paths = [path for path in sorted(folder.rglob("*.py")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text(errors="replace") for path in paths}


def _not_there(given: str | Path) -> FileError:
    where = f"there must be such a folder in {Path.cwd()}, or such a module"
    return FileError(complaint("definitions", where, str(given), NAME_ANOTHER))


def declares_nothing(given: str | Path | ModuleType) -> DeclarationError:
    """The error of a module or folder that imports and declares nothing."""
    is_folder = not isinstance(given, ModuleType) and Path(given).is_dir()
    name = given.__name__ if isinstance(given, ModuleType) else str(Path(given).absolute()) if is_folder else str(given)
    rule = "a folder must hold Python files that declare something" if is_folder else "a module must declare something"
    return DeclarationError(complaint("definitions", rule, name, f"Declare a source and a view in it. {NAME_ANOTHER}"))


def _missing(error: Exception) -> str:
    """The module that could not be found; the empty name has no module."""
    return error.name or "" if isinstance(error, ModuleNotFoundError) else ""


def _folder_modules(folder: Path) -> list[ModuleType]:
    """Every file of a folder, as the modules of a package of its own, so that they may import each other."""
    name = f"tilefold_definitions.{folder.resolve().name}"
    for known in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
        del sys.modules[known]
    package = ModuleType(name)
    package.__path__ = [str(folder.absolute())]
    sys.modules[name] = package
    files = [path for path in sorted(folder.absolute().rglob("*.py")) if _declares(path.relative_to(folder.absolute()))]
    importlib.invalidate_caches()
    with _importable(folder.resolve()), uncached(folder.resolve()):
        return [_load(_module_name(name, path.relative_to(folder.absolute())), path) for path in files]


def _declares(path: Path) -> bool:
    """Whether a file of a folder is one of its declarations."""
    hidden = any(part.startswith((".", "__pycache__")) or part == "tests" for part in path.parent.parts)
    return not hidden and path.name not in ("__init__.py", "conftest.py") and not path.name.startswith("test_")


def _module_name(package: str, path: Path) -> str:
    """A file's name as a module: of the folder's own package, or in a subfolder as its neighbours import it."""
    parts = path.with_suffix("").parts
    return ".".join(parts) if len(parts) > 1 else f"{package}.{path.stem}"


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let files import their neighbours as `views` and `features.views` too, and leave no trace of it."""
    places, known = [str(folder), str(folder.parent)], set(sys.modules)
    sys.path.extend(places)
    try:
        yield
    finally:
        for place in places:
            sys.path.reverse()
            sys.path.remove(place)
            sys.path.reverse()
        ours = [name for name in set(sys.modules) - known if not name.startswith("tilefold_definitions.")]
        for name in [name for name in ours if _is_within(sys.modules[name], folder)]:
            del sys.modules[name]


def _is_within(module: ModuleType, folder: Path) -> bool:
    """Whether a module stands in the folder; one without a file is a subfolder, told by its path."""
    file = getattr(module, "__file__", None)
    places = [file] if file else list(getattr(module, "__path__", []))
    return any(Path(place).resolve().is_relative_to(folder) for place in places)


def _load(name: str, path: Path) -> ModuleType:
    """Import a file, or take it where another one has imported it."""
    try:
        return importlib.import_module(name)
    except TilefoldError:
        raise
    except Exception as error:
        raise _failed(str(path), error) from error


def _failed(path: str, error: Exception) -> DeclarationError:
    """What a file of declarations raised that is none of our errors, with the line of it that did."""
    steps = [step for step in traceback.extract_tb(error.__traceback__) if step.filename == path]
    line = error.lineno if isinstance(error, SyntaxError) else steps[-1].lineno if steps else None
    where = f"{path}, line {line}" if line else path
    return DeclarationError(
        complaint("definitions", f"{where} must import", f"{type(error).__name__}: {error}", "Mend that line.")
    )
