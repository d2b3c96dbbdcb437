"""Events without a frame have the bytes and ids that they would have in one."""

import polars as pl
from hypothesis import given, settings

from tests.effort import examples
from tests.stores.payload_frames import frames
from tilefold.stores.event_ids import row_ids
from tilefold.stores.plain_rows import PlainRows
from tilefold.stores.plain_values import check_of
from tilefold.stores.stream_payload import encode_rows


@settings(max_examples=examples(100), deadline=None)
@given(frames())
def test_plain_events_are_those_of_a_frame(frame: pl.DataFrame) -> None:
    """Every value of every type that a frame gives fits its column, and makes the same payload and the same id."""
    rows = PlainRows(frame.schema)
    checks = {name: check_of(dtype) for name, dtype in frame.schema.items()}
    payloads, ids = [], []
    for record in frame.iter_rows(named=True):
        assert all(value is None or checks[name](value) for name, value in record.items())
        values = [None if value is None else rows.physical[name](value) for name, value in record.items()]
        payloads.append(rows.payload(values, 7))
        ids.append(rows.event_id(values))
    assert payloads == encode_rows(frame, frame.schema, 7)
    assert ids == row_ids(frame, frame.schema).to_list()


def test_numbers_are_taken_as_their_column_holds_them() -> None:
    """Ints in float columns, floats in narrow ones and ints in decimal ones become what the column would hold."""
    schema = pl.Schema({"wide": pl.Float64(), "narrow": pl.Float32(), "price": pl.Decimal(6, 2)})
    rows = PlainRows(schema)
    record = {"wide": 3, "narrow": 0.1, "price": 7}
    values = [rows.physical[name](value) for name, value in record.items()]
    assert values == [3.0, 0.10000000149011612, "7.00"]
    assert rows.payload(values, 1) == encode_rows(pl.DataFrame([record], schema=schema), schema, 1)[0]
