"""Values and types as they go over the wire.

The rule: what JSON cannot hold safely is text: integers (also inside lists, maps and structs), NaN and the infinities, times.
A struct is the list of its values in the order of its fields; a map is an object. What a value becomes is decided once, by its
type.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, TypeAlias

import polars as pl

from tilefold.functions import OVERFLOW

Convert: TypeAlias = Callable[[Any], Any]

_MAP_FIELDS = ["key", "value"]


def data_type(dtype: pl.DataType) -> dict[str, Any]:
    """A type as the wire names it."""
    if isinstance(dtype, pl.List):
        inner = _full(dtype.inner)
        if (pair := _map_types(inner)) is not None:
            key, value = map(data_type, pair)
            return {"type": "map", "keyType": key, "valueType": value}
        return {"type": "array", "elementType": data_type(inner)}
    if isinstance(dtype, pl.Struct):
        fields = [{"name": field.name, "dataType": data_type(_full(field.dtype))} for field in dtype.fields]
        return {"type": "struct", "fields": fields}
    return {"type": _name(dtype)}


def _name(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "int64"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype == pl.Float32:
        return "float32"
    if dtype.is_float():
        return "float64"
    return "timestamp" if isinstance(dtype, pl.Datetime) else "string"


def converter(dtype: pl.DataType) -> Convert:
    """Makes the wire's value of a Python value of this type; None stays None, as does what overflowed."""
    if isinstance(dtype, pl.List):
        return _list_converter(_full(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return _struct_converter(dtype)
    if dtype.is_integer():
        return _integer
    return _number if dtype.is_float() else _PLAIN.get(type(dtype), _same)


def time_text(time: datetime) -> str:
    """An aware time as RFC 3339, in UTC."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _integer(value: Any) -> str | None:
    return None if value is None or value is OVERFLOW else str(value)


def _number(value: Any) -> float | str | None:
    if value is None or isfinite(value):
        return value  # type: ignore[no-any-return] # a float
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 - only NaN differs from itself


def _same(value: Any) -> Any:
    return value


_PLAIN: Mapping[type[pl.DataType], Convert] = {
    pl.Datetime: lambda value: None if value is None else time_text(value),
    pl.Date: lambda value: None if value is None else value.isoformat(),
    pl.Binary: lambda value: None if value is None else b64encode(value).decode(),
}


def _list_converter(inner: pl.DataType) -> Convert:
    if (pair := _map_types(inner)) is not None:
        of_key, of_value = map(converter, pair)
        return lambda value: None if value is None else {_key(of_key(e["key"])): of_value(e["value"]) for e in value}
    convert = converter(inner)
    if convert is _same:
        return _same
    return lambda value: None if value is None else [convert(each) for each in value]


def _key(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _struct_converter(dtype: pl.Struct) -> Convert:
    fields = [(field.name, converter(_full(field.dtype))) for field in dtype.fields]
    return lambda value: None if value is None else [convert(value[name]) for name, convert in fields]


def _map_types(inner: pl.DataType) -> list[pl.DataType] | None:
    """The types of keys and values, where lists of this are `tilefold.types.Map`."""
    if isinstance(inner, pl.Struct) and [field.name for field in inner.fields] == _MAP_FIELDS:
        return [_full(field.dtype) for field in inner.fields]
    return None


def _full(dtype: Any) -> pl.DataType:
    """A type as an instance: inner types may be classes."""
    return dtype() if isinstance(dtype, type) else dtype  # type: ignore[no-any-return]
