"""What a declaration of another SDK would meet here, told from its syntax tree.

The rule: the tables are those that the declarations themselves keep, so that what is listed here is what would happen. Only
what stands in the file is judged; a value that is worked out somewhere else is left to the declaration.
"""

import ast
import difflib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import tilefold
from tilefold.declaration import elsewhere
from tilefold.declaration.decorators import BATCH_ELSEWHERE
from tilefold.declaration.elsewhere import Elsewhere, mend_of
from tilefold.declaration.forms import FUNCTION
from tilefold.declaration.modes import MODE_MEND, MODES, REFUSED_MODES, SQL_MODES
from tilefold.declaration.pipelines import STEP_MODES
from tilefold.declaration.selections import RANGE_MEND
from tilefold.declaration.source_configs import FILE_FORMATS
from tilefold.functions.registry import FUNCTION_NAMES

BATCH_FORMS: Final = ("batch_feature_view", "BatchFeatureView")
STREAM_FORMS: Final = ("stream_feature_view", "StreamFeatureView")
VIEW_FORMS: Final = BATCH_FORMS + STREAM_FORMS
_TABLES: Final = {
    **dict.fromkeys(BATCH_FORMS, BATCH_ELSEWHERE),
    **dict.fromkeys(STREAM_FORMS, elsewhere.VIEW),
    "BatchSource": elsewhere.SOURCE,
    "StreamSource": elsewhere.SOURCE,
    "Entity": elsewhere.ENTITY,
    "FileConfig": elsewhere.FILES,
    "PushConfig": elsewhere.PUSH,
    "FeatureService": elsewhere.SERVICE,
    **dict.fromkeys(("pandas_batch_config", "pyarrow_batch_config"), elsewhere.FUNCTION_SOURCE),
    "DeltaConfig": elsewhere.DELTA,
    "OfflineStoreConfig": elsewhere.OFFLINE_STORE,
    "transformation": Elsewhere(frozenset({"prevent_destroy"})),
}
_FREE: Final = {"pandas_batch_config": ("data_delay", "supports_time_filtering", "timestamp_field")}
_OLD: Final = {
    "features": "Write features=[Aggregate(...)], or Attribute(...).",
    "join_keys": 'Write join_keys=[Field("user_id", String)].',
}
JUDGED: Final = (*_TABLES, "Aggregate", "Attribute", "TimeWindow", "TimeWindowSeries", "LifetimeWindow")
"""The forms whose parameters are looked at."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that would be refused, or ignored; `is_fatal` says which."""

    line: int
    found: str
    mend: str
    is_fatal: bool = True


def known_parameters(form: str) -> Sequence[str]:
    """The parameters that a form takes here."""
    if form in ("BatchFeatureView", "StreamFeatureView"):
        decorator = tilefold.batch_feature_view if form == "BatchFeatureView" else tilefold.stream_feature_view
        return [*inspect.signature(decorator).parameters, FUNCTION]
    if form.endswith("_batch_config"):
        return _FREE["pandas_batch_config"]
    known = [*inspect.signature(getattr(tilefold, form)).parameters]
    return [*known[:-1], "description", "owner", "tags"] if form == "transformation" else known


def judged(form: str, call: ast.Call) -> Iterator[Obstacle]:
    """What of a call's parameters would not carry over."""
    table, known = _TABLES.get(form, elsewhere.NOTHING), known_parameters(form)
    given = {each.arg: each for each in call.keywords if each.arg}
    if any(each.arg is None for each in call.keywords):
        mend = "They are not seen here: load it to know."
        yield Obstacle(call.lineno, f"{form} takes parameters by **", mend, is_fatal=False)
    ignored = sorted(name for name in given if name not in known and name in table.ignored)
    if ignored:
        yield Obstacle(call.lineno, f"{', '.join(ignored)}: ignored", "Nothing to do; a load warns of it.", is_fatal=False)
    for name, each in given.items():
        if name not in known and name not in table.ignored:
            yield Obstacle(each.value.lineno, f"{form} does not know the parameter {name!r}", mend_of(name, known, table))
    given |= {name: ast.keyword(name, each) for name, each in zip(known, call.args, strict=False) if name not in given}
    for name, check in _CHECKS.get(form, {}).items():
        if name in given:
            yield from check(given[name].value)


