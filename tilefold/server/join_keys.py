"""Join keys as they come over the wire: JSON has no times, and its integers may come as text.

The rule: what is converted here is checked where all join keys are (`EntityEncoder`); a value that cannot be converted is
passed on as it is, so that there is one refusal for it, and it names the key and what is accepted.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeAlias

import polars as pl

from tilefold.types import Field

Convert: TypeAlias = Callable[[Any], Any]
_INTEGER = re.compile(r"-?[0-9]{1,40}")


class JoinKeys:
    """The join keys of a service.

    Attributes
    ----------
    fields
        Each name once, with its type.
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        self.fields = tuple({field.name: field for field in fields}.values())
        made = {field.name: _converter(field.dtype) for field in self.fields}
        self._converters = {name: convert for name, convert in made.items() if convert is not None}

    def parsed(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The keys of one entity in Python's types."""
        if not self._converters:
            return given
        known = self._converters
        return {name: known[name](value) if name in known else value for name, value in given.items()}


def _converter(dtype: pl.DataType) -> Convert | None:
    """From JSON's type to the one that is checked; None where they are the same."""
    if dtype.is_integer():
        return lambda value: int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value
    if isinstance(dtype, pl.Datetime):
        return lambda value: _parsed(datetime.fromisoformat, value)
    if dtype == pl.Date:
        return lambda value: _parsed(date.fromisoformat, value)
    return None


def _parsed(parse: Callable[[str], Any], value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except ValueError:
        return value
