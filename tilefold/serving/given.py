"""What people type, at a terminal or into a form, into values: keys by the types that a view declares, times as ISO 8601.

The rule: nothing is guessed. A text that does not fit its type is an error that says what would.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from tilefold.errors import InputError, ReadTimeError, complaint
from tilefold.serving.definitions import Definitions

TRUTHS = {"true": True, "false": False}


def key_types(definitions: Definitions, name: str) -> dict[str, pl.DataType]:
    """The join keys of a view, or of all views of a service, with their types; raises UnknownNameError."""
    views = [view for view, _ in definitions.selection(name)]
    return {field.name: field.dtype for view in views for field in view.join_keys}


def parsed_keys(name: str, texts: Sequence[str], types: Mapping[str, pl.DataType]) -> dict[str, Any]:
    """The join keys of one entity from texts such as `user_id=u1`.

    Raises
    ------
    InputError
        If a text has no `=`, a key is unknown, missing or given twice, or a value does not fit its type.
    """
    thing, usage = _thing(name), _usage(types)
    pairs: list[tuple[str, str]] = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InputError(complaint(thing, "a join key is written key=value", text, usage))
        pairs.append((key, value))
    return typed_keys(name, pairs, types)


def typed_keys(name: str, pairs: Sequence[tuple[str, str]], types: Mapping[str, pl.DataType]) -> dict[str, Any]:
    """The join keys of one entity from their names and texts; raises as `parsed_keys`."""
    thing, usage = _thing(name), _usage(types)
    keys: dict[str, Any] = {}
    for key, value in pairs:
        if key not in types:
            raise InputError(complaint(thing, "it has no such join key", key, _meant(key, types) or usage))
        if key in keys:
            raise InputError(complaint(thing, "a join key is given once", key, usage))
        keys[key] = _value(thing, key, value, types[key])
    if missing := [key for key in types if key not in keys]:
        given = [f"{key}={value}" for key, value in pairs]
        raise InputError(complaint(thing, f"join key '{missing[0]}' is missing", given, usage))
    return keys


def _thing(name: str) -> str:
    return f"view or service '{name}'"


def _usage(types: Mapping[str, pl.DataType]) -> str:
    return f"Write {' '.join(f'{key}=...' for key in types)}."


def parsed_time(thing: str, text: str | None) -> datetime | None:
    """A time as ISO 8601; UTC where it says no zone. None for none; `thing` is what errors call it.

    Raises
    ------
    ReadTimeError
        If it is no time.
    """
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        mend = "Write it as 2026-11-24 or 2026-11-24T10:30:00Z; it is UTC where no zone is given."
        raise ReadTimeError(complaint(thing, "it must be a time in ISO 8601", text, mend)) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _meant(key: str, types: Mapping[str, pl.DataType]) -> str | None:
    alike = difflib.get_close_matches(key, types, n=1)
    return f"Did you mean {alike[0]}?" if alike else None


def _value(thing: str, key: str, text: str, dtype: pl.DataType) -> Any:
    read = _reader(dtype)
    try:
        return read(text)
    except (ValueError, LookupError) as error:
        mend = f"Write {key}={_example(dtype)}."
        raise InputError(complaint(thing, f"join key '{key}' is {dtype}", text, mend)) from error


def _reader(dtype: pl.DataType) -> Callable[[str], Any]:
    if dtype.is_integer():
        return int
    if dtype == pl.Boolean:
        return lambda text: TRUTHS[text.lower()]
    if dtype == pl.Date:
        return date.fromisoformat
    if isinstance(dtype, pl.Datetime):
        return _instant
    return str


def _instant(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _example(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "17"
    if dtype == pl.Boolean:
        return "true"
    return "2026-11-24" if dtype == pl.Date else "2026-11-24T10:30:00Z"
