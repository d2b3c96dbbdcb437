"""Events of the stream log as bytes: one MessagePack array per event.

    [ print of the column names, time of arrival in us, value of column 1, value of column 2, ... ]

The rule: a value comes back as it went in, or the bytes are refused. Values stand in the order of the schema, without names;
the print of the names says which ones. Where columns were added at the end of the schema since, they are null; bytes of any
other schema are a `FormatError`, so that no value is ever taken for another column's.

On the way values are physical: times are microseconds, dates days, both since 1970, decimals text, also inside of lists and
structs; NaN and infinities stay. Do not change: it is in logs.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any
from zlib import crc32

import msgspec
import polars as pl

from tilefold.errors import FormatError, complaint
from tilefold.stores.event_columns import EVENT_ID, INGESTED_AT, POSITION, SHARD, TIMESTAMP, full_type
from tilefold.stores.stream_log import Entry, events_of

_HEAD = 2  # values before the columns'
_ROWS_AT_ONCE = 500
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Any, ...]).decode
_decode_refused = msgspec.msgpack.Decoder(tuple[str, str, int]).decode


def encode_rows(frame: pl.DataFrame, schema: pl.Schema, ingested_us: int = 0) -> list[bytes]:
    """One payload per row.

    Parameters
    ----------
    frame
        Holds the columns of `schema` in its dtypes; others are not looked at.
    ingested_us
        When the events arrived.
    """
    head = (names_print(tuple(schema)), ingested_us)
    columns = [frame[name].cast(wire_type(dtype)).to_list() for name, dtype in schema.items()]
    return [_encode((*head, *row)) for row in zip(*columns, strict=True)]


def decode_frame(entries: Mapping[int, Sequence[Entry]], schema: pl.Schema, *, arrivals: bool = False) -> pl.DataFrame:
    """The events among the entries of some shards; barriers and refused ones are left out.

    Returns
    -------
    pl.DataFrame
        The columns of `schema`, `event_id`, `tf_shard` (Int32) and `tf_position` (Int64), and `tf_ingested_at` with `arrivals`;
        shard by shard, in order of positions.

    Raises
    ------
    FormatError
        A payload is broken or of another schema.
    """
    events = {shard: events_of(some) for shard, some in entries.items()}
    flat = [*chain.from_iterable(events.values())]
    positions, _, event_ids, payloads, _ = zip(*flat, strict=True) if flat else ((),) * len(Entry._fields)
    _, arrived, *values = _columns(payloads, tuple(schema))
    places = {
        EVENT_ID: pl.Series(event_ids, dtype=pl.String),
        SHARD: pl.Series([shard for shard, some in events.items() for _ in some], dtype=pl.Int32),
        POSITION: pl.Series(positions, dtype=pl.Int64),
    }
    if arrivals:
        places[INGESTED_AT] = pl.Series(arrived, dtype=pl.Int64).cast(TIMESTAMP)
    own = {name: _column(name, column, dtype) for (name, dtype), column in zip(schema.items(), values, strict=True)}
    return pl.DataFrame(own | places)


def decode_row(payload: bytes, names: Sequence[str]) -> dict[str, Any]:
    """The physical values of one event by column.

    Raises
    ------
    FormatError
        As `decode_frame`.
    """
    known = tuple(names)
    return dict(zip(names, _values(payload, known, _lengths(known))[_HEAD:], strict=True))


def encode_refused(reason: str, record: str, ingested_us: int) -> bytes:
    """A refused event: why, as it was given (JSON, may be cut), when it arrived."""
    return _encode((reason, record, ingested_us))


def decode_refused(payload: bytes) -> tuple[str, str, int]:
    """What `encode_refused` was given.

    Raises
    ------
    FormatError
        The payload is broken.
    """
    try:
        return _decode_refused(payload)
    except msgspec.DecodeError as error:
        raise _unreadable("a refused event must be its reason, record and time of arrival", payload[:80]) from error


def names_print(names: tuple[str, ...]) -> int:
    """32 bits that stand for column names in their order. Do not change: they are in logs."""
    return crc32("\0".join(names).encode())


def wire_type(dtype: pl.DataType) -> pl.DataType:
    """The type in which a column's values travel."""
    if isinstance(dtype, pl.Datetime):
        return pl.Int64()
    if isinstance(dtype, pl.Date):
        return pl.Int32()
    if isinstance(dtype, pl.Decimal):
        return pl.String()
    if isinstance(dtype, pl.List):
        return pl.List(wire_type(full_type(dtype.inner)))
    if isinstance(dtype, pl.Struct):
        return pl.Struct([pl.Field(field.name, wire_type(full_type(field.dtype))) for field in dtype.fields])
    return dtype


@lru_cache(maxsize=256)
def _lengths(names: tuple[str, ...]) -> dict[int, int]:
    """How many columns a payload of each print has: of these names, and of those that there were before the last were added."""
    return {names_print(names[:count]): count for count in range(1, len(names) + 1)}


def _columns(payloads: Sequence[bytes], names: tuple[str, ...]) -> list[list[Any]]:
    """The values of all events by place in the array; some rows at a time, so that few lists are alive at once."""
    columns: list[list[Any]] = [[] for _ in range(_HEAD + len(names))]
    for start in range(0, len(payloads), _ROWS_AT_ONCE):
        some = payloads[start : start + _ROWS_AT_ONCE]
        for column, values in zip(columns, _alike(some, names) or _each(some, names), strict=True):
            column.extend(values)
    return columns


def _alike(payloads: Sequence[bytes], names: tuple[str, ...]) -> list[tuple[Any, ...]] | None:
    """The values of payloads that all hold these columns, as nearly always, checked in one go; None of others."""
    try:
        columns = list(zip(*[_decode(payload) for payload in payloads], strict=True))
    except (msgspec.DecodeError, ValueError):  # broken, or of different lengths: `_each` says what is wrong
        return None
    whole = len(columns) == _HEAD + len(names) and columns[0].count(names_print(names)) == len(payloads)
    return columns if whole else None


def _each(payloads: Sequence[bytes], names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    lengths = _lengths(names)
    return list(zip(*[_values(payload, names, lengths) for payload in payloads], strict=True))


def _values(payload: bytes, names: tuple[str, ...], lengths: Mapping[int, int]) -> tuple[Any, ...]:
    try:
        values = _decode(payload)
    except msgspec.DecodeError as error:
        raise _unreadable("must be one MessagePack array", payload[:80]) from error
    count = lengths.get(values[0]) if values and isinstance(values[0], int) else None
    if count is None:
        raise _unreadable(f"must be of the declared columns {', '.join(names)}", payload[:80])
    if len(values) != _HEAD + count:
        raise _unreadable(f"must hold {count} values", payload[:80])
    return values + (None,) * (len(names) - count)


def _column(name: str, values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    try:
        return pl.Series(name, values, dtype=wire_type(dtype), strict=True).cast(dtype)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise _unreadable(f"must hold {dtype} in column {name!r}", str(error)[:200]) from error


def _unreadable(rule: str, value: object) -> FormatError:
    mend = "Add columns at the end of a schema alone; for any other change drain the source first, with its old declaration."
    return FormatError(complaint("event in the stream log", rule, value, mend))
