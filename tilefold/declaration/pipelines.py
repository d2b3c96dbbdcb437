"""Pipelines: a view's function as calls of transformations, each of which has a mode of its own.

The rule: a transformation outside of a pipeline is a plain object; within one it takes frames and constants and returns a
frame. In SQL a frame is given as a table's name and a constant as its value, in pandas and Polars as they are. What a
transformation computes counts in the version of the view that calls it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final

import polars as pl

from tilefold.declaration.eager_modes import Eager
from tilefold.declaration.pandas_frames import check_pandas, fitted, from_pandas, to_pandas
from tilefold.errors import DeclarationError, InputError, complaint
from tilefold.types import Field

STEP_MODES: Final = ("sql", "spark_sql", "snowflake_sql", "bigquery_sql", "pandas", "polars")


@dataclass(frozen=True, slots=True)
class Const:
    """A constant that a pipeline hands to a transformation."""

    value: Any


def const(value: Any) -> Const:
    """A constant for a transformation: `split(events, const("keywords"))`."""
    return Const(value)


@dataclass(frozen=True, slots=True, eq=False)
class PipelineStep:
    """A transformation, to be called in the function of a view of mode pipeline."""

    name: str
    mode: str
    function: FunctionType

    def __call__(self, *inputs: Any, **named: Any) -> pl.LazyFrame:
        """Run it on frames and constants."""
        plain = [_plain(each) for each in inputs]
        plain_named = {name: _plain(each) for name, each in named.items()}
        if self.mode == "polars":
            return _lazy(self.thing, self.function(*plain, **plain_named))
        if self.mode == "pandas":
            return self._pandas(plain, plain_named)
        return self._sql(plain, plain_named)

    @property
    def thing(self) -> str:
        """What errors name."""
        return f"transformation {self.name!r}"

    def _pandas(self, inputs: Sequence[Any], named: dict[str, Any]) -> pl.LazyFrame:
        as_given = [_for_pandas(each) for each in inputs]
        returned = self.function(*as_given, **{name: _for_pandas(each) for name, each in named.items()})
        return from_pandas(self.thing, returned).lazy()

    def _sql(self, inputs: Sequence[Any], named: dict[str, Any]) -> pl.LazyFrame:
        tables: dict[str, pl.LazyFrame] = {}
        query = self.function(
            *(_for_sql(each, tables) for each in inputs), **{name: _for_sql(each, tables) for name, each in named.items()}
        )
        if not isinstance(query, str) or not query.strip():
            raise InputError(complaint(self.thing, "it must return SQL", query, "Return the query as a string."))
        return pl.SQLContext(tables).execute(query, eager=False)


def transformation(mode: str, name: str | None = None, **others: Any) -> Callable[[FunctionType], PipelineStep]:
    """Declare a transformation, by decorating its function, for views of mode pipeline.

    Parameters
    ----------
    mode
        `"sql"` (`"spark_sql"` and `"snowflake_sql"` stand for it), `"pandas"` or `"polars"`.
    name
        Its name; else the function's.
    others
        `description`, `owner` and `tags`, for people, and `prevent_destroy`, which means nothing here.

    Raises
    ------
    DeclarationError
        If the mode is not one of these, or a parameter is unknown.
    """

    def declare(function: FunctionType) -> PipelineStep:
        called = name or function.__name__
        thing = f"transformation {called!r}"
        if mode not in STEP_MODES:
            raise DeclarationError(complaint(thing, "mode must be known", mode, f"Use one of {', '.join(STEP_MODES)}."))
        for parameter in others.keys() - {"description", "owner", "tags", "prevent_destroy"}:
            mend = "It knows mode, name, description, owner, tags."
            rule = f"transformation does not know the parameter {parameter!r}"
            raise DeclarationError(complaint(thing, rule, others[parameter], mend))
        if mode == "pandas":
            check_pandas(thing, 'mode="pandas"')
        return PipelineStep(called, mode, function)

    return declare


def pipeline_mode(thing: str, function: Callable[..., Any]) -> Eager:
    """The view's function is called with the events and returns what the last of its transformations does."""

    def run(events: pl.DataFrame, columns: Sequence[Field]) -> pl.DataFrame:
        returned = function(events.lazy())
        if not isinstance(returned, pl.LazyFrame | pl.DataFrame):
            mend = "Return what a transformation returns."
            raise InputError(complaint(thing, "a pipeline must return a frame", type(returned).__name__, mend))
        return fitted(thing, returned.lazy().collect(), columns)

    return run


def _plain(given: Any) -> Any:
    return given.value if isinstance(given, Const) else given


def _lazy(thing: str, returned: object) -> pl.LazyFrame:
    if not isinstance(returned, pl.LazyFrame | pl.DataFrame):
        mend = "Return a polars LazyFrame."
        raise InputError(complaint(thing, "it must return a LazyFrame", type(returned).__name__, mend))
    return returned.lazy()


def _for_pandas(given: Any) -> Any:
    return to_pandas(given.lazy().collect()) if isinstance(given, pl.LazyFrame | pl.DataFrame) else given


def _for_sql(given: Any, tables: dict[str, pl.LazyFrame]) -> Any:
    """The name in quotes under which a frame is entered into `tables`; anything else as it is."""
    if not isinstance(given, pl.LazyFrame | pl.DataFrame):
        return given
    name = f"input_{len(tables)}"
    tables[name] = given.lazy()
    return f'"{name}"'
