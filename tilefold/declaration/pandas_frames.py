"""Frames of pandas and Arrow, and back: an optional extra.

The rule: no value changes on the way in or out. pandas knows no null in whole numbers, so a column of whole numbers with nulls
reaches it as floats with NaN, as pandas itself reads them; where that would round one, as `Int64`. On the way back NaN is null,
and a number is taken for another type only where it stays the same number.
"""

import importlib.util
from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from tilefold.errors import DeclarationError, InputError, complaint
from tilefold.types import Field, is_utc_time

EXACT_MAX: Final = 2**53
"""Up to here every whole number is a float of its own."""
_ZONE_MEND: Final = 'Say which instants they are: frame["time"] = frame["time"].dt.tz_localize("UTC").'


def check_pandas(thing: str, what: str) -> None:
    """Refuse `what` where pandas is not installed."""
    if importlib.util.find_spec("pandas") is None:
        mend = 'Install it: pip install "tilefold[pandas]".'
        raise DeclarationError(complaint(thing, f"{what} needs pandas", "it is not installed", mend))


def to_pandas(frame: pl.DataFrame) -> Any:
    """A pandas frame of the same rows."""
    import pandas as pd  # noqa: PLC0415 - an optional extra

    given = frame.to_pandas()
    for name in frame.columns:
        if _would_round(frame[name]):  # of plain values: pandas casts what has nulls by way of floats
            nullable = "UInt64" if frame[name].dtype.is_unsigned_integer() else "Int64"
            given[name] = pd.array(frame[name].to_list(), dtype=nullable)
    return given


def _would_round(series: pl.Series) -> bool:
    """Whether a column of whole numbers with nulls holds one that is no float."""
    if not series.dtype.is_integer() or not series.null_count():
        return False
    largest = max(abs(int(end)) for end in (series.min() or 0, series.max() or 0))  # type: ignore[arg-type]
    return largest > EXACT_MAX


def from_pandas(thing: str, returned: object) -> pl.DataFrame:
    """The rows of a pandas frame; its index is not one of its columns.

    Raises
    ------
    InputError
        If it is no such frame, or holds times without a zone.
    """
    import pandas as pd  # noqa: PLC0415 - an optional extra

    if not isinstance(returned, pd.DataFrame):
        raise InputError(complaint(thing, "what it returns must be a pandas DataFrame", type(returned).__name__, "Return one."))
    try:
        frame = pl.from_pandas(returned)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        mend = "Give every column one type, and every column a name of its own."
        first = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(complaint(thing, "the pandas DataFrame that it returns must be readable", first, mend)) from error
    return checked_zones(thing, frame)


def checked_zones(thing: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame; refused where it holds times without a zone."""
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
            raise InputError(complaint(thing, f"column {name!r} holds times and must say their zone", str(dtype), _ZONE_MEND))
    return frame


def fitted(thing: str, frame: pl.DataFrame, columns: Sequence[Field]) -> pl.DataFrame:
    """The frame, with numbers in the declared types where each stays the same number, times in UTC, and nulls of any type.

    Raises
    ------
    InputError
        If a number would change.
    """
    made = [_fitted(thing, frame[column.name], column.dtype) for column in columns if column.name in frame.columns]
    return frame.with_columns(made)


def _fitted(thing: str, series: pl.Series, dtype: pl.DataType) -> pl.Series:
    if series.null_count() == len(series):
        return pl.Series(series.name, [None] * len(series), dtype=dtype)  # pandas gives such a column any type
    if is_utc_time(dtype) and isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is not None:
        return series.dt.convert_time_zone("UTC")
    if series.dtype == dtype or not (series.dtype.is_numeric() and dtype.is_numeric()):
        return series
    given = series.fill_nan(None) if series.dtype.is_float() and dtype.is_integer() else series
    cast = given.cast(dtype, strict=False)
    changed = (cast.is_null() & given.is_not_null()) | _differs(cast, given)
    if changed.any():
        rule = f"column {series.name!r} is declared {dtype}, in which each of its numbers must stay the same"
        value = given.filter(changed)[0]
        raise InputError(complaint(thing, rule, value, "Declare a wider type, or round the numbers."))
    return cast


def _differs(cast: pl.Series, given: pl.Series) -> pl.Series:
    """Where a number came out as another one; only between whole numbers and floats, or into fewer digits."""
    if cast.dtype == pl.Float32 and given.dtype == pl.Float64:
        return pl.Series([False]).new_from_index(0, len(given))  # fewer digits are what was declared
    return (cast.cast(given.dtype, strict=False) != given).fill_null(value=False)
