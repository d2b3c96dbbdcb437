"""`BatchFeatureView(...)` and `StreamFeatureView(...)`: views written as objects, without a decorated function.

The rule: they take what the decorators take, and `feature_view_function`; without it the events are taken as they are. What is
made is a `FeatureView`, as by a decorator; `isinstance` with one of these asks for the kind.
"""

from collections.abc import Callable
from typing import Any

import polars as pl

from tilefold.declaration.decorators import view_of
from tilefold.declaration.parameters import BatchViewParameters, StreamViewParameters
from tilefold.declaration.view_kinds import batch_view, stream_view
from tilefold.declaration.views import FeatureView
from tilefold.errors import DeclarationError, complaint

FUNCTION = "feature_view_function"


def as_it_is(events: pl.LazyFrame) -> pl.LazyFrame:
    """The events themselves."""
    return events


class _Form(type):
    """Makes a call of the class the declaration of a view."""

    make: Any
    build: Callable[..., FeatureView]
    kind: str

    def __call__(cls, *args: object, **given: Any) -> FeatureView:
        called = cls.__name__
        if args:
            mend = f"Write {called}(name=..., source=..., entities=..., features=...)."
            raise DeclarationError(complaint(called, "its parameters are given by name", args[0], mend))
        function = given.pop(FUNCTION, None)
        if given.get("name") is None:
            raise DeclarationError(complaint(called, "it must have a name", None, 'Write name="user_spend".'))
        if function is None and given.get("mode", "polars") not in ("polars", "python", "pandas"):
            thing, mend = f"view {given['name']!r}", f"Give it a {FUNCTION}, or leave mode out to take the events as they are."
            raise DeclarationError(complaint(thing, f"a mode needs a {FUNCTION}", given["mode"], mend))
        if function is None:
            given = {**given, "mode": "polars"}
        return view_of(cls.make, called, given, function or as_it_is, cls.build)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, FeatureView) and instance.kind == cls.kind


class BatchFeatureView(metaclass=_Form):
    """Declare a batch view; parameters and errors as of `batch_feature_view`, and `feature_view_function`."""

    make = BatchViewParameters
    build = staticmethod(batch_view)
    kind = "batch"


class StreamFeatureView(metaclass=_Form):
    """Declare a stream view; parameters and errors as of `stream_feature_view`, and `feature_view_function`."""

    make = StreamViewParameters
    build = staticmethod(stream_view)
    kind = "stream"
