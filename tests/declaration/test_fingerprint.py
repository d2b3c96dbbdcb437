import functools
import importlib.util
from datetime import timedelta
from pathlib import Path
from types import FunctionType
from typing import Any

import polars as pl
import pytest

from tilefold.declaration.fingerprint import constant_text, fingerprint


def load(folder: Path, code: str) -> Any:
    """A module of its own that holds the code."""
    path = folder / f"module_{len(list(folder.iterdir()))}.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def print_of(folder: Path, code: str) -> str:
    """The fingerprint of the code's function `view`."""
    return fingerprint(load(folder, code).view)


PLAIN = "def view(frame):\n    return frame.filter(frame.x > 1)\n"


@pytest.mark.parametrize(
    "same",
    [
        "# moved down\n\n\n" + PLAIN,
        "def view(frame):\n    # busy ones\n    return frame.filter(\n        frame.x > 1\n    )\n",
        'def view(frame):\n    """Busy ones."""\n    return frame.filter(frame.x > 1)\n',
        "def view(frame: object) -> object:\n    return frame.filter(frame.x > 1)\n",
        "def other(frame):\n    return frame.filter(frame.x > 1)\nview = other\n",
        "def same(function):\n    return function\n@same\n" + PLAIN,
        "if True:\n    def view(frame):\n        return frame.filter(frame.x > 1)\n",
    ],
)
def test_same(tmp_path: Path, same: str) -> None:
    """Place, comments, layout, docstrings, annotations, name and decorators do not count."""
    assert print_of(tmp_path, same) == print_of(tmp_path, PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        "def view(frame):\n    return frame.filter(frame.x > 2)\n",
        "def view(frame):\n    return frame.filter(frame.y > 1)\n",
        "def view(frame, least=1):\n    return frame.filter(frame.x > least)\n",
    ],
)
def test_other_code(tmp_path: Path, other: str) -> None:
    """Other code is another fingerprint."""
    assert print_of(tmp_path, other) != print_of(tmp_path, PLAIN)


@pytest.mark.parametrize(
    "code",
    [
        "LIMIT = {}\ndef view(frame):\n    return frame.filter(frame.x > LIMIT)\n",
        "def make(limit):\n    def view(frame):\n        return frame.x > limit\n    return view\nview = make({})\n",
        "LIMIT = {}\ndef view(frame):\n    return frame.map(lambda x: x > LIMIT)\n",
        "LIMIT = {}\ndef busy(frame):\n    return frame.x > LIMIT\ndef view(frame):\n    return frame.filter(busy(frame))\n",
        "def busy(frame):\n    return frame.x > {}\ndef view(frame):\n    return frame.filter(busy(frame))\n",
        "import polars as pl\nBUSY = pl.col('x') > {}\ndef view(frame):\n    return frame.filter(BUSY)\n",
        "LIMITS = dict(x=[{}])\ndef view(frame):\n    return frame.filter(frame.x > LIMITS['x'][0])\n",
        "LIMIT = {}\ndef view(frame, least=LIMIT):\n    return frame.filter(frame.x > least)\n",
    ],
)
def test_surroundings(tmp_path: Path, code: str) -> None:
    """Constants around the function, and functions of its module that it calls, count."""
    one, again, two = (print_of(tmp_path, code.format(value)) for value in (1, 1, 2))
    assert one == again != two


def test_unused_surroundings(tmp_path: Path) -> None:
    """What the code does not name does not count."""
    assert print_of(tmp_path, "LIMIT = 1\n" + PLAIN) == print_of(tmp_path, "LIMIT = 2\n" + PLAIN)


def test_recursion(tmp_path: Path) -> None:
    """Functions that call each other are described once."""
    code = "def a(x):\n    return b(x)\ndef b(x):\n    return a(x)\ndef view(frame):\n    return a(frame)\n"
    assert print_of(tmp_path, code).count("return b(x)") == 1


def test_without_source() -> None:
    """Without its source, the compiled code counts, constants included."""

    def compiled(code: str) -> FunctionType:
        names: dict[str, Any] = {}
        exec(code, names)
        function: FunctionType = names["view"]
        function.__module__ = "nowhere"
        return function

    one, moved, two = (compiled(code) for code in (PLAIN, "\n\n" + PLAIN, PLAIN.replace("1", "2")))
    assert fingerprint(one) == fingerprint(moved) != fingerprint(two)


def test_lambda() -> None:
    """Of several functions on a line, each counts alone."""
    one: Any
    two: Any
    one, two = (lambda frame: frame.x), (lambda frame: frame.y)
    assert fingerprint(one) != fingerprint(two)


def test_wrapped(tmp_path: Path) -> None:
    """The function below a wrapper counts."""
    code = (
        "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def call(x):\n        return f(f(x))\n    return call\n"
        "@twice\ndef view(frame):\n    return frame.filter({})\n"
    )
    assert print_of(tmp_path, code.format(1)) != print_of(tmp_path, code.format(2))


def test_unset_variable() -> None:
    """A variable of the enclosing function that is not set yet is no obstacle."""

    def view(frame: pl.LazyFrame) -> object:
        return frame, later

    function: Any = view
    before = fingerprint(function)
    later = 1
    assert before != fingerprint(function)
    assert later == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        ("a", "'a'"),
        (timedelta(days=1), "datetime.timedelta(days=1)"),
        ((1, "a"), "(1, 'a')"),
        ({3, 1, 2}, "{1, 2, 3}"),
        ({"b": {2, 1}}, "{'b': {1, 2}}"),
        (object(), None),
        ([object()], None),
        ({"a": object()}, None),
        (functools.partial(print), None),
    ],
)
def test_constants(value: Any, text: str | None) -> None:
    """A constant is text without addresses, sets in one order; other objects are none."""
    assert constant_text(value) == text
