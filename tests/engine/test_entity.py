"""Entities' texts and hashes: in bulk and for one key alike, and no two entities share one."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tilefold.engine.entity import EntityEncoder, bucket_expr, entity_expr, hash_expr, key_hash_expr
from tilefold.errors import InputError
from tilefold.types import Field

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["", ":", "1:", "3:abc", "\x00", "1:a1:b", "ß", "-1"]
)
KEYS: dict[str, tuple[pl.DataType, st.SearchStrategy[Any]]] = {
    "string": (pl.String(), TEXTS),
    "int64": (pl.Int64(), st.integers(-(2**63), 2**63 - 1)),
    "int8": (pl.Int8(), st.integers(-128, 127)),
    "bool": (pl.Boolean(), st.booleans()),
    "date": (pl.Date(), st.dates(date(1, 1, 1), date(9999, 12, 31))),
    "time": (
        pl.Datetime("us", "UTC"),
        st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda time: time.replace(tzinfo=UTC)),  # noqa: DTZ001
    ),
}
LAWS = settings(deadline=None, max_examples=examples(60))


def in_bulk(fields: list[Field], rows: list[tuple[Any, ...]]) -> list[str]:
    """The entities' texts by expression."""
    frame = pl.DataFrame(rows, schema={field.name: field.dtype for field in fields}, orient="row")
    return frame.select(entity_expr(fields)).to_series().to_list()


def one_by_one(fields: list[Field], rows: list[tuple[Any, ...]]) -> list[str]:
    """The entities' texts as a read makes them."""
    encoder = EntityEncoder("view", fields)
    return [encoder.encode(dict(zip([field.name for field in fields], row, strict=True))) for row in rows]


@pytest.mark.parametrize("kind", KEYS)
def test_bulk_and_plain_agree(kind: str) -> None:
    """Of every key type, the text in bulk is the text of a request."""
    dtype, values = KEYS[kind]

    @LAWS
    @given(st.lists(st.tuples(values), min_size=1, max_size=9))
    def law(rows: list[tuple[Any, ...]]) -> None:
        assert in_bulk([Field("key", dtype)], rows) == one_by_one([Field("key", dtype)], rows)

    law()


@LAWS
@given(st.lists(st.tuples(TEXTS, st.integers(-(10**6), 10**6), TEXTS), min_size=2, max_size=9, unique=True))
def test_no_two_entities_share_a_text(rows: list[tuple[Any, ...]]) -> None:
    """Different keys have different texts, wherever one key ends and the next begins; in bulk and plain alike."""
    fields = [Field("a", pl.String), Field("b", pl.Int64), Field("c", pl.String)]
    texts = one_by_one(fields, rows)
    assert len(set(texts)) == len(rows)
    assert in_bulk(fields, rows) == texts


def test_texts_are_for_ever() -> None:
    """Texts are in stored keys: a changed one loses every key."""
    fields = [Field("a", pl.String), Field("b", pl.Int64), Field("c", pl.Boolean), Field("d", pl.Date())]
    assert one_by_one(fields, [("ßa", -5, True, date(2024, 2, 29))]) == ["3:ßa2:-54:true10:2024-02-29"]
    time = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=1)
    assert one_by_one([Field("t", pl.Datetime("us", "UTC"))], [(time,)]) == ["1704067200000001"]
    assert one_by_one([Field("a", pl.String)], [("3:ßa",)]) == ["3:ßa"]


def test_hashes_are_for_ever() -> None:
    """Hashes say which bucket a key is in: they are in stored data, and the same on every machine."""
    frame = pl.DataFrame({"a": ["", "user 1", "ß"]})
    hashes = frame.select(key_hash_expr([Field("a", pl.String)])).to_series()
    assert hashes.to_list() == [3244421341483603138, 2434219252161785627, -469123751958447788]
    assert frame.select(hash_expr(pl.col("a"))).to_series().to_list() == hashes.to_list()
    assert frame.select(bucket_expr([Field("a", pl.String)], 4)).to_series().to_list() == [each % 4 for each in hashes]


def test_null_keys_have_no_text() -> None:
    """An entity of which a key is null has no text."""
    assert in_bulk([Field("a", pl.String), Field("b", pl.Int64)], [("a", None), (None, 1)]) == [None, None]


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("string", 1, "a string"),
        ("string", b"a", "a string"),
        ("int64", "1", "an integer"),
        ("int64", 1.0, "an integer"),
        ("int64", True, "an integer"),
        ("bool", 1, "a boolean"),
        ("date", datetime(2024, 1, 1, tzinfo=UTC), "a date"),
        ("date", "2024-01-01", "a date"),
        ("time", datetime(2024, 1, 1), "an aware datetime"),  # noqa: DTZ001
        ("time", date(2024, 1, 1), "an aware datetime"),
        ("string", None, "a string"),
    ],
)
def test_wrong_types(kind: str, value: Any, wanted: str) -> None:
    """A key of another type is an error that names it and says what to give."""
    with pytest.raises(InputError, match=f"view 'view': join key 'key' must be {wanted}; got .* Give {wanted}"):
        EntityEncoder("view", [Field("key", KEYS[kind][0])]).encode({"key": value})
