"""What a transformation computes, as a text that is the same in every process.

The rule: the text changes when the code does, and not with its place, comments, formatting, docstrings, annotations,
decorators or name. It holds the function's code; the values of constants that the code takes from around it (numbers, texts,
times, Polars expressions, and tuples, lists, sets and dicts of these); the code of functions of the same module that it calls;
and that of transformations that a pipeline calls, wherever they stand. What other objects and other modules do is not seen:
give the view another name where they change.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time, timedelta
from types import CodeType, FunctionType
from typing import Any

import polars as pl

from tilefold.declaration.pipelines import Const, PipelineStep
from tilefold.types import Field

_CONSTANTS = (type(None), bool, int, float, complex, str, bytes, date, time, timedelta)  # a datetime is a date


def fingerprint(function: FunctionType) -> str:
    """The text of what a function computes."""
    seen: dict[str, str] = {}
    _describe(function, function.__module__, seen)
    return "\n".join(f"{name}: {text}" for name, text in sorted(seen.items()))


def class_fingerprint(described: type) -> str:
    """The text of what the methods and constants of a class are, its own and those of the classes that it is made from.

    Those of this package do not count, so that versions stay from release to release.
    """
    texts = []
    for each in described.__mro__:
        if each is object or each.__module__.split(".")[0] == __package__.split(".")[0]:
            continue
        for name, value in sorted(vars(each).items()):
            made = value.__func__ if isinstance(value, staticmethod | classmethod) else value
            if isinstance(made, FunctionType):
                texts.append(f"{name}: {fingerprint(made)}")
            elif not name.startswith("__"):
                texts.append(f"{name}: {constant_text(made) or _declared_text(made)}")
    return "\n".join(texts)


def _declared_text(value: object) -> str:
    """Types and fields of a class: what they are printed as does not change."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_declared_text, value))}]"
    return (
        repr(value)
        if isinstance(value, pl.DataType | Field) or (isinstance(value, type) and issubclass(value, pl.DataType))
        else ""
    )


def _describe(function: FunctionType, module: str, seen: dict[str, str], called: str = "") -> None:
    """Enter a function's code, the constants around it and the functions that it calls, each once."""
    seen[called] = _source(function)
    for index, default in enumerate([*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]):
        seen[f"{called}({index})"] = constant_text(default) or ""
    for name, value in _around(function):
        text = constant_text(value)
        if text is not None:
            seen[f"{called}.{name}"] = text
        elif isinstance(value, FunctionType) and value.__module__ == module and name not in seen:
            _describe(value, module, seen, name)
        elif isinstance(value, PipelineStep):
            seen[f"{called}.{name}"] = f"{value.mode}: {fingerprint(value.function)}"


def constants(function: FunctionType) -> Iterator[object]:
    """The texts, numbers and other constants that the function's code names, and those around it."""
    for code in _codes(function.__code__):
        yield from _flat(code.co_consts)
    yield from _flat([value for _, value in _around(function)])


def _flat(values: Iterable[object]) -> Iterator[object]:
    for value in values:
        if isinstance(value, tuple | list | set | frozenset):
            yield from _flat(value)
        elif isinstance(value, _CONSTANTS):
            yield value


def _around(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """The variables of the enclosing function and of the module that the code may name."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    yield from ((name, cell.cell_contents) for name, cell in cells if _is_filled(cell))
    names = {name for code in _codes(function.__code__) for name in code.co_names}
    yield from ((name, function.__globals__[name]) for name in sorted(names & function.__globals__.keys()))


def _is_filled(cell: Any) -> bool:
    try:
        return bool(cell.cell_contents is not cell)
    except ValueError:  # named by the code, not yet set
        return False


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code and that of the functions within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _source(function: FunctionType) -> str:
    """The function's code in one normal form; compiled, where the source is not at hand or is more than the function."""
    try:
        parsed = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError):
        return _compiled(function.__code__)
    if not isinstance(parsed, ast.FunctionDef):
        return _compiled(function.__code__)
    return ast.unparse(ast.fix_missing_locations(_Normal().visit(parsed)))


class _Normal(ast.NodeTransformer):
    """Takes from a function what does not change its values: its name, decorators, docstring, annotations."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        node.name, node.decorator_list, node.returns, node.body = "f", [], None, body or [ast.Pass()]
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node


def _compiled(code: CodeType) -> str:
    """The code as Python compiled it; it differs between versions of Python."""
    nested = [_compiled(constant) if isinstance(constant, CodeType) else constant_text(constant) for constant in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {nested}"


def constant_text(value: Any) -> str | None:
    """A constant as text, sets in one order; None for what is no constant.

    Examples
    --------
    >>> constant_text({"b": {2, 1}})
    "{'b': {1, 2}}"
    """
    value = value.value if isinstance(value, Const) else value
    if isinstance(value, _CONSTANTS):
        return repr(value)
    if isinstance(value, pl.Expr):
        return str(value)
    if isinstance(value, Mapping):
        pairs = [(constant_text(key), constant_text(item)) for key, item in value.items()]
        whole = [f"{key}: {item}" for key, item in pairs if key is not None and item is not None]
        return "{" + ", ".join(whole) + "}" if len(whole) == len(pairs) else None
    if isinstance(value, tuple | list | set | frozenset):
        texts = [text for text in map(constant_text, value) if text is not None]
        if len(texts) < len(value):
            return None
        ordered = sorted(texts) if isinstance(value, set | frozenset) else texts
        opening, closing = "{}" if isinstance(value, set | frozenset) else "()"
        return opening + ", ".join(ordered) + closing
    return None
