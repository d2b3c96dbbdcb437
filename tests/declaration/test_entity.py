from typing import Any

import polars as pl
import pytest

from tilefold import Entity, Field
from tilefold.errors import DeclarationError
from tilefold.types import Bool, Float64, Int32, Int64, String, Timestamp


@pytest.mark.parametrize("dtype", [String, pl.Int8, pl.Int16, Int32, Int64, Bool, pl.Date, Timestamp])
def test_key_types(dtype: Any) -> None:
    """Types with one way to write each value can be join keys."""
    assert Entity("user", join_keys=[Field("key", dtype)]).join_keys == (Field("key", dtype),)


@pytest.mark.parametrize("dtype", [Float64, pl.Float32, pl.UInt64, pl.List(pl.Int64), pl.Datetime("us"), pl.Binary])
def test_wrong_key_types(dtype: Any) -> None:
    """Floats and other types are refused, with the reason."""
    with pytest.raises(DeclarationError, match=r"entity 'user': join key 'key' must be String, .* no stable equality"):
        Entity("user", join_keys=[Field("key", dtype)])


@pytest.mark.parametrize(
    ("join_keys", "rule"),
    [
        ([], "join_keys must be a list of at least one Field; got []"),
        (None, "join_keys must be a list of at least one Field; got None"),
        ("user_id", "join_keys must be a list of at least one Field; got 'user_id'"),
        (["user_id"], "a join key must be a Field; got 'user_id'. Write Field('user_id', String)"),
        ([Field("a", String), Field("a", String)], "a join key may stand once; got 'a'"),
        ([Field("event_id", String)], "a join key may not be event_id; got 'event_id'"),
        ([Field("__key", String)], "a column's name may not begin with tf_ or __; got '__key'"),
    ],
)
def test_refusals(join_keys: Any, rule: str) -> None:
    """Join keys that break a rule are refused; the error names the entity, the rule and the value."""
    with pytest.raises(DeclarationError) as refused:
        Entity("user", join_keys=join_keys)
    assert str(refused.value).startswith(f"entity 'user': {rule}")


@pytest.mark.parametrize("name", ["", "a b", "a__b", 5])
def test_wrong_name(name: Any) -> None:
    """An entity's name is an identifier."""
    with pytest.raises(DeclarationError, match="a name "):
        Entity(name, join_keys=[Field("user_id", String)])
