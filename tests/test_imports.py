"""What may import what: the layers of the project, and what its inner ones never touch."""

import ast
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

REPOSITORY = Path(__file__).parents[1]
PURE = sorted(path for part in ("engine", "functions") for path in (REPOSITORY / "tilefold" / part).glob("*.py"))
IMPURE_CALLS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.monotonic", "open"}
IMPURE_MODULES = {"socket", "time", "os", "subprocess", "pathlib"}


def test_layers() -> None:
    """The import contracts in pyproject.toml hold."""
    assert lint_imports(config_filename=str(REPOSITORY / "pyproject.toml"), no_cache=True) == 0


@pytest.mark.parametrize("path", PURE, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_inner_layers_are_pure(path: Path) -> None:
    """The engine and its functions take no clock, file or socket of their own."""
    tree = ast.parse(path.read_text())
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not calls & IMPURE_CALLS
    assert not {name.split(".")[0] for name in modules} & IMPURE_MODULES
