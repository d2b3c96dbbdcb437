"""The names of column types, and `Field`, a column's name with its type.

The rule: each name is the Polars type itself, so a Polars type may stand wherever one of these is asked. A type is held as
an instance (`pl.Int64()`), and UTC times are held in microseconds, the one unit used inside.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from tilefold.errors import DeclarationError, complaint

__all__ = ["Array", "Bool", "Field", "Float32", "Float64", "Int32", "Int64", "Map", "String", "Struct", "Timestamp"]

DType = pl.DataType | type[pl.DataType]

String = pl.String
Int32 = pl.Int32
Int64 = pl.Int64
Float32 = pl.Float32
Float64 = pl.Float64
Bool = pl.Boolean
Timestamp = pl.Datetime("us", "UTC")
Array = pl.List


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its name and its type.

    Parameters
    ----------
    name
        The column's name.
    dtype
        A Polars type, as a class (`pl.Int64`) or an instance (`pl.Datetime("us", "UTC")`); held as an instance.

    Raises
    ------
    DeclarationError
        If the name is empty or the type is not a complete Polars type.
    """

    name: str
    dtype: pl.DataType

    def __init__(self, name: str, dtype: DType) -> None:
        given: object = name
        if not isinstance(given, str) or not given:
            raise DeclarationError(complaint("Field", "its name must be a string that is not empty", name, "Name it."))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "dtype", _instance(name, dtype))


def Struct(fields: Iterable[Field]) -> pl.Struct:  # noqa: N802 - it stands where a type's name stands
    """A column of records with these fields."""
    return pl.Struct([pl.Field(field.name, field.dtype) for field in fields])


def Map(key: DType, value: DType) -> pl.List:  # noqa: N802 - it stands where a type's name stands
    """A column of mappings, held as lists of (`key`, `value`) records, which is how Polars reads Parquet's maps."""
    return pl.List(pl.Struct([pl.Field("key", key), pl.Field("value", value)]))


def _instance(name: str, dtype: DType) -> pl.DataType:
    """The type as an instance, UTC times in microseconds."""
    try:
        made = dtype() if isinstance(dtype, type) else dtype
    except TypeError:  # a type that needs parameters, such as pl.List
        made = None
    if not isinstance(made, pl.DataType):
        mend = "Use one of tilefold.types or a complete Polars type, such as pl.Float64 or pl.List(pl.String)."
        raise DeclarationError(complaint(f"Field {name!r}", "its dtype must be a complete Polars type", dtype, mend))
    return Timestamp if is_utc_time(made) else made


def is_utc_time(dtype: pl.DataType) -> bool:
    """Whether the type is a timestamp in UTC, of any unit."""
    return isinstance(dtype, pl.Datetime) and dtype.time_zone == "UTC"
