"""Events as bytes: whatever a schema allows comes back as it went in, and other bytes are refused."""

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

from tests.effort import examples
from tests.stores.payload_frames import UTC_TIME, frames
from tilefold.errors import FormatError
from tilefold.stores.stream_log import Entry, Kind
from tilefold.stores.stream_payload import (
    decode_frame,
    decode_refused,
    decode_row,
    encode_refused,
    encode_rows,
    names_print,
)

SCHEMA = pl.Schema({"user": pl.String(), "at": UTC_TIME, "amount": pl.Float64()})
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
NOON_US = 1_704_110_400_000_000


def entries(payloads: list[bytes], shard: int = 0) -> dict[int, list[Entry]]:
    """Events at the positions 1, 2 and on."""
    return {shard: [Entry(number, Kind.EVENT, f"id {number}", each, 0) for number, each in enumerate(payloads, start=1)]}


@settings(max_examples=examples(200), deadline=None)
@given(frames())
def test_whatever_a_schema_allows_comes_back(frame: pl.DataFrame) -> None:
    """Every value of every type, nulls, NaN, infinities and nested ones too, is the same after the way through bytes."""
    found = decode_frame(entries(encode_rows(frame, frame.schema)), frame.schema)
    assert found.select(frame.columns).schema == frame.schema
    assert_frame_equal(found.select(frame.columns), frame, check_exact=True)


def test_places_stand_beside_the_columns() -> None:
    """Shards follow each other, with id, shard, position and time of arrival; barriers and refused events are left out."""
    frame = pl.DataFrame({"user": ["a", "b"], "at": [NOON, None], "amount": [1.5, float("nan")]}, schema=SCHEMA)
    one, two = encode_rows(frame, SCHEMA, NOON_US + 1)
    given_entries = {
        3: [Entry(7, Kind.BARRIER, "", b"", 1), Entry(9, Kind.EVENT, "x", two, 0)],
        0: [Entry(8, Kind.REFUSED, "r", b"", 0), Entry(10, Kind.EVENT, "y", one, 0)],
    }
    found = decode_frame(given_entries, SCHEMA, arrivals=True)
    assert found.schema == {
        **SCHEMA,
        "event_id": pl.String,
        "tf_shard": pl.Int32,
        "tf_position": pl.Int64,
        "tf_ingested_at": UTC_TIME,
    }
    assert found.select("user", "event_id", "tf_shard", "tf_position").rows() == [("b", "x", 3, 9), ("a", "y", 0, 10)]
    assert found["tf_ingested_at"].dt.timestamp("us").to_list() == [NOON_US + 1] * 2
    assert "tf_ingested_at" not in decode_frame(given_entries, SCHEMA).columns


def test_nothing_is_an_empty_frame() -> None:
    """No entries, or none that is an event, are no rows of the right columns."""
    for nothing in ({}, {0: []}, {0: [Entry(1, Kind.BARRIER, "", b"", 1)]}):
        found = decode_frame(nothing, SCHEMA)
        assert (found.height, found.columns[:3]) == (0, SCHEMA.names())


def test_plain_rows_are_physical() -> None:
    """One event is a dict of plain values: microseconds, days, decimals as text, structs as dicts."""
    schema = pl.Schema({"at": UTC_TIME, "day": pl.Date(), "price": pl.Decimal(6, 2), "more": pl.Struct({"at": UTC_TIME})})
    row = {"at": NOON, "day": date(1970, 1, 3), "price": Decimal("1.50"), "more": {"at": NOON}}
    (payload,) = encode_rows(pl.DataFrame([row], schema=schema), schema)
    assert decode_row(payload, list(schema)) == {"at": NOON_US, "day": 2, "price": "1.50", "more": {"at": NOON_US}}


def test_columns_added_since_are_null() -> None:
    """Events that were written before columns were added at the end are read with nulls there."""
    frame = pl.DataFrame({"user": ["a"], "at": [NOON], "amount": [1.5]}, schema=SCHEMA)
    old = encode_rows(frame, SCHEMA)
    new = pl.Schema({**SCHEMA, "more": pl.List(pl.Int64()), "last": pl.String()})
    both = [*old, *encode_rows(frame.with_columns(more=pl.lit([7]), last=pl.lit("z")), new)]
    assert decode_frame(entries(both), new).select("user", "more", "last").rows() == [("a", None, None), ("a", [7], "z")]
    assert decode_row(old[0], list(new))["last"] is None


@pytest.mark.parametrize(
    "names",
    [
        ["at", "user", "amount"],
        ["user", "at"],
        ["user", "at", "price"],
        ["new", "user", "at", "amount"],
    ],
)
def test_other_columns_are_refused(names: list[str]) -> None:
    """Events of another order, of more columns or of renamed ones are refused by name, never read as something else."""
    frame = pl.DataFrame({"user": ["a"], "at": [NOON], "amount": [1.5]}, schema=SCHEMA)
    payloads = encode_rows(frame, SCHEMA)
    types = {**SCHEMA, "price": pl.Float64(), "new": pl.String()}
    with pytest.raises(
        FormatError, match=r"must be of the declared columns .*drain the source first, with its old declaration"
    ):
        decode_frame(entries(payloads), pl.Schema({name: types[name] for name in names}))
    with pytest.raises(FormatError):
        decode_row(payloads[0], names)


def test_a_changed_type_is_refused() -> None:
    """Values that do not fit the type that a column has now are refused with the column's name."""
    frame = pl.DataFrame({"user": ["a"], "at": [NOON], "amount": [1.5]}, schema=SCHEMA)
    changed = pl.Schema({**SCHEMA, "amount": pl.Int64()})
    with pytest.raises(FormatError, match="must hold Int64 in column 'amount'"):
        decode_frame(entries(encode_rows(frame, SCHEMA)), changed)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc1", b"\x93\x01", b"\x90", msgspec.msgpack.encode(["x", 0, 1, 2, 3]), msgspec.msgpack.encode({"user": 1})],
)
def test_broken_bytes_are_refused(payload: bytes) -> None:
    """Bytes that are no event are our error, of frames, rows and refused events alike."""
    with pytest.raises(FormatError):
        decode_frame(entries([payload]), SCHEMA)
    with pytest.raises(FormatError):
        decode_row(payload, list(SCHEMA))
    with pytest.raises(FormatError):
        decode_refused(payload)


def test_a_short_array_is_refused() -> None:
    """An array with the right print and too few values is broken."""
    short = msgspec.msgpack.encode([names_print(tuple(SCHEMA)), 0, "a"])
    with pytest.raises(FormatError, match="must hold 3 values"):
        decode_row(short, list(SCHEMA))


def test_refused_events_come_back() -> None:
    """Reason, record and time of arrival of a refused event are as they were given."""
    assert decode_refused(encode_refused("why", '{"a": 1}', NOON_US)) == ("why", '{"a": 1}', NOON_US)


def test_golden_bytes() -> None:
    """The bytes of one event, for ever."""
    frame = pl.DataFrame({"user": ["a"], "at": [NOON], "amount": [1.5]}, schema=SCHEMA)
    (payload,) = encode_rows(frame, SCHEMA, 7)
    assert payload.hex() == "95cef2979fe307a161cf00060de11f0cd000cb3ff8000000000000"
