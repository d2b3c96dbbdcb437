"""How the join keys of an entity become one text and one hash, in bulk and for one key alike.

The rule: the text is injective (two entities never share one) and, like the hash, stable for ever: both are in stored data.
One join key stands as it is; several stand one after the other, each behind its length in bytes: `3:abc2:12`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl
import polars_hash as plh

from tilefold.engine.time import to_us
from tilefold.errors import InputError, complaint
from tilefold.types import Field

KEY_HASH = "tf_key_hash"


def _text_expr(field: Field) -> pl.Expr:
    column = pl.col(field.name)
    if isinstance(field.dtype, pl.Datetime):
        return column.dt.timestamp("us").cast(pl.String)
    return column.cast(pl.String)


def entity_expr(join_keys: Sequence[Field]) -> pl.Expr:
    """The text of each row's entity, a String; null where a key is null."""
    texts = [_text_expr(field) for field in join_keys]
    if len(texts) == 1:
        return texts[0].alias("entity")
    parts = [part for text in texts for part in (text.str.len_bytes().cast(pl.String), pl.lit(":"), text)]
    return pl.concat_str(parts).alias("entity")


def hash_expr(text: pl.Expr) -> pl.Expr:
    """A stable 64-bit hash of a String, as an Int64 (Delta has no unsigned integers)."""
    hashed: pl.Expr = plh.concat_str(text).nchash.xxh3_64()
    return hashed.reinterpret(signed=True)


def key_hash_expr(join_keys: Sequence[Field]) -> pl.Expr:
    """The hash of each row's entity, as the column `tf_key_hash`."""
    return hash_expr(entity_expr(join_keys)).alias(KEY_HASH)


def bucket_expr(join_keys: Sequence[Field], buckets: int) -> pl.Expr:
    """The bucket (Int32) of each row's entity; `buckets` is a power of two."""
    return (key_hash_expr(join_keys) & (buckets - 1)).cast(pl.Int32).alias("bucket")


def _bool_text(value: Any) -> str | None:
    return ("true" if value else "false") if isinstance(value, bool) else None


def _int_text(value: Any) -> str | None:
    return str(int(value)) if isinstance(value, int) and not isinstance(value, bool) else None


def _string_text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    if not value.isascii():
        value.encode()  # half a surrogate pair has no bytes: better refused here than in the store
    return value


def _time_text(value: Any) -> str | None:
    return str(to_us(value)) if isinstance(value, datetime) and value.tzinfo else None


def _date_text(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else None


def _text_of(dtype: pl.DataType) -> tuple[Callable[[Any], str | None], str]:
    """The text of one value (None where its type is wrong), and the name of what is accepted."""
    if dtype == pl.String:
        return _string_text, "a string"
    if dtype == pl.Boolean:
        return _bool_text, "a boolean"
    if isinstance(dtype, pl.Datetime):
        return _time_text, "an aware datetime"
    return (_date_text, "a date") if dtype == pl.Date else (_int_text, "an integer")


class EntityEncoder:
    """Checks the join keys of one request and makes the entity's text of them."""

    def __init__(self, view: str, join_keys: Sequence[Field]) -> None:
        self._view = view
        self._names = [field.name for field in join_keys]
        only_text = len(join_keys) == 1 and join_keys[0].dtype == pl.String
        self._single = join_keys[0].name if only_text else None
        self._texts = [_text_of(field.dtype) for field in join_keys]

    def encode(self, keys: Mapping[str, Any]) -> str:
        """The text of an entity, the same as `entity_expr` makes in bulk.

        Raises
        ------
        InputError
            If a key is missing, unknown, null or of a wrong type.
        """
        if self._single is not None and type(keys) is dict and len(keys) == 1:
            value = keys.get(self._single)
            if type(value) is str and value.isascii():  # by far the most
                return value
        try:
            if len(keys) != len(self._names):
                raise self._wrong_names(keys)
            return self._text(keys)
        except UnicodeEncodeError as error:
            mend = "Give text that UTF-8 can hold."
            rule = "join keys must be whole Unicode text"
            raise InputError(complaint(f"view '{self._view}'", rule, error.object, mend)) from error
        except TypeError as error:  # not even a mapping
            raise self._wrong_names(keys) from error

    def _text(self, keys: Mapping[str, Any]) -> str:
        texts = [self._one(keys, name, text) for name, text in zip(self._names, self._texts, strict=True)]
        return texts[0] if len(texts) == 1 else "".join(f"{len(text.encode())}:{text}" for text in texts)

    def _one(self, keys: Mapping[str, Any], name: str, text_of: tuple[Callable[[Any], str | None], str]) -> str:
        if name not in keys:
            raise self._wrong_names(keys)
        text = text_of[0](keys[name])
        if text is None:
            mend = f"Give {text_of[1]}."
            raise InputError(complaint(f"view '{self._view}'", f"join key '{name}' must be {text_of[1]}", keys[name], mend))
        return text

    def _wrong_names(self, keys: object) -> InputError:
        mend = f"Give exactly these keys: {', '.join(self._names)}."
        if not isinstance(keys, Mapping):
            rule = "join keys must be a mapping from names to values"
            return InputError(complaint(f"view '{self._view}'", rule, keys, mend))
        return InputError(complaint(f"view '{self._view}'", "join keys must be those of its entities", list(keys), mend))
