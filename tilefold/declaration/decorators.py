"""The decorators that declare views.

The rule: their parameters are those of `parameters`, by keyword; one that means nothing here is ignored with a warning, one
that is not known at all is an error that names the view and the parameter. What they return stands where the function stood.
"""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any, ParamSpec, TypeAlias

from tilefold.declaration.elsewhere import VIEW, Elsewhere, sorted_out
from tilefold.declaration.parameters import STREAM_ONLY, BatchViewParameters, StreamViewParameters
from tilefold.declaration.view_kinds import batch_view, stream_view
from tilefold.declaration.view_resolver import view_name
from tilefold.declaration.views import FeatureView
from tilefold.errors import DeclarationError, complaint

Written = ParamSpec("Written")
Decorator: TypeAlias = Callable[[Callable[..., Any]], FeatureView]
STREAM_FORMS = ("stream_feature_view", "StreamFeatureView")
BATCH_ELSEWHERE = Elsewhere(
    VIEW.ignored, {**VIEW.refused, **dict.fromkeys(STREAM_ONLY, "It belongs to stream views: leave it out.")}
)


def _decorator_of(
    parameters: Callable[Written, BatchViewParameters], called: str, build: Callable[..., FeatureView]
) -> Callable[Written, Decorator]:
    """The decorator that takes these parameters, and hands them to `build` with the function below it."""
    make: Any = parameters  # a dataclass, typed by its constructor so that type checkers know the decorator's parameters

    def decorator(*args: Written.args, **kwargs: Written.kwargs) -> Decorator:
        _refuse_positional(called, args)

        def declare(function: Callable[..., Any]) -> FeatureView:
            return view_of(make, called, kwargs, function, build)

        return declare

    decorator.__name__ = decorator.__qualname__ = called
    decorator.__doc__ = parameters.__doc__
    decorator.__signature__ = inspect.signature(parameters)  # type: ignore[attr-defined] # what help() shows
    return decorator


def _refuse_positional(called: str, args: tuple[object, ...]) -> None:
    if args:
        mend = f"Write @{called}(source=..., entities=..., features=...) above the function."
        raise DeclarationError(complaint(called, "its parameters are given by name", args[0], mend))


def view_of(
    make: Any, called: str, given: dict[str, Any], function: Callable[..., Any], build: Callable[..., FeatureView]
) -> FeatureView:
    """The view of a function and of parameters as they were written; `make` holds them, `called` is the form."""
    known = [field.name for field in fields(make)]
    written = make(**{name: value for name, value in given.items() if name in known})
    table = VIEW if called in STREAM_FORMS else BATCH_ELSEWHERE
    sorted_out(f"view {view_name(written, function)!r}", called, given, known, table)
    return build(written, function)


batch_feature_view = _decorator_of(BatchViewParameters, "batch_feature_view", batch_view)
stream_feature_view = _decorator_of(StreamViewParameters, "stream_feature_view", stream_view)
