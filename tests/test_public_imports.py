"""What users write, and what we show them to write, needs nothing of Tilefold that is not public."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PUBLIC = {"tilefold", "tilefold.types", "tilefold.aggregation_functions", "tilefold.testing"}
SHOWN = ("README.md", "docs/declarations.md", "docs/operations.md", "docs/coming-from-tecton.md")
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def written() -> dict[str, str]:
    """The code of the example feature repository, of the examples and of the pages, by where it stands."""
    files = {path: path.read_text() for folder in ("features", "examples") for path in (REPOSITORY / folder).rglob("*.py")}
    named = {str(path.relative_to(REPOSITORY)): code for path, code in files.items()}
    return named | {page: "\n".join(PYTHON.findall((REPOSITORY / page).read_text())) for page in SHOWN}


def imported(code: str) -> Iterator[tuple[str, str | None]]:
    """Every module of Tilefold that is imported, and each name taken from it; None where it is imported as a whole."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if alias.name.partition(".")[0] == "tilefold")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "tilefold":
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize("place", sorted(written()))
def test_only_public_names_are_imported(place: str) -> None:
    """Modules are the three public ones, and names are those that they export."""
    found = list(imported(written()[place]))
    assert found, "it shows nothing of Tilefold"
    for module, name in found:
        assert module in PUBLIC
        exported = importlib.import_module(module).__all__
        assert name is None or name in exported, f"{module} does not export {name}"


@pytest.mark.parametrize("place", sorted(place for place in written() if place.endswith(".py")))
def test_nothing_else_of_the_project_is_imported(place: str) -> None:
    """Neither a feature repository nor an example needs Dagster or the folders around it."""
    tree = list(ast.walk(ast.parse(written()[place])))
    modules = {alias.name for node in tree if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in tree if isinstance(node, ast.ImportFrom)}
    others = {"assets", "benchmarks", "dagster", "dagster_deltalake", "orchestration", "resources", "tests"}
    assert not {module.partition(".")[0] for module in modules} & others
