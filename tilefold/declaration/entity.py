"""`Entity`: what a feature is about, and the columns that name one.

The rule: a join key's type has exactly one way to write each value, so that a key is found again online and in Delta.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from tilefold.declaration.elsewhere import ENTITY, tolerant
from tilefold.declaration.names import EVENT_ID, check_column, checked_name, first_duplicate
from tilefold.errors import DeclarationError, complaint
from tilefold.types import Field, is_utc_time

_KEY_TYPES = (pl.String, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Boolean, pl.Date)


@tolerant("entity", ("name", "join_keys", "description", "owner", "tags"), ENTITY)
@dataclass(frozen=True, slots=True)
class Entity:
    """What a feature is about, such as a user.

    Parameters
    ----------
    name
        Its name.
    join_keys
        The columns that name one, at least one: String, Int8 to Int64, Bool, Date or Timestamp.

    Raises
    ------
    DeclarationError
        If the name or a join key breaks a rule.
    """

    name: str
    join_keys: Sequence[Field]
    description: str = ""
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        thing = f"entity {self.name!r}"
        checked_name(thing, self.name)
        object.__setattr__(self, "join_keys", _checked_keys(thing, self.join_keys))


def _checked_keys(thing: str, join_keys: object) -> tuple[Field, ...]:
    if not isinstance(join_keys, Sequence) or isinstance(join_keys, str) or not join_keys:
        mend = 'Write join_keys=[Field("user_id", String)].'
        raise DeclarationError(complaint(thing, "join_keys must be a list of at least one Field", join_keys, mend))
    for key in join_keys:
        _check_key(thing, key)
    twice = first_duplicate(key.name for key in join_keys)
    if twice:
        raise DeclarationError(complaint(thing, "a join key may stand once", twice, "Remove one of them."))
    return tuple(join_keys)


def _check_key(thing: str, key: object) -> None:
    if not isinstance(key, Field):
        mend = f"Write Field({key!r}, String), with the column's type."
        raise DeclarationError(complaint(thing, "a join key must be a Field", key, mend))
    check_column(thing, key.name)
    if key.name == EVENT_ID:
        mend = "It names the event, not the entity: give the column another name."
        raise DeclarationError(complaint(thing, "a join key may not be event_id", key.name, mend))
    check_key_type(thing, "join key", key)


def check_key_type(thing: str, kind: str, key: Field) -> None:
    """Refuse a key whose type has several ways to write a value; errors call it by its kind."""
    if key.dtype not in _KEY_TYPES and not is_utc_time(key.dtype):
        rule = f"{kind} {key.name!r} must be String, Int8 to Int64, Bool, Date or Timestamp (floats have no stable equality)"
        mend = "Cast the column in the view's transformation."
        raise DeclarationError(complaint(thing, rule, str(key.dtype), mend))
