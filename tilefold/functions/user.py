"""Aggregates of people's own: a class over Polars expressions, registered by name.

The rule: what makes a function is all in its class: which state it keeps, how events become a state, how states merge, how a
state becomes a value. The engine merges states in any grouping and any order, so `merge` must allow both, and the state of
nothing must change nothing; `tilefold.testing.check_aggregate` looks for events that break this.

Reads of one key fold in plain Python. Where a class does not say how (`partial_of`, `merge_two`, `value_of`), its expressions
are run on a few rows, which is right and takes about a third of a millisecond per value.
"""

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

import polars as pl

from tilefold.errors import DeclarationError, complaint
from tilefold.types import DType, Field

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_BUILT_IN = re.compile(r"(approx|decayed)_.*|(first|last)(_distinct)?_\d+")


class UserAggregate(ABC):
    """An aggregate of one input column; register it with `@register_aggregate("name")`.

    Attributes
    ----------
    inputs
        The types of columns that it takes.
    state
        What is kept of some events: a name and type for each number, text, truth value, date or time of it.
    result
        The type of its value.
    empty
        Its value where there is no event, or nothing but nulls.
    version
        Counts up when its values change and its code does not say so, such as where it calls another module's function.
    ordered
        Whether `partial` relies on values that come in order of time; `merge` may not rely on any order.
    """

    inputs: ClassVar[Sequence[DType]]
    state: ClassVar[Sequence[Field]]
    result: ClassVar[DType]
    empty: ClassVar[Any] = None
    version: ClassVar[int] = 1
    ordered: ClassVar[bool] = False

    @abstractmethod
    def partial(self, value: pl.Expr, time: pl.Expr) -> Sequence[pl.Expr]:
        """Aggregate values to a state: an expression per field. No value is null; there may be none.

        `time` is their time, in microseconds since 1970.
        """

    @abstractmethod
    def merge(self, *state: pl.Expr) -> Sequence[pl.Expr]:
        """Aggregate states to one: from a column of each field to an expression per field."""

    @abstractmethod
    def finalize(self, *state: pl.Expr) -> pl.Expr:
        """The value of each state, row by row; `empty` of the state of nothing."""

    partial_of: ClassVar[Callable[[Any, Any, datetime], Sequence[Any]] | None] = None
    """Where it is defined: `partial` of one value that is not null, in plain Python; a value per field."""

    merge_two: ClassVar[Callable[[Any, Sequence[Any], Sequence[Any]], Sequence[Any]] | None] = None
    """Where it is defined: `merge` of two states, in plain Python."""

    value_of: ClassVar[Callable[..., Any] | None] = None
    """Where it is defined: `finalize` of one state, a value per field, in plain Python."""


A = TypeVar("A", bound=type[UserAggregate])
_registered: dict[str, UserAggregate] = {}


def register_aggregate(name: str) -> Callable[[A], A]:
    """Make a class known by a name, for `Aggregate(function=name)`.

    The same class of the same file may be registered again, as when definitions are loaded anew.

    Raises
    ------
    DeclarationError
        If the name is taken or no name, or the class lacks something.
    """
    thing = f"aggregate {name!r}"

    def register(made: A) -> A:
        _check_name(thing, name, made)
        _check_class(thing, made)
        _registered[name] = made()
        return made

    return register


def registered_names() -> list[str]:
    """The names that aggregates were registered by."""
    return sorted(_registered)


def registered(name: str) -> UserAggregate | None:
    """The aggregate of a name; None where there is none."""
    return _registered.get(name)


def _check_name(thing: str, name: object, made: object) -> None:
    from tilefold.functions.registry import FUNCTION_NAMES  # noqa: PLC0415 - which knows this module

    if not isinstance(name, str) or not _NAME.fullmatch(name) or "__" in name or name.endswith("_"):
        mend = 'Use such as "geometric_mean".'
        raise DeclarationError(complaint(thing, "its name must be lower case words", name, mend))
    if name in {*FUNCTION_NAMES, "keys", "latest"} or _BUILT_IN.fullmatch(name):
        mend = "Choose another name."
        raise DeclarationError(complaint(thing, "its name may not be, or look like, that of a built-in function", name, mend))
    known = _registered.get(name)
    if known is not None and isinstance(made, type) and _place(type(known)) != _place(made):
        mend = "Choose another name for one of the two."
        raise DeclarationError(complaint(thing, f"it is registered by {_place(type(known))}", _place(made), mend))


def _place(made: type) -> str:
    code = getattr(inspect.getattr_static(made, "partial", None), "__code__", None)
    return f"{getattr(code, 'co_filename', made.__module__)}, {made.__qualname__}"


def _check_class(thing: str, made: object) -> None:
    if not isinstance(made, type) or not issubclass(made, UserAggregate):  # what is decorated may be anything
        mend = "Write class GeometricMean(UserAggregate)."
        raise DeclarationError(complaint(thing, "it must be a class derived from UserAggregate", made, mend))
    lacks = sorted([*made.__abstractmethods__, *(each for each in ("inputs", "state", "result") if not hasattr(made, each))])
    if lacks:
        raise DeclarationError(
            complaint(thing, "its class must say all that makes it", f"no {lacks[0]}", f"Define {lacks[0]}.")
        )
    if not made.state or not all(isinstance(field, Field) for field in made.state):
        mend = 'Write state = [Field("total", Float64)].'
        raise DeclarationError(complaint(thing, "state must be a list of Fields", made.state, mend))
    names = [field.name for field in made.state]
    wrong = [name for name in names if not _NAME.fullmatch(name) or "__" in name or names.count(name) > 1]
    if wrong:
        mend = "Name each field once, in lower case words."
        raise DeclarationError(complaint(thing, "a field of its state needs a name of its own", wrong[0], mend))
    for field in made.state:
        if not is_kept(field.dtype):
            mend = "Keep several fields instead of a list or a struct."
            rule = f"field {field.name!r} of its state must be a signed integer, float, Bool, String, Date or Timestamp"
            raise DeclarationError(complaint(thing, rule, str(field.dtype), mend))
    version: object = made.version
    if not isinstance(version, int) or isinstance(version, bool):
        raise DeclarationError(complaint(thing, "version must be a whole number", version, "Count it up from 1."))


def is_kept(dtype: pl.DataType) -> bool:
    """Whether a field of a state may have this type: what Delta and the codec hold as one value."""
    if isinstance(dtype, pl.Datetime):
        return dtype == pl.Datetime("us", "UTC")
    return (dtype.is_signed_integer() and dtype != pl.Int128) or dtype.is_float() or dtype in (pl.Boolean, pl.String, pl.Date)
