"""Single events as plain values: the same bytes and the same ids as a frame of them has, without a frame.

The rule: for every event that fits its schema (see `plain_values`), `PlainRow.payload` is what `encode_rows` makes of it, and
`PlainRow.event_id` what `row_ids` makes of it. A frame costs two milliseconds however few rows it has; events often come alone.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import polars as pl
from xxhash import xxh3_128_hexdigest

from tilefold.stores.event_columns import full_type
from tilefold.stores.stream_payload import names_print

Convert = Callable[[Any], Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_US = timedelta(microseconds=1)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_CANONICAL_NAN = f"{0x7FF8_0000_0000_0000};"
_FLOAT32, _FLOAT64, _INT64 = struct.Struct("<f"), struct.Struct("<d"), struct.Struct("<q")
_encode = msgspec.msgpack.Encoder().encode


class PlainRows:
    """Turns physical values of one schema into bytes and ids.

    Attributes
    ----------
    physical
        Of each column the function that makes a value that fits physical: `None` stays `None`.
    """

    def __init__(self, columns: pl.Schema) -> None:
        self.physical = {name: physical_of(dtype) for name, dtype in columns.items()}
        self._print = names_print(tuple(columns))
        self._text = _row_text({name: (number, text_of(columns[name])) for number, name in enumerate(columns)})

    def payload(self, values: Sequence[Any], ingested_us: int) -> bytes:
        """The bytes of an event, of physical values in the schema's order."""
        return _encode((self._print, ingested_us, *values))

    def event_id(self, values: Sequence[Any]) -> str:
        """The id of an event that was given none."""
        return xxh3_128_hexdigest(self._text(values).encode())


def physical_of(dtype: pl.DataType) -> Convert:
    """Makes a value that fits the type physical, as `wire_type` says."""
    if isinstance(dtype, pl.List):
        inner = physical_of(full_type(dtype.inner))
        return lambda value: [None if item is None else inner(item) for item in value]
    if isinstance(dtype, pl.Struct):
        fields = {field.name: physical_of(full_type(field.dtype)) for field in dtype.fields}
        return lambda value: {
            name: None if (item := value.get(name)) is None else convert(item) for name, convert in fields.items()
        }
    if isinstance(dtype, pl.Decimal):
        return _decimal_text(dtype.scale)
    if dtype.is_integer():
        return int
    return _PHYSICAL[type(dtype)]


def text_of(dtype: pl.DataType) -> Callable[[Any], str]:
    """The canonical text of a physical value that is not None; see `event_ids`."""
    if isinstance(dtype, pl.List):
        inner = text_of(full_type(dtype.inner))
        return lambda value: f"[{''.join('n' if item is None else inner(item) for item in value)}]"
    if isinstance(dtype, pl.Struct):
        fields = {field.name: (field.name, text_of(full_type(field.dtype))) for field in dtype.fields}
        row = _row_text(fields)
        return lambda value: f"{{{row(value)}}}"
    if dtype.is_float():
        return _float_text
    return _TEXT.get(type(dtype), lambda value: f"{value};")


def _row_text(columns: Mapping[str, tuple[Any, Callable[[Any], str]]]) -> Callable[[Any], str]:
    """The canonical text of a row: of each column's value at its place, in the order of names."""
    parts = [(f"{len(name.encode())}:{name}=", *columns[name]) for name in sorted(columns)]
    return lambda values: "".join([head + text(value) for head, place, text in parts if (value := values[place]) is not None])


def _decimal_text(scale: int) -> Convert:
    def text(value: int | Decimal) -> str:
        number = Decimal(value)
        return f"{number or abs(number):.{scale}f}"

    return text


def _float_text(value: float) -> str:
    return f"{_INT64.unpack(_FLOAT64.pack(value))[0]};" if value == value else _CANONICAL_NAN  # noqa: PLR0124 - not a NaN


def _sized(text: str) -> str:
    return f"{len(text) if text.isascii() else len(text.encode())}:{text}"


_PHYSICAL: Mapping[type[pl.DataType], Convert] = {
    pl.Float64: float,
    pl.Float32: lambda value: _FLOAT32.unpack(_FLOAT32.pack(value))[0],
    pl.Boolean: bool,
    pl.String: str,
    pl.Binary: bytes,
    pl.Date: lambda value: value.toordinal() - _EPOCH_DAY,
    pl.Datetime: lambda value: (value - _EPOCH) // _ONE_US,
}
_TEXT: Mapping[type[pl.DataType], Callable[[Any], str]] = {
    pl.String: _sized,
    pl.Binary: lambda value: _sized(value.hex()),
    pl.Boolean: lambda value: f"{int(value)};",
}
