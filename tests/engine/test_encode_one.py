"""The bytes of one key's rows, against those that are made of many keys at once."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.engine.drawing import dense_frame, full_view
from tilefold.engine.codec import Codec, Part, seal
from tilefold.engine.encode import Stored, encode_parts
from tilefold.engine.encode_one import RowEncoder
from tilefold.engine.layout import FIRST, LAST, Layout, layout_of
from tilefold.engine.mark import Mark
from tilefold.engine.stream_part import Row
from tilefold.engine.tiles import build_tiles, prepare_events
from tilefold.engine.time import DAY_US

LAYOUT = layout_of(full_view(DAY_US))


def _tiles(seed: int, rows: int) -> pl.DataFrame:
    """The tiles of one key with every function of every type, ascending in time."""
    frame = dense_frame(seed, rows).with_columns(key=pl.lit("a"))
    events = prepare_events(frame.lazy(), LAYOUT, "timestamp", 0)
    return build_tiles(events, LAYOUT, epoch=1, one_day=False).filter(pl.col("key") == "a").collect().sort(FIRST)


def _plain(tiles: pl.DataFrame) -> list[Row]:
    columns = [each.as_in_parts(tiles[name]).to_physical().to_list() for name, each in LAYOUT.components]
    return [Row(*row) for row in zip(tiles[FIRST], tiles[LAST], zip(*columns, strict=True), strict=True)]


def _bulk(tiles: pl.DataFrame, layout: Layout) -> bytes:
    parts = enumerate(layout.components)
    stored = [Stored(each.as_in_parts(tiles[name]), each.nullable, layout.running[n]) for n, (name, each) in parts]
    first, last = (tiles[name].to_numpy() // layout.grain_us for name in (FIRST, LAST))
    part: bytes = encode_parts(first, last, stored, np.asarray([tiles.height]))[0]
    return part


def _read(data: bytes) -> list[Any]:
    part: Part = Codec(LAYOUT).decode(seal(data, Mark(0, 1)))
    columns = [part.first, part.last, *part.columns]
    return [part.tiles, part.base, *(list(map(repr, column)) for column in columns)]  # of NaN only the text is equal


@pytest.mark.parametrize("rows", [2, 9, 60, 400])
def test_one_key_is_read_as_among_many(seed: int, rows: int) -> None:
    """Rows of every function of every type, written one key at a time, are read as those that are written in bulk."""
    tiles = _tiles(seed, rows)
    assert _read(RowEncoder(LAYOUT).part(_plain(tiles))) == _read(_bulk(tiles, LAYOUT))
