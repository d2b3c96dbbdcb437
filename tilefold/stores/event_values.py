"""Single columns of what a caller hands in, in the type that the log keeps.

The rule: a value keeps its meaning exactly, or the column is refused with the first value that does not fit. Which kinds of
types may hold the same values is a table; whether they do is checked by casting there and back.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from tilefold.errors import InputError, complaint
from tilefold.stores.event_columns import EVENT_ID, TIMESTAMP

_ZONED = "timestamps must carry a time zone"
_UNFIT = (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError)


def from_records(records: Sequence[Mapping[str, Any]], source: str, columns: pl.Schema | None) -> pl.DataFrame:
    """Records as a frame, in the declared types where they are declared; a name that a record lacks is null there.

    Raises
    ------
    InputError
        A value is of another type.
    """
    names = list(dict.fromkeys(name for record in records for name in record))
    if not names and columns is not None:
        return pl.DataFrame(schema=columns)
    return pl.DataFrame({name: _from_values(source, name, [r.get(name) for r in records], columns) for name in names})


def _from_values(source: str, name: str, values: list[Any], columns: pl.Schema | None) -> pl.Series:
    """A column of plain values; naive times are looked for here, since Polars takes them for UTC beside aware ones."""
    declared = None if columns is None else columns.get(name)
    dtype = pl.String() if name == EVENT_ID else declared
    for row, value in enumerate(values):
        if isinstance(value, datetime) and value.tzinfo is None:
            mend = "Say which zone it is in: value.replace(tzinfo=UTC)."
            raise refusal(source, name, row, rule=_ZONED, value=value, mend=mend)
    try:
        return pl.Series(name, values, dtype=dtype, strict=True)
    except _UNFIT as error:
        wanted = "one type" if dtype is None else str(dtype)
        row, value = _first_unfit(values, dtype)
        raise refusal(
            source, name, row, rule=f"must be of type {wanted}", value=value, mend="Convert the column first."
        ) from error


def _first_unfit(values: list[Any], dtype: pl.DataType | None) -> tuple[int, Any]:
    for row, value in enumerate(values):
        try:
            pl.Series([value], dtype=dtype, strict=True)
        except _UNFIT:
            return row, value
    return 0, [type(value).__name__ for value in values[:3]]


def as_typed(series: pl.Series, source: str, dtype: pl.DataType) -> pl.Series:
    """The series in `dtype`, every value the same."""
    if series.dtype == dtype:
        return series
    if series.dtype == pl.Null:
        return series.cast(dtype)
    if isinstance(dtype, pl.Datetime) and isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is None:
        mend = "Say which zone it is in: pl.col(...).dt.replace_time_zone('UTC')."
        raise refusal(source, series.name, 0, rule=_ZONED, value=_first(series), mend=mend)
    if not _may_become(series.dtype, dtype):
        rule = f"must be of type {dtype}, not {series.dtype}"
        raise refusal(source, series.name, 0, rule=rule, value=_first(series), mend="Convert the column first.")
    return _same_values(series, source, dtype)


def _same_values(series: pl.Series, source: str, dtype: pl.DataType) -> pl.Series:
    cast = series.cast(dtype, strict=False)
    same = cast.cast(series.dtype, strict=False).eq_missing(series)
    if not same.all():
        row = int((~same).arg_max() or 0)
        rule = f"must fit into {dtype} without loss ({int((~same).sum())} rows do not)"
        raise refusal(source, series.name, row, rule=rule, value=series[row], mend="Convert the column first.")
    return cast


def _may_become(given: pl.DataType, wanted: pl.DataType) -> bool:
    """Kinds of types that may hold the same values; whether they do is checked value by value."""
    if wanted.is_integer():
        return given.is_integer()
    if wanted.is_float():
        return given.is_integer() or given.is_float()
    if isinstance(wanted, pl.Datetime):
        return isinstance(given, pl.Datetime)
    if wanted == pl.String:
        return isinstance(given, pl.Categorical | pl.Enum)
    if isinstance(wanted, pl.List):
        return isinstance(given, pl.List | pl.Array)
    return isinstance(wanted, pl.Struct | pl.Decimal) and type(given) is type(wanted)


def learned_type(source: str, series: pl.Series) -> pl.DataType:
    """The type in which a column of an undeclared source is kept.

    Raises
    ------
    InputError
        The column holds only nulls.
    """
    dtype = series.dtype
    if dtype == pl.Null:
        mend = "Declare the source's schema."
        raise refusal(source, series.name, 0, rule="holds only nulls, so its type is unknown", value=None, mend=mend)
    if isinstance(dtype, pl.Datetime):
        return TIMESTAMP
    if dtype.is_unsigned_integer():
        return pl.Int64()
    return pl.String() if isinstance(dtype, pl.Categorical | pl.Enum) else dtype


def _first(series: pl.Series) -> Any:
    return series.drop_nulls().first() if len(series) else None


def refusal(source: str, column: str, row: int, *, rule: str, value: object, mend: str) -> InputError:
    """The error that names a source's column and the first row that breaks the rule."""
    return InputError(complaint(f"source {source!r}, column {column!r}, row {row}", rule, value, mend))
