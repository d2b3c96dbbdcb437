"""Events as JSON holds them -> as Python does, by their source's schema.

The rule: what cannot be converted is passed on as it is, so that the source's own check refuses that event and says why.
"""

from base64 import b64decode
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import polars as pl

from tilefold.declaration.sources import Source
from tilefold.server.json_texts import Convert, parsed, text_converter

_NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def from_json(source: Source, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """One event in Python's types."""
    known = _converters(source)
    if known.keys().isdisjoint(record):
        return record
    return {name: known[name](value) if name in known and value is not None else value for name, value in record.items()}


@lru_cache(maxsize=1024)
def _converters(source: Source) -> dict[str, Convert]:
    made = {field.name: _converter(field.dtype) for field in source.schema or ()}
    return {name: convert for name, convert in made.items() if convert is not None}


def _converter(dtype: pl.DataType) -> Convert | None:
    """From what JSON has for a type; None where it has the type itself."""
    if isinstance(dtype, pl.List):
        return _list_converter(_full(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return _struct_converter(dtype)
    if dtype.is_float():
        return lambda value: _NOT_FINITE.get(value, value) if isinstance(value, str) else value
    if dtype == pl.Binary:
        return lambda value: parsed(partial(b64decode, validate=True), value)
    return text_converter(dtype)


def _list_converter(inner: pl.DataType) -> Convert | None:
    convert = _converter(inner)
    if convert is None:
        return None
    return lambda value: [each if each is None else convert(each) for each in value] if isinstance(value, list) else value


def _struct_converter(dtype: pl.Struct) -> Convert | None:
    made = {field.name: _converter(_full(field.dtype)) for field in dtype.fields}
    known = {name: convert for name, convert in made.items() if convert is not None}

    def convert(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: known[name](each) if name in known and each is not None else each for name, each in value.items()}

    return convert if known else None


def _full(dtype: Any) -> pl.DataType:
    """A type as an instance: inner types may be classes."""
    return dtype() if isinstance(dtype, type) else dtype  # type: ignore[no-any-return]
