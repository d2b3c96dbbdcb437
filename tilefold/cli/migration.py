"""`tilefold doctor --migrate PATH`: what of a folder of another SDK's definitions carries over.

The rule: files are read, never run, and nothing of that SDK need be installed. Whatever does not carry over is told with its
file and line, the reason, and what to do; a file that is no Python is one of these.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tilefold.cli.doctor import show_finding
from tilefold.cli.findings import Finding, Level
from tilefold.cli.migration_file import Declared, declarations, left_behind
from tilefold.cli.migration_forms import Obstacle
from tilefold.cli.migration_names import Missing, Names, names_of
from tilefold.errors import FileError, InputError, complaint

_SKIPPED = ("__pycache__", "node_modules", "site-packages", "tests")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was read."""

    path: Path
    tree: ast.Module
    names: Names
    declared: tuple[Declared, ...]


def migration(path: str) -> Iterator[Finding]:
    """What carries over, declaration by declaration, and at last how much of all.

    Raises
    ------
    FileError
        If there is no such file or folder, or no Python file in it.
    InputError
        If none of its files imports that SDK.
    """
    read: list[SourceFile] = []
    broken = 0
    for file in _files(Path(path)):
        try:
            read.append(_read(file))
        except (SyntaxError, ValueError, OSError) as error:
            broken += 1
            line = getattr(error, "lineno", None) or 1
            yield Finding(Level.FAIL, f"{file}:{line}", f"{type(error).__name__}: {error}", "Mend the file: it is no Python.")
    used = [each for each in read if each.names.lines]
    if not used and not broken:
        mend = "Name the folder of the definitions that are to be moved, with its import lines as they were."
        raise InputError(complaint(f"folder {path!r}", "some file in it must import tecton", "none", mend))
    refused = {one.name for each in used for one in each.declared if not one.carries_over}
    for each in used:
        yield from _findings(each, refused)
    yield _summary(used, broken)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        mend = "Name a folder of Python files, or one of them."
        raise FileError(complaint("--migrate", "there must be such a folder", str(path), mend))
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    chosen = [each for each in files if path.is_file() or _is_chosen(each.relative_to(path))]
    if not chosen:
        raise FileError(complaint("--migrate", "the folder must hold Python files", str(path), "Name another folder."))
    return chosen


def _is_chosen(path: Path) -> bool:
    return not any(part.startswith(".") or part in _SKIPPED for part in path.parts) and not path.name.startswith("test_")


def _read(file: Path) -> SourceFile:
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    names = names_of(tree)
    return SourceFile(file, tree, names, tuple(sorted(declarations(tree, names), key=lambda one: one.line)))


def _findings(each: SourceFile, refused: set[str]) -> Iterator[Finding]:
    for missing in each.names.missing:
        yield Finding(Level.FAIL, f"{each.path}:{missing.line}", _said(missing), "Remove it, and what uses it.")
    for one in each.declared:
        if not one.obstacles:
            yield Finding(Level.OK, f"{each.path}:{one.line}", f"{one.title} carries over")
        yield from (_finding(each.path, one, obstacle) for obstacle in one.obstacles)
    mend = "Mend that one, or leave it out."
    for line, name in left_behind(each.tree, each.names, refused):
        yield Finding(Level.FAIL, f"{each.path}:{line}", f"a service reads {name}, which does not carry over", mend)


def _said(missing: Missing) -> str:
    what = f"module {missing.module}" if missing.name is None else f"{missing.name} of {missing.module}"
    return f"{what} is no part of this project"


def _finding(path: Path, one: Declared, obstacle: Obstacle) -> Finding:
    level = Level.FAIL if obstacle.is_fatal else Level.WARN
    return Finding(level, f"{path}:{obstacle.line}", f"{one.title}: {obstacle.found}", obstacle.mend)


def _summary(used: list[SourceFile], broken: int) -> Finding:
    declared = [one for each in used for one in each.declared]
    carried = sum(one.carries_over for one in declared)
    missing = sum(len(each.names.missing) for each in used)
    lines = sum(each.names.lines_to_change for each in used)
    level = Level.OK if carried == len(declared) and not missing and not broken else Level.FAIL
    text = f"{carried} of {len(declared)} declarations carry over as they are; {lines} import lines change one word"
    mend = "" if level is Level.OK else "Mend the lines above; docs/coming-from-tecton.md says how."
    return Finding(level, "migration", text, mend)


def show_migration(path: str, out: Console) -> bool:
    """Show what carries over; whether all does."""
    findings = []
    for finding in migration(path):
        findings.append(finding)
        show_finding(finding, out)
    return all(finding.level is not Level.FAIL for finding in findings)
