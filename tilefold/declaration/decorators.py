"""The decorators that declare views.

The rule: their parameters are those of `parameters`, by keyword; one that is not known there is an error that names the view
and the parameter. What they return stands where the function stood.
"""

import difflib
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any, ParamSpec, TypeAlias

from tilefold.declaration.parameters import STREAM_ONLY, BatchViewParameters, StreamViewParameters
from tilefold.declaration.view_kinds import batch_view, stream_view
from tilefold.declaration.view_resolver import view_name
from tilefold.declaration.views import FeatureView
from tilefold.errors import DeclarationError, complaint

Written = ParamSpec("Written")
Decorator: TypeAlias = Callable[[Callable[..., Any]], FeatureView]


def _decorator_of(
    parameters: Callable[Written, BatchViewParameters], called: str, build: Callable[..., FeatureView]
) -> Callable[Written, Decorator]:
    """The decorator that takes these parameters, and hands them to `build` with the function below it."""
    make: Any = parameters  # a dataclass, typed by its constructor so that type checkers know the decorator's parameters
    known = [field.name for field in fields(make)]

    def decorator(*args: Written.args, **kwargs: Written.kwargs) -> Decorator:
        _refuse_positional(called, args)

        def declare(function: Callable[..., Any]) -> FeatureView:
            unknown = {name: value for name, value in kwargs.items() if name not in known}
            written = make(**{name: value for name, value in kwargs.items() if name in known})
            _refuse_unknown(view_name(written, function), called, known, unknown)
            return build(written, function)

        return declare

    decorator.__name__ = decorator.__qualname__ = called
    decorator.__doc__ = parameters.__doc__
    decorator.__signature__ = inspect.signature(parameters)  # type: ignore[attr-defined] # what help() shows
    return decorator


def _refuse_positional(called: str, args: tuple[object, ...]) -> None:
    if args:
        mend = f"Write @{called}(source=..., entities=..., features=...) above the function."
        raise DeclarationError(complaint(called, "its parameters are given by name", args[0], mend))


def _refuse_unknown(name: str, called: str, known: list[str], unknown: dict[str, object]) -> None:
    for parameter, value in unknown.items():
        rule = f"{called} does not know the parameter {parameter!r}"
        raise DeclarationError(complaint(f"view {name!r}", rule, value, _mend(parameter, known)))


def _mend(parameter: str, known: list[str]) -> str:
    if parameter in STREAM_ONLY:
        return "It belongs to stream views: leave it out."
    alike = difflib.get_close_matches(parameter, known, n=1)
    return f"Did you mean {alike[0]}?" if alike else f"It knows {', '.join(known)}."


batch_feature_view = _decorator_of(BatchViewParameters, "batch_feature_view", batch_view)
stream_feature_view = _decorator_of(StreamViewParameters, "stream_feature_view", stream_view)
