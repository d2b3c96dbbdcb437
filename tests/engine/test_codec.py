"""The bytes of parts: read as they were written for ever, or refused by name."""

import operator
import tracemalloc
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.engine.drawing import DrawnView, feature
from tilefold.declaration.windows import Window
from tilefold.engine.codec import Codec, Part, seal, seal_many
from tilefold.engine.encode import Stored, encode_parts
from tilefold.engine.layout import Layout, layout_of
from tilefold.engine.mark import Mark
from tilefold.engine.time import DAY_US
from tilefold.errors import CorruptBlobError, NewerFormatError
from tilefold.functions import FunctionRequest
from tilefold.types import Field

GOLDEN = Path(__file__).parents[1] / "golden"
MARK = Mark(19_800 * DAY_US, 7)
NOW, MOVED = (Window(DAY_US),), (Window(DAY_US, DAY_US),)
PAIRS: list[tuple[str | None, Any, Any]] = [
    (None, "count", NOW),
    ("whole", "sum", NOW),
    ("narrow", "sum", MOVED),
    ("real", "sum", NOW),
    ("real", "min", NOW),
    ("single", "max", MOVED),
    ("flag", "max", MOVED),
    ("moment", "min", NOW),
    ("day", "max", MOVED),
    ("text", "max", NOW),
    ("whole", "last", NOW),
    ("text", FunctionRequest("last_distinct", (("n", 3),)), NOW),
    ("real", FunctionRequest("first", (("n", 2),)), NOW),
    ("real", "variance", NOW),
]
FEATURES = tuple(feature(column, function, windows) for column, function, windows in PAIRS)
LAYOUT = layout_of(DrawnView("drawn", (Field("key", pl.String),), FEATURES, DAY_US))
OPERATIONS: dict[str, Any] = {"add": operator.add, "minimum": min, "maximum": max}

# What the tiles hold, by physical type; each component takes it from another place on.
INTS = {
    "zeros": [0, 0],
    "one_byte": [1, 255, 0],
    "two_bytes": [-1, 256, 32_000],
    "four_bytes": [-32_769, 2**31 - 1, 4],
    "eight_bytes": [2**40, -(2**50), 3, 2**31],
    "nulls": [None, 5, None, -6, None],
    "only_nulls": [None],
}
REALS = {"zeros": [0.0, 0.0], "one_byte": [0.5, -0.0, 1e300], "nulls": [None, 1.5, None, -2.5, None], "only_nulls": [None]}
TEXTS = {"zeros": ["", ""], "one_byte": ["a", "", "ß\x00"], "nulls": [None, "b" * 300, None, "", None], "only_nulls": [None]}


def tile_values(case: str, dtype: pl.DataType, nullable: bool, turn: int) -> list[Any]:
    """A value of this type per tile."""
    count = len(INTS[case])
    if isinstance(dtype, pl.List):
        inner = tile_values(case, dtype.inner, nullable=False, turn=turn)  # type: ignore[arg-type]
        return [inner[: (place + turn) % 3] for place in range(count)]
    table: dict[str, Any] = TEXTS if dtype == pl.String else REALS if dtype.is_float() else INTS
    values = table.get(case, [table["one_byte"][n % 3] for n in range(count)])
    turned = values[turn % count :] + values[: turn % count]
    narrow = [value if value is None or abs(value) < 2**31 else 7 for value in turned] if dtype == pl.Date else turned
    if dtype == pl.Boolean:
        narrow = [None if value is None else bool(value) for value in narrow]
    if dtype == pl.Float32:
        narrow = [None if value is None else min(value, 8.25) for value in narrow]
    none: Any = "" if dtype == pl.String else 0.0 if dtype.is_float() else 0
    return narrow if nullable else [none if value is None else value for value in narrow]


def columns_of(case: str, layout: Layout = LAYOUT) -> list[list[Any]]:
    """The tiles of a case, column by column, as physical values."""
    parts = enumerate(layout.components)
    return [tile_values(case, component.dtype, component.nullable, turn) for turn, (_, component) in parts]


