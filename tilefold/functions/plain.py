"""From the physical values that tiles hold to the plain Python values that people get.

The rule: tiles hold numbers for times (microseconds or days since 1970), so that merging compares integers; only the last
step makes a `datetime` or `date` of them.
"""

import math
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1)
_UNITS = (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1))
_FLOAT32 = struct.Struct("<f")
_FLOAT32_MAX = 3.4028235677973366e38  # the smallest Float64 that rounds to infinity in Float32


def _to_datetime(value: int) -> datetime:
    return _EPOCH + timedelta(microseconds=value)


def _to_date(value: int) -> date:
    return _EPOCH_DAY + timedelta(days=value)


def to_physical(value: Any) -> Any:
    """What tiles hold of a value that people know: numbers for times, which are aware, and for dates."""
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(microseconds=1)
    return (value - _EPOCH_DAY).days if isinstance(value, date) else value


def to_float32(value: float) -> float:
    """The nearest Float32, as a Python float; beyond its range an infinity."""
    if abs(value) >= _FLOAT32_MAX:
        return float("inf") if value > 0 else float("-inf")
    return float(_FLOAT32.unpack(_FLOAT32.pack(value))[0])


def is_nan(value: Any) -> bool:
    """Whether a value of any type is a floating point NaN."""
    return isinstance(value, float) and math.isnan(value)


def same(value: Any) -> Any:
    """The value itself; whoever sees this function need not call it."""
    return value


def physical_to_python(dtype: pl.DataType) -> Callable[[Any], Any]:
    """The conversion of one stored value of `dtype` to what users see."""
    if isinstance(dtype, pl.Datetime):
        return _to_datetime
    if dtype == pl.Date:
        return _to_date
    if dtype == pl.Boolean:
        return bool
    return same


def duration_text(size_us: int) -> str:
    """How a duration reads in a feature's name: every unit that is not zero, from days down.

    Examples
    --------
    >>> duration_text(30 * 86_400_000_000), duration_text(1_500_000), duration_text(0)
    ('30d', '1s500ms', '0s')
    """
    text = ""
    for unit, unit_us in _UNITS:
        count, size_us = divmod(size_us, unit_us)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def physical_dtype(dtype: pl.DataType) -> pl.DataType:
    """The type in which tiles hold values of `dtype`: integers for times, the same otherwise."""
    if isinstance(dtype, pl.Datetime):
        return pl.Int64()
    return pl.Int32() if dtype == pl.Date else dtype
