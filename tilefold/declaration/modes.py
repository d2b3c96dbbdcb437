"""Modes: what a view's function takes and returns.

The rule: a mode is made ready here, where the view is declared, so that what it lacks (a package, a query) is known then. Words
of the SDK that people come from stand for ours: `spark_sql` and `snowflake_sql` are `sql`, whose query Polars runs.
"""

import inspect
from collections.abc import Callable
from typing import Any, Final

from tilefold.declaration.eager_modes import pandas_mode, python_mode
from tilefold.declaration.pandas_frames import check_pandas
from tilefold.declaration.pipelines import pipeline_mode
from tilefold.declaration.selections import MaterializationContext
from tilefold.declaration.transformation import Transformation, brief
from tilefold.errors import DeclarationError, complaint

SQL_MODES: Final = ("sql", "spark_sql", "snowflake_sql", "bigquery_sql")
MODES: Final = ("polars", "sql", "pandas", "python", "pipeline")
REFUSED_MODES: Final = {
    "pyspark": 'Write the function for mode="sql", "pandas" or "polars": there is no Spark.',
    "snowpark": 'Write the function for mode="sql", "pandas" or "polars": there is no Snowpark.',
    "athena": 'Write the query for mode="sql".',
}
"""Modes of the SDK that people come from which do not carry over, and what to do."""
MODE_MEND: Final = f"Use one of {', '.join(MODES)}; {', '.join(SQL_MODES[1:])} stand for sql."


def plain_mode(mode: object) -> object:
    """The mode by its own name here."""
    return "sql" if mode in SQL_MODES else mode


def transformation(thing: str, source_name: str, mode: object, function: Callable[..., Any]) -> Transformation:
    """A view's function in its mode.

    Raises
    ------
    DeclarationError
        If the mode is unknown, lacks a package or returns no query, or if the function takes anything but the source.
    """
    _check_parameters(thing, function)
    plain = plain_mode(mode)
    if plain == "polars":
        return Transformation(thing, source_name, function=function)
    if plain == "sql":
        return Transformation(thing, source_name, sql=_query(thing, source_name, function))
    if plain == "pandas":
        check_pandas(thing, 'mode="pandas"')
        return Transformation(thing, source_name, eager=pandas_mode(thing, function))
    if plain == "python":
        return Transformation(thing, source_name, eager=python_mode(thing, function))
    if plain == "pipeline":
        return Transformation(thing, source_name, eager=pipeline_mode(thing, function))
    raise DeclarationError(complaint(thing, "mode must be known", mode, REFUSED_MODES.get(str(mode), MODE_MEND)))


def _check_parameters(thing: str, function: Callable[..., Any]) -> None:
    """Refuse a function that asks for more than the source's events."""
    for name, parameter in inspect.signature(function).parameters.items():
        asked = name == "context" and parameter.default is parameter.empty
        if asked or isinstance(parameter.default, MaterializationContext):
            mend = "Use the event's own time: every event is transformed by itself, whatever the step; aggregates are features."
            raise DeclarationError(complaint(thing, "its function may not take the materialization context", name, mend))


def _query(thing: str, source_name: str, function: Callable[..., Any]) -> str:
    """What the function returns for the source's name in quotes; it is called once, here."""
    try:
        sql = function(f'"{source_name}"')
    except Exception as error:
        mend = "It is called with the source's name and returns the query."
        raise DeclarationError(complaint(thing, "its function must return SQL", brief(error), mend)) from error
    if not isinstance(sql, str) or not sql.strip():
        raise DeclarationError(complaint(thing, "its function must return SQL", sql, "Return the query as a string."))
    return sql
