"""Texts that stand in JSON for what it has no type for: large integers, times, dates.

The rule: what cannot be converted is passed on as it is, so that the check of its own place refuses it and says why.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, TypeAlias

import polars as pl

Convert: TypeAlias = Callable[[Any], Any]
_INTEGER = re.compile(r"-?[0-9]{1,40}")


def text_converter(dtype: pl.DataType) -> Convert | None:
    """From JSON's type to Python's; None where they are the same, as far as texts go."""
    if dtype.is_integer():
        return lambda value: int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value
    if isinstance(dtype, pl.Datetime):
        return lambda value: parsed(datetime.fromisoformat, value)
    if dtype == pl.Date:
        return lambda value: parsed(date.fromisoformat, value)
    return None


def parsed(parse: Callable[[str], Any], value: Any) -> Any:
    """What a text says; a value that is no text, or none that can be parsed, as it is."""
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except ValueError:
        return value
