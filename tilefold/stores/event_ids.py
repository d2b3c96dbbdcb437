"""The id of an event that was given none: a stable hash of its row.

The rule: the id depends on the names and values of the source's columns alone. It does not depend on their order, on the
width of a number, on the frame they came in, or on columns that are null (a column added later changes no id). Two different
rows never have the same text: every value stands behind its name and, where its own end cannot be seen, its length.

Text of a row: for each column that is not null, in the order of names, `<length of name>:<name>=<value>`. Ints are decimal
with `;` behind, dates days and timestamps microseconds since the epoch, booleans 0 or 1, floats the decimal of their IEEE
double bits (one NaN), strings `<bytes>:<text>`, binary in hex likewise, lists `[`, items or `n` for null, `]`, structs `{`,
a row, `}`.
Do not change: ids are on disk, and an event sent again must get the same one.
"""

from typing import Any, cast

import polars as pl
import polars_hash  # noqa: F401  (registers the `nchash` namespace)

from tilefold.stores.event_columns import full_type

_CANONICAL_NAN_BITS = 0x7FF8_0000_0000_0000


def row_ids(frame: pl.DataFrame, schema: pl.Schema) -> pl.Series:
    """Ids of all rows: 32 hex digits of the 128-bit XXH3 hash of the row's canonical text.

    Parameters
    ----------
    frame
        Holds the columns of `schema` in its dtypes.
    schema
        The columns that make the event; others are not looked at.
    """
    text = _row({name: pl.col(name) for name in schema}, schema)
    hashed = frame.select(cast("Any", text).nchash.xxh3_128().alias("h"))
    return _hex(hashed["h"]).alias("event_id")


def _row(columns: dict[str, pl.Expr], schema: pl.Schema) -> pl.Expr:
    """Canonical text of the columns of a row or the fields of a struct."""
    names = sorted(schema)
    parts = [pl.concat_str(pl.lit(f"{len(name.encode())}:{name}="), _value(columns[name], schema[name])) for name in names]
    return pl.concat_str(parts, ignore_nulls=True)


def _value(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Canonical text of one value, null for null."""
    if dtype == pl.String:
        return _sized(value)
    if dtype == pl.Binary:
        return _sized(value.bin.encode("hex"))
    if isinstance(dtype, pl.List):
        items = value.list.eval(_value(pl.element(), full_type(dtype.inner)).fill_null("n"))
        return pl.concat_str(pl.lit("["), items.list.join(""), pl.lit("]"))
    if isinstance(dtype, pl.Struct):
        fields = pl.Schema({field.name: full_type(field.dtype) for field in dtype.fields})
        inner = {name: value.struct.field(name) for name in fields}
        return pl.when(value.is_not_null()).then(pl.concat_str(pl.lit("{"), _row(inner, fields), pl.lit("}")))
    return pl.concat_str(_number(value, dtype), pl.lit(";"))


def _number(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_float():
        double = value.cast(pl.Float64)
        bits = double.reinterpret(dtype=pl.Int64)
        return pl.when(double.is_nan()).then(pl.lit(_CANONICAL_NAN_BITS)).otherwise(bits).cast(pl.String)
    if isinstance(dtype, pl.Datetime):
        return value.dt.timestamp("us").cast(pl.String)
    if dtype == pl.Date:
        return value.to_physical().cast(pl.String)
    if dtype == pl.Boolean:
        return value.cast(pl.Int8).cast(pl.String)
    return value.cast(pl.String)  # ints and decimals


def _sized(text: pl.Expr) -> pl.Expr:
    return pl.concat_str(text.str.len_bytes().cast(pl.String), pl.lit(":"), text)


def _hex(hashes: pl.Series) -> pl.Series:
    """UInt128 as 32 hex digits; through two halves, since Polars prints 128-bit integers as decimals only."""
    halves = hashes.to_frame("h").select(high=pl.col("h") // 2**64, low=pl.col("h") % 2**64)
    octets = halves.cast(pl.UInt64).to_numpy(order="c").astype(">u8").tobytes()
    sliced = pl.lit(octets).bin.slice(pl.int_range(len(hashes)) * 16, 16)
    return pl.select(sliced.bin.encode("hex")).to_series()