def stored(columns: list[list[Any]], layout: Layout = LAYOUT) -> list[Stored]:
    """These columns as `encode_parts` takes them."""
    named = zip(columns, layout.components, layout.running, strict=True)
    made = []
    for values, (name, component), running in named:
        physical = pl.Int32() if component.dtype == pl.Date else component.dtype
        physical = pl.Int64() if isinstance(component.dtype, pl.Datetime) else physical
        made.append(Stored(pl.Series(name, values, physical).cast(component.dtype), component.nullable, running))
    return made


def times(count: int) -> tuple[Any, Any]:
    """The cells of tiles: the second spans three."""
    first = np.arange(count, dtype=np.int64) * 4 + 19_000
    return first, first + np.where(np.arange(count) == 1, 2, 0)


def encoded(case: str) -> bytes:
    """The sealed part of a case."""
    columns = columns_of(case)
    first, last = times(len(columns[0]))
    part = encode_parts(first, last, stored(columns), np.array([len(first)]))[0]
    return seal(part, MARK)


def totalled(values: list[Any], running: str | None) -> list[Any]:
    """Running totals from the newest tile back, nulls skipped."""
    if running is None:
        return values
    merge = OPERATIONS[running]
    back = accumulate(values[::-1], lambda one, two: two if one is None else one if two is None else merge(one, two))
    return list(back)[::-1]


def plain(part: Part) -> list[list[Any]]:
    """A part's columns as lists of what they hold."""
    lists = list | tuple | memoryview | bytes
    return [[list(value) if isinstance(value, lists) else value for value in column] for column in part.columns]


@pytest.mark.parametrize("case", INTS)
def test_golden_bytes_are_read_and_written_for_ever(case: str) -> None:
    """Bytes of this format on disk decode to the tiles they were made of, and the same tiles encode to those bytes."""
    data = bytes.fromhex((GOLDEN / f"{case}.hex").read_text())
    part, columns = Codec(LAYOUT).decode(data), columns_of(case)
    first, last = (each.tolist() for each in times(len(columns[0])))
    assert (part.mark, part.tiles, part.base) == (MARK, len(first), 19_000)
    assert [one + part.base for one in part.first] == first
    assert [one + part.base for one in part.last] == last
    assert plain(part) == [totalled(values, running) for values, running in zip(columns, LAYOUT.running, strict=True)]
    assert encoded(case) == data


def test_golden_bytes_of_no_tiles() -> None:
    """The part that marks a removed key is a header alone."""
    data = bytes.fromhex((GOLDEN / "empty.hex").read_text())
    assert Codec(LAYOUT).decode(data) == Part(MARK, 0, 0, (), (), [()] * len(LAYOUT.components))
    assert seal(b"", MARK) == data


def test_golden_parts_cover_every_kind_of_column() -> None:
    """Among the golden columns are texts, lists of them, of floats and of times, nullable floats and running totals of each."""
    kinds = {(str(component.dtype), component.nullable) for _, component in LAYOUT.components}
    assert kinds >= {
        ("Int64", False),
        ("Int64", True),
        ("Float64", True),
        ("Float32", True),
        ("Boolean", True),
        ("Date", True),
        ("String", True),
        ("List(Int64)", False),
        ("List(String)", False),
        ("List(Float64)", False),
    }
    assert set(LAYOUT.running) == {None, "add", "minimum"}


def test_a_newer_format_is_named() -> None:
    """A part of a later release is refused as such, not called corrupt."""
    data = bytes([3]) + encoded("one_byte")[1:]
    with pytest.raises(NewerFormatError, match="up to format 2"):
        Codec(LAYOUT).decode(data)


@pytest.mark.parametrize("case", ["one_byte", "nulls"])
def test_cut_bytes_are_refused(case: str) -> None:
    """A part cut anywhere, or with a byte more, is corrupt."""
    data, codec = encoded(case), Codec(LAYOUT)
    for wrong in [data[:end] for end in range(len(data))] + [data + b"\0"]:
        with pytest.raises(CorruptBlobError):
            codec.decode(wrong)


@pytest.mark.parametrize("case", ["zeros", "one_byte", "nulls"])
def test_every_changed_byte_is_noticed(case: str) -> None:
    """Whichever byte is changed, header included, the part is refused."""
    data, codec = encoded(case), Codec(LAYOUT)
    for place in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            wrong = bytearray(data)
            wrong[place] ^= flip
            newer = place == 0 and wrong[0] > data[0]
            with pytest.raises(NewerFormatError if newer else CorruptBlobError):
                codec.decode(bytes(wrong))


