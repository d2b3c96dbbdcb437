"""A stable 64-bit hash of a value of any type, for a column and for one value alike.

The rule: XXH3-64 of a text. Do not change either: sketches in tiles and stores are made of it. The text of a String is itself;
of integers, booleans, dates and times it is their number in decimals; of floats the number that their 64 bits are, with one
zero and one NaN, since Polars and Python write floats differently.
"""

import struct
from collections.abc import Callable
from typing import Any

import polars as pl
import polars_hash as plh
from xxhash import xxh3_64_intdigest

from tilefold.functions.plain import physical_dtype

_FLOAT, _INT = struct.Struct("<d"), struct.Struct("<q")
_NAN_BITS = 0x7FF8_0000_0000_0000


def hash_expr(column: str, dtype: pl.DataType) -> pl.Expr:
    """The hash of each value of a column, a UInt64; null where the value is null."""
    value = pl.col(column)
    if dtype == pl.String:
        text = value
    elif dtype.is_float():
        text = _bits_expr(value.cast(pl.Float64)).cast(pl.String)
    else:
        text = value.cast(physical_dtype(dtype)).cast(pl.Int64).cast(pl.String)
    hashed: pl.Expr = plh.concat_str(text).nchash.xxh3_64()
    return hashed.alias(column)


def _bits_expr(value: pl.Expr) -> pl.Expr:
    bits = value.reinterpret(dtype=pl.Int64)
    return pl.when(value.is_nan()).then(pl.lit(_NAN_BITS)).when(value == 0).then(pl.lit(0)).otherwise(bits)


def hash_of(dtype: pl.DataType) -> Callable[[Any], int]:
    """What hashes one physical value of a type, as `hash_expr` does."""
    if dtype == pl.String:
        return _hash_text
    return _hash_float if dtype.is_float() else _hash_int


def _hash_text(value: str) -> int:
    return xxh3_64_intdigest(value.encode())


def _hash_int(value: int) -> int:
    return xxh3_64_intdigest(b"%d" % value)


def _hash_float(value: float) -> int:
    if value != value:  # noqa: PLR0124 - NaN differs from itself
        return _hash_int(_NAN_BITS)
    return _hash_int(_INT.unpack(_FLOAT.pack(value + 0.0))[0])  # + 0.0 makes one of both zeros
