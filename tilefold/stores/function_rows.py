"""The events that a source's function returns.

The rule: what the function raises, or returns that is no frame, is an error that names the source and the function. Declared
columns come in their types where no value changes; a time without a zone is refused.
"""

import polars as pl

from tilefold.declaration.pandas_frames import checked_zones, fitted, from_pandas
from tilefold.declaration.source_functions import FilterContext, FunctionConfig
from tilefold.declaration.sources import Source
from tilefold.declaration.transformation import brief
from tilefold.errors import InputError, complaint


def function_rows(source: Source, config: FunctionConfig, context: FilterContext) -> pl.DataFrame:
    """The events of a time, and perhaps others.

    Raises
    ------
    InputError
        If the function fails or returns what cannot be read.
    """
    thing = f"source '{source.name}', function {config.name!r}"
    try:
        returned = config.call(context)
    except Exception as error:
        mend = "Run it by itself, and mend what it raises."
        raise InputError(complaint(thing, "it must return events", brief(error), mend)) from error
    frame = from_pandas(thing, returned) if config.kind == "pandas" else checked_zones(thing, _from_arrow(thing, returned))
    known = [column for column in source.schema or () if column.name in frame.columns]
    return fitted(thing, frame, known)


def _from_arrow(thing: str, returned: object) -> pl.DataFrame:
    try:
        frame = pl.from_arrow(returned)
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        frame = None
    if not isinstance(frame, pl.DataFrame):
        raise InputError(complaint(thing, "what it returns must be an Arrow table", type(returned).__name__, "Return one."))
    return frame