def test_right_checksum_over_wrong_columns_is_refused() -> None:
    """A part whose checksum is right but whose columns do not fill it is corrupt."""
    codec, part = Codec(LAYOUT), encoded("one_byte")[24:]
    for wrong in (part[:-1], part + b"\0", b"\x04" + part[1:], part[:4] + b"\x03" + part[5:]):
        with pytest.raises(CorruptBlobError):
            codec.decode(seal(wrong, MARK))


@pytest.mark.parametrize("tiles", [0, 3, 2**20, 2**32 - 1])
@pytest.mark.parametrize("codes", ["as they are", "all zero", "all eight"])
def test_an_absurd_number_of_tiles_is_refused_before_it_is_made(tiles: int, codes: str) -> None:
    """A part with a right checksum whose count does not fit its bytes is corrupt, and takes no memory on the way."""
    part = encoded("zeros")[24:]  # two tiles
    start, end = 4, part.index((19_000).to_bytes(8, "little"))
    said = {"as they are": part[start:end], "all zero": bytes(end - start), "all eight": b"\x08" * (end - start)}[codes]
    tracemalloc.start()
    try:
        with pytest.raises(CorruptBlobError, match=r"its tiles must fit|must fill it"):
            Codec(LAYOUT).decode(seal(tiles.to_bytes(4, "little") + said + part[end:], MARK))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("length", [-1, 1001, 2**62])
def test_an_absurd_list_is_refused_before_it_is_made(length: int) -> None:
    """Entries that are all zero take no bytes; a list longer than any function keeps is corrupt, and takes no memory."""
    layout = layout_of(DrawnView("drawn", (Field("key", pl.String),), FEATURES[11:12], DAY_US))
    codec, names = Codec(layout), [name for name, _ in layout.components]
    codes = bytes([0, 0, *(8 if name.endswith("_times") else 0 for name in names)])

    def sealed(entries: int) -> bytes:
        lengths = entries.to_bytes(8, "little", signed=True)
        return seal((1).to_bytes(4, "little") + codes + (19_000).to_bytes(8, "little") + lengths + bytes(3), MARK)

    assert list(codec.decode(sealed(1000)).columns[1]) == [[0] * 1000]
    tracemalloc.start()
    try:
        with pytest.raises(CorruptBlobError, match="its columns must fill it"):
            codec.decode(sealed(length))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cases", [list(INTS), ["eight_bytes", "one_byte", "four_bytes", "two_bytes"]])
def test_neighbours_do_not_change_bytes(cases: list[str]) -> None:
    """A key's bytes are the same encoded alone or among keys of other widths, nulls and lengths; so where none is all zero."""
    each = [stored(columns_of(case)) for case in cases]
    together = [
        Stored(pl.concat([columns[n].values for columns in each]), one.nullable, one.running) for n, one in enumerate(each[0])
    ]
    spans = [times(len(INTS[case])) for case in cases]
    counts = np.array([len(INTS[case]) for case in cases])
    parts = encode_parts(*(np.concatenate([span[n] for span in spans]) for n in (0, 1)), together, counts)
    assert seal_many(parts.to_list(), MARK) == [encoded(case) for case in cases]


def test_a_year_of_tiles_is_small() -> None:
    """390 tiles of 20 features take less than 64 KB."""
    names = ["sum", "mean", "min", "max", "stddev"]
    columns = ["whole", "narrow", "real", "single"]
    features = tuple(feature(column, name, (Window(390 * DAY_US),)) for column in columns for name in names)
    layout = layout_of(DrawnView("wide", (Field("key", pl.String),), features, DAY_US))
    drawn = np.random.default_rng(3)
    values = [
        (drawn.normal(100, 50, 390) if component.dtype.is_float() else drawn.integers(0, 5000, 390)).tolist()
        for _, component in layout.components
    ]
    first = np.arange(390, dtype=np.int64) + 19_000
    data = seal(encode_parts(first, first, stored(values, layout), np.array([390]))[0], MARK)
    assert len(features) == 20
    assert Codec(layout).decode(data).tiles == 390
    assert len(data) < 64 * 1024
