"""Single columns of what a caller hands in, in the type that the log keeps.

The rule: a value keeps its meaning exactly, or the column is refused with the first value that does not fit. Which kinds of
types may hold the same values is a table; whether they do is checked by casting there and back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tilefold.errors import InputError, complaint
from tilefold.stores.event_columns import EVENT_ID, TIMESTAMP
from tilefold.stores.plain_values import check_of, is_naive

FIRST_US, LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The first and the last microsecond of the years 1 to 9999, which dates can hold."""
_ZONED = "timestamps must carry a time zone"
_ZONED_MEND = "Say which zone it is in: value.replace(tzinfo=UTC)."
_CONVERT = "Convert the column first."
_UNFIT = (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError)


@dataclass(frozen=True, slots=True)
class Fit:
    """A column in the type that the log keeps, and what of it did not fit.

    Attributes
    ----------
    values
        Null where the value did not fit.
    unfit
        Row and rule of each value that did not.
    mend
        What to do about them.
    """

    values: pl.Series
    unfit: Mapping[int, str]
    mend: str = _CONVERT


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
    if dtype is not None:
        fit = fit_values(name, values, dtype)
        for row, rule in fit.unfit.items():
            raise refusal(source, name, row, rule=rule, value=values[row], mend=fit.mend)
        return fit.values
    for row, value in enumerate(values):
        if is_naive(value):
            raise refusal(source, name, row, rule=_ZONED, value=value, mend=_ZONED_MEND)
    try:
        return pl.Series(name, values, strict=True)
    except _UNFIT as error:
        found = [type(value).__name__ for value in values[:3]]
        raise refusal(source, name, 0, rule="must be of one type", value=found, mend=_CONVERT) from error


def fit_values(name: str, values: Sequence[Any], dtype: pl.DataType) -> Fit:
    """Plain values as a column of a declared type."""
    fits = check_of(dtype)
    unfit = [row for row, value in enumerate(values) if value is not None and not fits(value)]
    if not unfit:
        return Fit(pl.Series(name, values, dtype=dtype, strict=True), {})
    rules = {row: fit_rule(values[row], dtype) for row in unfit}
    kept = [None if row in rules else value for row, value in enumerate(values)]
    _, mend = rules[unfit[0]]
    return Fit(pl.Series(name, kept, dtype=dtype, strict=True), {row: rule for row, (rule, _) in rules.items()}, mend)


def fit_rule(value: object, dtype: pl.DataType) -> tuple[str, str]:
    """What a value that does not fit breaks, and how to mend it."""
    return (_ZONED, _ZONED_MEND) if is_naive(value) else (f"must be of type {dtype}", _CONVERT)


def as_typed(series: pl.Series, source: str, dtype: pl.DataType) -> pl.Series:
    """The series in `dtype`, every value the same.

    Raises
    ------
    InputError
        It is of a type that cannot hold the same values, or a value would change.
    """
    if (rule := _wrong_type(series, dtype)) is not None:
        raise refusal(source, series.name, 0, rule=rule, value=_first(series), mend=_mend(rule))
    fit = fit_series(series, dtype)
    for row, each in fit.unfit.items():
        rule = f"{each} ({len(fit.unfit)} rows do not)"
        raise refusal(source, series.name, row, rule=rule, value=series[row], mend=fit.mend)
    return fit.values


def fit_series(series: pl.Series, dtype: pl.DataType) -> Fit:
    """A column of a frame in a declared type, every value the same; nulls fit, whatever its type."""
    if series.dtype == dtype:
        return Fit(series, {})
    if (rule := _wrong_type(series, dtype)) is not None:
        rows = series.is_not_null().arg_true()
        return Fit(pl.Series(series.name, [None] * len(series), dtype=dtype), dict.fromkeys(rows, rule), _mend(rule))
    cast = series.cast(dtype, strict=False)
    same = cast.cast(series.dtype, strict=False).eq_missing(series)
    rows = (~same).arg_true()
    rule = f"must fit into {dtype} without loss"
    return Fit(cast if not len(rows) else cast.zip_with(same, cast.clear(len(cast))), dict.fromkeys(rows, rule))


def _wrong_type(series: pl.Series, dtype: pl.DataType) -> str | None:
    """Why no value of a series of this type may become one of `dtype`; None where they may."""
    given = series.dtype
    if given in (dtype, pl.Null):
        return None
    if isinstance(dtype, pl.Datetime) and isinstance(given, pl.Datetime) and given.time_zone is None:
        return _ZONED
    return None if _may_become(given, dtype) else f"must be of type {dtype}, not {given}"


def _mend(rule: str) -> str:
    return "Say which zone it is in: pl.col(...).dt.replace_time_zone('UTC')." if rule == _ZONED else _CONVERT


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