def constant(node: ast.expr) -> Any:
    """The value of a literal; None where it is none."""
    return node.value if isinstance(node, ast.Constant) else None


def _mode(node: ast.expr) -> Iterator[Obstacle]:
    mode = constant(node)
    if isinstance(mode, str) and mode not in (*MODES, *SQL_MODES):
        yield Obstacle(node.lineno, f"mode={mode!r} is not known", REFUSED_MODES.get(mode, MODE_MEND))


def _step_mode(node: ast.expr) -> Iterator[Obstacle]:
    mode = constant(node)
    if isinstance(mode, str) and mode not in STEP_MODES:
        yield Obstacle(node.lineno, f"mode={mode!r} is not known", f"Use one of {', '.join(STEP_MODES)}.")


def _source(node: ast.expr) -> Iterator[Obstacle]:
    if isinstance(node, ast.List | ast.Tuple):
        if len(node.elts) > 1:
            mend = "Join other tables where events enter the source."
            yield Obstacle(node.lineno, f"a view has exactly one source, not {len(node.elts)}", mend)
        for each in node.elts:
            yield from _source(each)
    elif isinstance(node, ast.Call):
        ranged = isinstance(node.func, ast.Attribute) and node.func.attr == "select_range"
        moved = any(each.arg == "start_time_offset" for each in node.keywords)
        if ranged or moved:
            yield Obstacle(node.lineno, "a view's function is given the events of each day, not of a longer range", RANGE_MEND)


def _file_format(node: ast.expr) -> Iterator[Obstacle]:
    given = constant(node)
    if isinstance(given, str) and given not in FILE_FORMATS:
        yield Obstacle(node.lineno, f"file_format={given!r} is not read", f"Use one of {', '.join(FILE_FORMATS)}.")


def _texts(node: ast.expr) -> Iterator[Obstacle]:
    if isinstance(node, ast.List | ast.Tuple):
        for each in node.elts:
            if isinstance(constant(each), str):
                yield Obstacle(each.lineno, f"{constant(each)!r} is no Field", _OLD["join_keys"])


def _nested(node: ast.expr) -> Iterator[Obstacle]:
    """An Attribute's type that is more than one value; it stands by its name, wherever it was imported from."""
    made = node.func if isinstance(node, ast.Call) else node
    name = made.attr if isinstance(made, ast.Attribute) else made.id if isinstance(made, ast.Name) else ""
    if name in ("Array", "Map", "Struct"):
        mend = "Declare an Attribute for each of its fields, or make a String of it in the view's function."
        yield Obstacle(node.lineno, f"an Attribute holds one value, not a {name}", mend)


def _function(node: ast.expr) -> Iterator[Obstacle]:
    name = constant(node)
    if isinstance(name, str) and name not in FUNCTION_NAMES:
        alike = difflib.get_close_matches(name, FUNCTION_NAMES, n=1)
        mend = f"Did you mean {alike[0]}?" if alike else f"Known functions: {', '.join(FUNCTION_NAMES)}."
        yield Obstacle(node.lineno, f"function={name!r} is not known", mend)


def _trigger(node: ast.expr) -> Iterator[Obstacle]:
    if isinstance(node, ast.Attribute) and node.attr == "NO_BATCH_MATERIALIZATION":
        mend = "Use BatchTriggerType.MANUAL for a view that a person launches."
        yield Obstacle(node.lineno, "batch_trigger must be one that has a batch part", mend)


_VIEW_CHECKS: Final = {"mode": _mode, "source": _source, "sources": _source, "batch_trigger": _trigger}
_CHECKS: Final = {
    **dict.fromkeys(VIEW_FORMS, _VIEW_CHECKS),
    "Entity": {"join_keys": _texts},
    "FileConfig": {"file_format": _file_format},
    "Aggregate": {"function": _function},
    "Attribute": {"dtype": _nested},
    "transformation": {"mode": _step_mode},
}
