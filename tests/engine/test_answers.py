"""Answers: kept values say what the tiles say, are found by tiles alone, and are read as they were written or refused."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.engine.drawing import BEGIN_US, DrawnView, dense_frame, feature
from tests.engine.test_invariants import tiles_of
from tilefold.aggregation_functions import approx_count_distinct, approx_percentile
from tilefold.declaration.windows import Window
from tilefold.engine.answers import Tail
from tilefold.engine.codec import Codec, Part, seal
from tilefold.engine.compact import PART, compact
from tilefold.engine.encode import Stored, encode_parts
from tilefold.engine.keep_answers import answers_of
from tilefold.engine.layout import FIRST, layout_of
from tilefold.engine.mark import Mark
from tilefold.engine.merge import Folder
from tilefold.engine.plan import ReadSpan, at_watermark
from tilefold.engine.time import DAY_US
from tilefold.errors import CorruptBlobError
from tilefold.types import Field

GOLDEN = Path(__file__).parents[1] / "golden" / "answers.hex"
WINDOWS = (Window(2 * DAY_US), Window(9 * DAY_US), Window(None), Window(3 * DAY_US, 2 * DAY_US), Window(DAY_US, 30 * DAY_US))
FUNCTIONS = [
    ("text", approx_count_distinct()),
    ("narrow", approx_count_distinct(12)),
    ("real", approx_percentile(0.5)),
    ("real", approx_percentile(0.9)),
    ("real", "sum"),
]
FEATURES = tuple(feature(*each, (window,), number) for each in FUNCTIONS for number, window in enumerate(WINDOWS))
LAYOUT = layout_of(DrawnView("drawn", (Field("key", pl.String),), FEATURES, DAY_US))
FOLDER = Folder(LAYOUT)
WATERMARK_US = BEGIN_US + 12 * DAY_US
MARK = Mark(WATERMARK_US, 7)


def parts_of(seed: int, few: int | None, reads: ReadSpan) -> list[bytes]:
    """The parts of many keys, some with nulls alone in a window, some without tiles in one."""
    frame = dense_frame(seed).filter(pl.col("timestamp").dt.epoch("us") < reads.watermark_us)
    chance = random.Random(seed)
    dropped = [chance.random() < 0.3 for _ in range(frame.height)]
    frame = frame.with_columns(real=pl.when(~pl.Series(dropped)).then("real"))
    tiles = tiles_of(frame, LAYOUT).filter(pl.col("tf_last_us") < reads.watermark_us)
    return [seal(part, MARK) for part in compact(tiles, LAYOUT, FOLDER.windows, reads, few)[PART]]


def folded(part: Part, at_us: int) -> list[Any]:
    """Its values, as lists to be compared."""
    values, inexact = FOLDER.fold(part, at_us)
    return [*map(repr, values), inexact]


def test_answers_are_what_the_tiles_say(seed: int) -> None:
    """At the watermark every window finds its answers, which are to the last bit what folding its tiles gives."""
    found = [Codec(LAYOUT).decode(data) for data in parts_of(seed, 0, at_watermark(WATERMARK_US))]
    assert found
    for part in found:
        assert isinstance(part.tail, Tail)
        spans, _ = FOLDER._spans(part, WATERMARK_US)
        answered = FOLDER._answered(part.tail, spans)
        assert answered is not None
        assert len(answered) == 4
        assert folded(part, WATERMARK_US) == folded(part._replace(tail=None), WATERMARK_US)


@pytest.mark.parametrize("days", [-3, -1, 1, 2, 40])
def test_at_another_watermark_tiles_are_folded(seed: int, days: int) -> None:
    """What a window does not find it folds, and is as exact or as stale as without answers."""
    at_us = WATERMARK_US + days * DAY_US
    for data in parts_of(seed, 0, at_watermark(WATERMARK_US)):
        part = Codec(LAYOUT).decode(data)
        assert folded(part, at_us) == folded(part._replace(tail=None), at_us)


def test_answers_of_other_functions_are_not_looked_at() -> None:
    """A folder that knows other functions than a part has answers of folds its tiles."""
    (part, *_) = [Codec(LAYOUT).decode(data) for data in parts_of(1, 0, at_watermark(WATERMARK_US))]
    assert part.tail is not None
    wrong = part.tail._replace(letters=b"qq", values=(0,) * len(part.tail.values))
    assert folded(part._replace(tail=wrong), WATERMARK_US) == folded(part._replace(tail=None), WATERMARK_US)


def test_who_has_none() -> None:
    """Keys that keep their cells, and parts that several read times ask, are written as before there were answers."""
    moving = ReadSpan(WATERMARK_US, WATERMARK_US, WATERMARK_US + DAY_US)
    for data in [*parts_of(2, None, at_watermark(WATERMARK_US)), *parts_of(2, 0, moving)]:
        assert data[0] == 1
        assert Codec(LAYOUT).decode(data).tail is None


def golden() -> bytes:
    """A part of two tiles with answers."""
    rows = {"tf_events": [2, 3], "text__registers_8": [[65], [65, 130]], "narrow__registers_12": [[], [1]]}
    rows |= {"real__bins_100": [[38_837 * 2**40 + 2], []], "real__count": [2, 0], "real__sum": [4.5, 0.0]}
    names = dict(LAYOUT.components)
    tiles = pl.DataFrame({name: pl.Series(rows[name], dtype=names[name].dtype) for name in names})
    tiles = tiles.with_columns(pl.Series(FIRST, [WATERMARK_US - 5 * DAY_US, WATERMARK_US - DAY_US]))
    columns = [Stored(each.as_in_parts(tiles[name]), each.nullable, None) for name, each in LAYOUT.components]
    counts, first = np.array([2]), tiles[FIRST].to_numpy() // DAY_US
    part: bytes = encode_parts(first, first, columns, counts, answers_of(tiles, counts, LAYOUT, WATERMARK_US))[0]
    return seal(part, MARK)


def test_golden_bytes_are_read_and_written_for_ever() -> None:
    """Bytes with answers decode to what they were made of, and are made again."""
    data = bytes.fromhex(GOLDEN.read_text())
    part = Codec(LAYOUT).decode(data)
    assert part.tail is not None
    assert part.tail.letters == b"qqdd"
    assert part.tail.spans == [(1, 2), (0, 2), (0, 2), (0, 1), (0, 0)]
    median = part.tail.looked_up()[2][0, 1]
    assert [part.tail.looked_up()[number][0, 2] for number in range(4)] == [2, 1, median, median]
    assert [part.tail.looked_up()[number][1, 2] for number in range(4)] == [2, 1, None, None]
    assert golden() == data


def test_wrong_answers_are_refused() -> None:
    """Answers that do not fill the rest, of an unknown type, or that the version does not announce, are corrupt."""
    part = golden()[24:]
    letters = part.index(b"qqdd")
    unknown = part[:letters] + b"qqdx" + part[letters + 4 :]
    for wrong in (part[:-1], part + b"\0", part[:letters], unknown, part[:3] + b"\0" + part[4:]):
        with pytest.raises(CorruptBlobError):
            Codec(LAYOUT).decode(seal(wrong, MARK))
    for version in (0, 1):
        with pytest.raises(CorruptBlobError):
            Codec(LAYOUT).decode(bytes([version]) + golden()[1:])
    without = parts_of(2, None, at_watermark(WATERMARK_US))[0]
    with pytest.raises(CorruptBlobError, match="whether it has answers"):
        Codec(LAYOUT).decode(b"\2" + without[1:])
