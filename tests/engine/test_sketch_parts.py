"""The bytes of sketches in parts: read as they were written for ever, and small."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.engine.drawing import DrawnView, feature
from tilefold.aggregation_functions import approx_count_distinct, approx_percentile
from tilefold.declaration.windows import Window
from tilefold.engine.codec import Codec, seal
from tilefold.engine.encode import Stored, encode_parts
from tilefold.engine.encode_one import RowEncoder
from tilefold.engine.layout import layout_of
from tilefold.engine.mark import Mark
from tilefold.engine.merge import Folder
from tilefold.engine.stream_part import Row
from tilefold.engine.time import DAY_US
from tilefold.errors import CorruptBlobError
from tilefold.types import Field

GOLDEN = Path(__file__).parents[1] / "golden" / "sketches.hex"
MARK = Mark(19_800 * DAY_US, 7)
WINDOWS = (Window(None),)
FUNCTIONS = [("text", approx_count_distinct(4)), ("whole", approx_count_distinct(12)), ("real", approx_percentile(0.5))]
FEATURES = tuple(feature(column, function, WINDOWS, number) for number, (column, function) in enumerate(FUNCTIONS))
LAYOUT = layout_of(DrawnView("drawn", (Field("key", pl.String),), FEATURES, DAY_US))
# Of three tiles: nothing, a few, many.
TEXTS = [[None], ["", "ß"], [f"{number}" for number in range(40)]]
WHOLES = [[None], [0, -1, 2**62], list(range(-60, 60))]
REALS = [[None], [0.0, -1.5, 1e300], [float(number) for number in range(-30, 400)]]


def tiles() -> list[Row]:
    """The tiles as one key's writer makes them, an event at a time."""
    rows = []
    for place, inputs in enumerate(zip(TEXTS, WHOLES, REALS, strict=True)):
        components: list[Any] = [1]
        for slot, values in zip(LAYOUT.slots[1:], inputs, strict=True):
            lifted = slot.partial.lift_all(values, [0] * len(values), [""] * len(values))
            components += slot.partial.stored(slot.partial.fold(lifted, 0, len(values)))
        rows.append(Row((19_000 + place) * DAY_US, (19_000 + place) * DAY_US, tuple(components)))
    return rows


def in_bulk() -> bytes:
    """The part of the same values by way of tile rows."""
    columns = [Stored(pl.Series([3, 2, 1]), nullable=False, running=None)]
    for slot, inputs in zip(LAYOUT.slots[1:], (TEXTS, WHOLES, REALS), strict=True):
        dtype = {"text": pl.String(), "whole": pl.Int64(), "real": pl.Float64()}[slot.column]
        rows = [(number, value) for number, values in enumerate(inputs) for value in values]
        events = pl.DataFrame(rows, schema={"tile": pl.Int64(), slot.column: dtype}, orient="row")
        built = events.group_by("tile").agg(slot.partial.from_events(slot.column, "")).sort("tile")
        component = slot.partial.components[0]
        column = built[component.suffix].cast(component.dtype)
        columns.append(Stored(component.as_in_parts(column), nullable=False, running=None))
    first = np.arange(3, dtype=np.int64) + 19_000
    part: bytes = encode_parts(first, first, columns, np.array([3]))[0]
    return part


def test_golden_bytes_are_read_and_written_for_ever() -> None:
    """An event at a time and in bulk the same bytes are written, which hold what was put in."""
    golden = bytes.fromhex(GOLDEN.read_text())
    assert seal(in_bulk(), MARK) == golden
    assert seal(RowEncoder(LAYOUT).part(tiles()), MARK) == golden
    values, inexact = Folder(LAYOUT).fold(Codec(LAYOUT).decode(golden), MARK.watermark_us)
    assert list(values) == [40, 121, pytest.approx(184, rel=0.01)]
    assert not inexact


def test_few_values_take_few_bytes() -> None:
    """A tile without values takes a byte per sketch, for its length; one of two or three values two or three bytes for each."""
    sizes = [[len(each) for each in row.components[1:]] for row in tiles()]
    assert sizes[:2] == [[0, 0, 0], [4, 9, 8]]
    assert sizes[2][0] == 16


@pytest.mark.parametrize("length", [-1, 5_000, 2**31 - 1])
def test_an_absurd_length_is_refused(length: int) -> None:
    """A sketch of another length than there are bytes is corrupt."""
    layout = layout_of(DrawnView("drawn", (Field("key", pl.String),), FEATURES[:1], DAY_US))
    codes = bytes([0, 0, 1, 4])
    numbers = b"\x01" + length.to_bytes(4, "little", signed=True)
    part = (1).to_bytes(4, "little") + codes + (19_000).to_bytes(8, "little") + numbers + bytes(4)
    with pytest.raises(CorruptBlobError):
        Codec(layout).decode(seal(part, MARK))
