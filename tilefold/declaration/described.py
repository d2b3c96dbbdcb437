"""A view as a text that another process, or a later release, can read: what its stored values are, and how to read them.

The rule: it holds everything that the version of a view stands for, the code of its function as a text to compare, and no
code to run. A view that is made of it reads parts; its function cannot be run. A form that is not known is refused.
"""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import polars as pl

from tilefold.declaration.calendars import Calendar
from tilefold.declaration.features import Feature
from tilefold.declaration.fingerprint import class_fingerprint
from tilefold.declaration.sources import Source
from tilefold.declaration.transformation import Transformation
from tilefold.declaration.views import FeatureView
from tilefold.declaration.windows import Window
from tilefold.errors import DeclarationError, InputError, NewerFormatError, complaint
from tilefold.functions import AggregateFunction, FunctionRequest, keys_function, resolve, resolve_attribute
from tilefold.types import Field

FORM = 1  # do not change the meaning of a form: texts of it are stored
_PLAIN = (
    "name",
    "kind",
    "mode",
    "timestamp_field",
    "feature_start_us",
    "lifetime_start_us",
    "schedule_us",
    "data_delay_us",
    "valid_for_us",
    "cell_us",
    "leading_edge",
    "online",
    "offline",
    "compaction_enabled",
    "version",
    "description",
    "owner",
    "few_cells",
    "code",
)
Facts = Mapping[str, Any]


def describe_view(view: FeatureView) -> str:
    """The text of a view."""
    facts: dict[str, Any] = {name: getattr(view, name) for name in _PLAIN}
    secondary = [view.secondary_key] if view.secondary_key is not None else []
    facts |= {
        "form": FORM,
        "source": view.source.name,
        "tags": dict(view.tags),
        "join_keys": _types(view.join_keys),
        "columns": _types(view.columns),
        "secondary_key": _types(secondary),
        "values": _types([Field(feature.name, feature.dtype) for feature in view.features]),
        "features": [_feature(feature) for feature in view.features],
    }
    return json.dumps(facts, sort_keys=True)


def view_of(text: str, source: Source) -> FeatureView:
    """The view that a text describes; its function cannot be run.

    Raises
    ------
    NewerFormatError
        If a newer release has written the text.
    DeclarationError
        If it asks for an aggregate of one's own that is not registered here, or is another one by now.
    """
    facts: dict[str, Any] = json.loads(text)
    if facts["form"] > FORM:
        mend = "Update this installation."
        thing, rule = f"view '{facts['name']}'", f"its stored definition must be of form {FORM} or less"
        raise NewerFormatError(complaint(thing, rule, facts["form"], mend))
    plain = {name: facts[name] for name in _PLAIN}
    secondary = _fields(facts["secondary_key"])
    values = {field.name: field.dtype for field in _fields(facts["values"])}
    columns = _fields(facts["columns"])
    inputs = {field.name: field.dtype for field in columns}
    features = [_feature_of(each, values, inputs, secondary) for each in facts["features"]]
    return FeatureView(
        **plain,
        source=source,
        entities=(),
        join_keys=_fields(facts["join_keys"]),
        features=tuple(features),
        columns=columns,
        transformation=Transformation(f"view {facts['name']!r}", source.name, _not_here, None),
        tags=facts["tags"],
        secondary_key=secondary[0] if secondary else None,
    )


def is_computable(view: FeatureView) -> bool:
    """Whether a view's function can be run: that of one that was made of a description cannot."""
    return view.transformation.function is not _not_here


def _not_here(events: pl.LazyFrame) -> pl.LazyFrame:
    """Stands for a function whose code is not here."""
    del events
    mend = "Run it in a process that is given the old definitions."
    raise InputError(complaint("a stored definition", "it reads values and computes none, its code is not here", None, mend))


def _feature(feature: Feature) -> Facts:
    asked = feature.written
    return {
        "name": feature.name,
        "input_column": feature.input_column,
        "function": None if asked is None else [asked.name, [[name, _plain(value)] for name, value in asked.params]],
        "aggregate": _own_code(feature.function),
        "windows": [asdict(window) for window in feature.windows],
        "is_series": feature.is_series,
        "by_secondary": feature.secondary is not None,
        "description": feature.description,
        "tags": dict(feature.tags),
    }


def _feature_of(
    facts: Facts, values: Mapping[str, pl.DataType], inputs: Mapping[str, pl.DataType], secondary: Sequence[Field]
) -> Feature:
    asked, column = facts["function"], facts["input_column"]
    written = None if asked is None else FunctionRequest(asked[0], tuple((name, _value(value)) for name, value in asked[1]))
    input_dtype = None if column is None else inputs[column]
    if written is not None:
        function = resolve(written, input_dtype)
        _check_same_code(facts["name"], written, function, facts.get("aggregate"))
    else:
        function = keys_function(secondary[0].dtype) if input_dtype is None else resolve_attribute(input_dtype)
    return Feature(
        name=facts["name"],
        input_column=column,
        input_dtype=input_dtype,
        function=function,
        windows=tuple(_window_of(window) for window in facts["windows"]),
        is_series=facts["is_series"],
        dtype=values[facts["name"]],
        description=facts["description"],
        tags=facts["tags"],
        secondary=secondary[0] if facts["by_secondary"] else None,
        written=written,
    )


def _own_code(function: AggregateFunction) -> str | None:
    """What tells an aggregate of one's own from an older one of its name; None for ours."""
    return None if function.user is None else class_fingerprint(type(function.user))


def _check_same_code(feature: str, asked: FunctionRequest, function: AggregateFunction, code: str | None) -> None:
    if _own_code(function) != code:
        rule = "the aggregate registered here must be the one that the stored values are made of"
        mend = "Register the older class beside the newer one by another name, or materialize the view with the newer one."
        raise DeclarationError(complaint(f"feature '{feature}'", rule, asked.name, mend))


def _window_of(facts: Mapping[str, Any]) -> Window:
    calendar = facts.get("calendar")
    return Window(**{**facts, "calendar": None if calendar is None else Calendar(**calendar)})


def _plain(value: float | timedelta) -> Any:
    return {"us": value // timedelta(microseconds=1)} if isinstance(value, timedelta) else value


def _value(plain: Any) -> Any:
    return timedelta(microseconds=plain["us"]) if isinstance(plain, dict) else plain


def _types(fields: Sequence[Field]) -> str:
    """Columns and their types as Arrow says them: a form that outlives a release of Polars."""
    buffer = io.BytesIO()
    pl.DataFrame(schema={field.name: field.dtype for field in fields}).write_ipc(buffer)
    return base64.b64encode(buffer.getvalue()).decode()


def _fields(text: str) -> tuple[Field, ...]:
    schema = pl.read_ipc(io.BytesIO(base64.b64decode(text))).schema
    return tuple(Field(name, dtype) for name, dtype in schema.items())
