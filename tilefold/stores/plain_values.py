"""Which plain Python values a column of a declared type takes.

The rule: a value enters unchanged or not at all. An int may become a float if it stays the same number, a float is rounded to
the nearest Float32 (a Python float has no width of its own); nothing is parsed, no truth value is a number, no date a time.
"""

import math
import struct
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from tilefold.stores.event_columns import full_type

Check = Callable[[Any], bool]
_FLOAT32_MAX = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]


def check_of(dtype: pl.DataType) -> Check:
    """Tells whether a value that is not None fits into a column of this type."""
    if isinstance(dtype, pl.List):
        inner = check_of(full_type(dtype.inner))
        return lambda value: type(value) in (list, tuple) and all(item is None or inner(item) for item in value)
    if isinstance(dtype, pl.Struct):
        return _struct({field.name: check_of(full_type(field.dtype)) for field in dtype.fields})
    if isinstance(dtype, pl.Decimal):
        return _decimal(dtype.precision, dtype.scale)
    if dtype.is_integer():
        low, high = _bounds(dtype)
        return lambda value: _is_int(value) and low <= int(value) <= high
    return _PLAIN.get(type(dtype), lambda _: False)


def is_naive(value: object) -> bool:
    """Whether it is a time without a zone."""
    return isinstance(value, datetime) and value.tzinfo is None


def _bounds(dtype: pl.DataType) -> tuple[int, int]:
    low, high = pl.select(low=dtype.min(), high=dtype.max()).row(0)  # type: ignore[attr-defined]
    return low, high


def _is_int(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _float(value: Any) -> bool:
    if isinstance(value, float | np.floating):
        return True
    return _is_int(value) and abs(int(value)) <= 1 << 1000 and int(float(value)) == int(value)


def _float32(value: Any) -> bool:
    return _float(value) and not _FLOAT32_MAX < abs(value) < math.inf


def _text(value: Any) -> bool:
    return isinstance(value, str) and (value.isascii() or _encodable(value))


def _encodable(text: str) -> bool:
    """Whether it has no half of a surrogate pair."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _struct(fields: Mapping[str, Check]) -> Check:
    def fits(value: Any) -> bool:
        known = isinstance(value, Mapping) and value.keys() <= fields.keys()
        return known and all(item is None or fields[name](item) for name, item in value.items())

    return fits


def _decimal(precision: int, scale: int) -> Check:
    def fits(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or (number := Decimal(value)).is_nan():
            return False
        if number.is_infinite():
            return False
        _, digits, exponent = number.as_tuple()
        lost = -scale - int(exponent)  # digits behind the last that is kept
        return (lost <= 0 or not any(digits[-lost:])) and len(digits) - lost <= precision

    return fits


_PLAIN: Mapping[type[pl.DataType], Check] = {
    pl.Float64: _float,
    pl.Float32: _float32,
    pl.Boolean: lambda value: isinstance(value, bool),
    pl.String: _text,
    pl.Binary: lambda value: isinstance(value, bytes),
    pl.Date: lambda value: isinstance(value, date) and not isinstance(value, datetime),
    pl.Datetime: lambda value: isinstance(value, datetime) and value.tzinfo is not None,
}
