"""The declarations of one file, and what each of them would meet here.

The rule: a declaration is a decorated function or a call of a form; it carries over where nothing in it is refused. What
stands within it (its features, its configurations) counts as its own; what stands elsewhere is told by itself.
"""

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tilefold.cli.migration_forms import BATCH_FORMS, JUDGED, STREAM_FORMS, VIEW_FORMS, Obstacle, constant, judged
from tilefold.cli.migration_names import Names
from tilefold.declaration.refused_names import REFUSED_NAMES

_EDGES = ("trailing_edge", "aggregation_interval", "stream_processing_mode")
_CONTEXT_MEND = "Use the event's own time: every event is transformed by itself, whatever the step; aggregates are features."
_KINDS = {
    **dict.fromkeys(BATCH_FORMS, "batch view"),
    **dict.fromkeys(STREAM_FORMS, "stream view"),
    "BatchSource": "source",
    "StreamSource": "source",
    "Entity": "entity",
    "FeatureService": "service",
    "transformation": "transformation",
    "pandas_batch_config": "source function",
    "pyarrow_batch_config": "source function",
}


@dataclass(frozen=True, slots=True)
class Declared:
    """One declaration.

    Attributes
    ----------
    title
        What it is called: `batch view user_spend`.
    name
        Its variable or function.
    """

    line: int
    title: str
    name: str
    obstacles: tuple[Obstacle, ...]

    @property
    def carries_over(self) -> bool:
        """Whether nothing in it is refused."""
        return not any(each.is_fatal for each in self.obstacles)


def declarations(tree: ast.Module, names: Names) -> Iterator[Declared]:
    """The declarations of a file, and what of them stands by itself and is refused or ignored."""
    seen: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            seen.update(inner for each in node.decorator_list for inner in ast.walk(each))
            yield from _decorated(node, names)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            yield from _assigned(node, node.value, names)
            seen.update(ast.walk(node.value) if names.of(node.value.func) in (*_KINDS, *REFUSED_NAMES) else ())
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and call not in seen:
            seen.update(ast.walk(call))
            yield from _alone(call, names)


def _alone(call: ast.Call, names: Names) -> Iterator[Declared]:
    """A call that is no declaration with a name, such as a configuration that several sources share."""
    form = names.of(call.func)
    if form in _KINDS:
        yield from _called(call, names, None)
    elif obstacles := tuple(_within(call, names)):
        yield Declared(call.lineno, form or "a call", "", obstacles)


def _decorated(node: ast.FunctionDef | ast.AsyncFunctionDef, names: Names) -> Iterator[Declared]:
    for decorator in node.decorator_list:
        form = names.of(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if form not in _KINDS and form not in REFUSED_NAMES:
            continue
        assert form is not None, "it is one of the tables'"
        obstacles = [] if form in REFUSED_NAMES or not isinstance(decorator, ast.Call) else list(_within(decorator, names))
        if form in REFUSED_NAMES:
            obstacles = [Obstacle(decorator.lineno, f"{form} does not carry over", REFUSED_NAMES[form])]
        if form in VIEW_FORMS:
            obstacles += _function(node, names)
        yield Declared(node.lineno, f"{_KINDS.get(form, form)} {node.name}", node.name, tuple(obstacles))


def _assigned(node: ast.Assign | ast.AnnAssign, call: ast.Call, names: Names) -> Iterator[Declared]:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    yield from _called(call, names, target.id if isinstance(target, ast.Name) else None)


def _called(call: ast.Call, names: Names, variable: str | None) -> Iterator[Declared]:
    form = names.of(call.func)
    if form not in _KINDS and form not in REFUSED_NAMES:
        return
    given = [constant(each.value) for each in call.keywords if each.arg == "name"] + [constant(each) for each in call.args[:1]]
    called = next((each for each in given if isinstance(each, str)), variable or "without a name")
    yield Declared(call.lineno, f"{_KINDS.get(form or '', form)} {called}", variable or called, tuple(_within(call, names)))


def _within(call: ast.Call, names: Names) -> Iterator[Obstacle]:
    """What is judged in a call and in the calls within it."""
    form = names.of(call.func)
    for inner in ast.walk(call):
        if not isinstance(inner, ast.Call):
            continue
        inner_form = names.of(inner.func)
        if inner_form in JUDGED:
            yield from judged(inner_form, inner)
        elif inner_form in REFUSED_NAMES:
            yield Obstacle(inner.lineno, f"{inner_form} does not carry over", REFUSED_NAMES[inner_form])
    given = {each.arg for each in call.keywords}
    if form in VIEW_FORMS and None not in given and "feature_start_time" not in given:
        mend = "Write feature_start_time=datetime(2022, 5, 1); until then all events count."
        yield Obstacle(call.lineno, "it says no feature_start_time", mend, is_fatal=False)
    if form in STREAM_FORMS and None not in given and not given & set(_EDGES) and _has_windows(call, names):
        mend = 'Write trailing_edge="tecton" for the windows that it had; see docs/coming-from-tecton.md.'
        yield Obstacle(call.lineno, "its windows' trailing edges move in finer steps here", mend, is_fatal=False)


def _has_windows(call: ast.Call, names: Names) -> bool:
    """Whether its features are Aggregates, or not to be seen here."""
    features = next((each.value for each in call.keywords if each.arg == "features"), call)
    forms = {names.of(inner.func) for inner in ast.walk(features) if isinstance(inner, ast.Call)}
    return "Aggregate" in forms or "Attribute" not in forms


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, names: Names) -> list[Obstacle]:
    """What of a view's function would be refused."""
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    defaults = [each for each in (*node.args.defaults, *node.args.kw_defaults) if isinstance(each, ast.Call)]
    asked = any(each.arg == "context" for each in arguments)
    if asked or any(names.of(each.func) == "materialization_context" for each in defaults):
        return [Obstacle(node.lineno, "its function takes the materialization context", _CONTEXT_MEND)]
    return []


def left_behind(tree: ast.Module, names: Names, refused: Collection[str]) -> Iterator[tuple[int, str]]:
    """The features of services that are declarations which do not carry over, with their lines."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and names.of(node.func) == "FeatureService"):
        lists = [each.value for each in call.keywords if each.arg == "features"]
        for each in (name for given in lists for name in ast.walk(given) if isinstance(name, ast.Name)):
            if each.id in refused:
                yield each.lineno, each.id
