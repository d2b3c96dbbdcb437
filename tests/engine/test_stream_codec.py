"""The bytes of stream parts: read as they were written for ever, or refused by name."""

import random
import struct
import tracemalloc
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.engine.drawing import DrawnView, feature
from tests.engine.stream_drawing import BEGIN_US, SPAN_US
from tests.engine.stream_keys import LOG, Arrived, StreamKey, few_loose, many_arrivals, stream_views, view_of
from tests.engine.test_codec import PAIRS
from tilefold.declaration.windows import Window
from tilefold.engine.codec import HEADER
from tilefold.engine.stream_codec import REVISION, REVISION_START, StreamView
from tilefold.engine.stream_part import StreamPart
from tilefold.errors import CorruptBlobError, FormatError, NewerFormatError

GOLDEN = Path(__file__).parents[1] / "golden"
RELAXED = settings(deadline=None, max_examples=examples(40), suppress_health_check=list(HealthCheck), print_blob=True)
NOW, MOVED = (Window(96, hop_us=12),), (Window(24, 12, hop_us=12, ends_on_grid=True),)
ALL = view_of(
    [feature(column, function, MOVED if number % 3 == 2 else NOW, number) for number, (column, function, _) in enumerate(PAIRS)]
)
NUMBERS = view_of(
    [feature(column, function, NOW) for column, function in [("real", "sum"), ("narrow", "max"), ("single", "min")]]
)
HEAD_BYTES = 32


def values_of(view: DrawnView, number: int) -> dict[str, Any]:
    """The inputs of an event: whole numbers, texts, times and nulls that are told apart by a number."""
    made = many_arrivals(view, random.Random(number), 1, until_us=BEGIN_US)[0].values
    whole: dict[str, Any] = {
        "real": number / 4,
        "single": number / 2,
        "whole": number * 2**33,
        "narrow": -number,
        "text": "ß" * (number % 4),
    }
    return {name: None if number % 7 == 6 else whole.get(name, value) for name, value in made.items()}


def written(view: DrawnView, times: Sequence[int], *, busy: bool = False, epochs: int = 1) -> StreamKey:
    """A key with a part of revision 9 and places in two shards."""
    key = StreamKey(view)
    with few_loose(0 if busy else 64, 2):
        events = [Arrived(BEGIN_US + at, f"{at:03}", values_of(view, at), at % epochs + 1) for at in times]
        key.write(events, BEGIN_US + max(times, default=0))
    assert key.stream is not None
    part = key.codec.decode(key.stream)
    part.revision, part.positions = 9, {0: 7, 65_535: 2**40}
    key.stream = key.codec.encode(part)
    return key


CASES: dict[str, tuple[DrawnView, dict[str, Any]]] = {
    "stream_nothing": (NUMBERS, {"times": []}),
    "stream_numbers": (NUMBERS, {"times": [1, 5, 8]}),
    "stream_null": (NUMBERS, {"times": [1, 6, 8]}),
    "stream_all": (ALL, {"times": [2, 6, 6, 11]}),
    "stream_settled": (ALL, {"times": range(0, 40, 3), "busy": True}),
    "stream_epochs": (ALL, {"times": range(0, 60, 5), "busy": True, "epochs": 2}),
    "stream_pruned": (NUMBERS, {"times": [1, 400], "busy": True}),
}
ALL_CASES = pytest.mark.parametrize("case", CASES)


def made(case: str) -> tuple[StreamKey, bytes]:
    """A case's key and the bytes of its part."""
    view, how = CASES[case]
    key = written(view, **how)
    assert key.stream is not None
    return key, key.stream


def resealed(data: bytes | bytearray) -> bytes:
    """The bytes with a checksum that is right."""
    return bytes(data[:4]) + struct.pack(">I", crc32(data[HEADER.size :])) + bytes(data[HEADER.size :])


# --- read as they were written


@ALL_CASES
def test_golden_bytes_are_read_and_written_for_ever(case: str) -> None:
    """Bytes of this format in a store hold the events they were made of, and the part that they decode to encodes to them."""
    key, _ = made(case)
    golden = bytes.fromhex((GOLDEN / f"{case}.hex").read_text())
    part = key.codec.decode(golden)
    assert (part.log, part.revision, dict(part.positions)) == (LOG, 9, {0: 7, 65_535: 2**40})
    assert key.codec.encode(part) == golden
    key.stream = golden
    newest_us = max((one.time_us for one in key.events), default=BEGIN_US)
    assert not key.inexact(newest_us)
    assert not key.wrong(newest_us)


def test_golden_parts_cover_what_there_is() -> None:
    """Among the golden parts are cells and single events, several epochs, a pruned one, nulls, texts and lists."""
    views = {case: made(case)[0].codec.view(made(case)[1]) for case in CASES}
    kinds = {case: [(group.epoch, group.settled) for group in view.groups] for case, view in views.items()}
    assert kinds["stream_nothing"] == []
    assert kinds["stream_epochs"] == [(1, True), (1, False), (2, True), (2, False)]
    assert views["stream_pruned"].pruned_us == BEGIN_US + 1
    assert views["stream_all"].pruned_us < 0
    types = {str(component.dtype) for _, component in made("stream_all")[0].layout.components}
    assert types >= {"Int64", "Float64", "Float32", "Boolean", "Date", "String", "List(String)", "List(Float64)"}


def test_where_scripts_look() -> None:
    """The revision stands at bytes 8 to 16, big endian: a script in the store compares it."""
    _, data = made("stream_all")
    assert REVISION_START == 8
    assert REVISION.unpack_from(data, 8) == (9,)
    assert data[:2] == bytes([1, 2])


@RELAXED
@given(drawn=st.data(), seed=st.integers(0, 2**32), busy=st.booleans(), size=st.sampled_from([0, 1, 2, 30]))
def test_parts_come_back(drawn: st.DataObject, seed: int, busy: bool, size: int) -> None:
    """Every part of every type decodes to what it was, and a read sees the same rows as the writer that goes on with it."""
    key, chance = StreamKey(drawn.draw(stream_views())), random.Random(seed)
    part = StreamPart(-(2**63) + seed, seed, {shard: chance.randrange(2**62) for shard in range(chance.choice([0, 1, 255]))})
    events = many_arrivals(key.view, chance, size, until_us=BEGIN_US + SPAN_US, epochs=3)
    for one in events:
        key.stream_folder.add(part, one.epoch, [key.row(one)])
    with few_loose(0 if busy else 64, 2):
        key.stream_folder.tidy(part, None, BEGIN_US + SPAN_US)
    data = key.codec.encode(part)
    again = key.codec.decode(data)
    assert plain(again) == plain(part)
    assert key.codec.encode(again) == data
    assert seen(key.codec.view(data)) == [
        each
        for epoch, group in sorted(part.groups.items())
        for each in ((epoch, True, len(group.settled.first) if group.settled else 0), (epoch, False, len(group.loose)))
        if each[2]
    ]


def seen(view: StreamView) -> list[tuple[int, bool, int]]:
    """The epoch of each group, whether it is settled, and its rows."""
    return [(group.epoch, group.settled, group.part.tiles) for group in view.groups]


def plain(part: StreamPart) -> Any:
    """A part as plain values."""
    groups = {
        epoch: (group.loose, group.settled and (group.settled.first, group.settled.last, group.settled.columns))
        for epoch, group in part.groups.items()
    }
    return part.log, part.revision, dict(part.positions), part.pruned_us, _plain(groups)


def _plain(value: Any) -> Any:
    """Tuples, lists and the bytes of small numbers alike; NaN as itself."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list | bytes):
        return [_plain(each) for each in value]
    return "NaN" if value != value else value  # noqa: PLR0124 - NaN differs from itself


# --- or refused by name


@ALL_CASES
def test_every_changed_byte_is_noticed(case: str) -> None:
    """Whichever byte is changed, header included, the part is refused; a larger version is named as such."""
    key, data = made(case)
    for place in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            wrong = bytearray(data)
            wrong[place] ^= flip
            newer = place == 0 and wrong[0] > data[0]
            for read in (key.codec.view, key.codec.decode):
                with pytest.raises(NewerFormatError if newer else CorruptBlobError):
                    read(bytes(wrong))


@pytest.mark.parametrize("case", ["stream_nothing", "stream_all", "stream_epochs"])
def test_cut_bytes_are_refused(case: str) -> None:
    """A part cut anywhere, or with a byte more, is corrupt: with its checksum as it was, or with a right one."""
    key, data = made(case)
    for wrong in [data[:end] for end in range(len(data))] + [data + b"\0"]:
        for each in [wrong, *([resealed(wrong)] if len(wrong) >= HEADER.size else [])]:
            for read in (key.codec.view, key.codec.decode):
                with pytest.raises(CorruptBlobError, match="stream part of a key"):
                    read(each)


def test_a_newer_format_is_named() -> None:
    """A part of a later release is refused as such, with what to do about it."""
    key, data = made("stream_all")
    with pytest.raises(NewerFormatError, match=r"stream parts up to format 1.*--full"):
        key.codec.decode(bytes([2]) + data[1:])


def test_a_batch_part_is_no_stream_part() -> None:
    """The flag tells them apart, so that neither is taken for the other."""
    key, data = made("stream_all")
    with pytest.raises(CorruptBlobError):
        key.codec.view(resealed(bytes([1, 0]) + data[2:]))


@RELAXED
@given(case=st.sampled_from(list(CASES)), seed=st.integers(0, 2**32))
def test_damage_under_a_right_checksum(case: str, seed: int) -> None:
    """Bytes that no release wrote are corrupt or hold other values, and never raise anything else."""
    key, data = made(case)
    chance = random.Random(seed)
    for _ in range(40):
        wrong = bytearray(data)
        for _ in range(chance.choice([1, 1, 2, 8])):
            wrong[chance.randrange(HEADER.size, len(wrong))] = chance.choice([0, 1, 2, 4, 8, 255, chance.randrange(256)])
        if chance.random() < 0.3:
            del wrong[chance.randrange(HEADER.size, len(wrong)) :]
        for read in (key.codec.view, key.codec.decode):
            with suppress(FormatError):
                read(resealed(wrong))


@pytest.mark.parametrize("count", [7, 255, 65_534])
@pytest.mark.parametrize("place", ["places", "groups", "size", "rows"])
def test_absurd_counts_are_refused_before_anything_is_made(place: str, count: int) -> None:
    """A count that does not fit the bytes is corrupt, and takes no memory on the way."""
    key, data = made("stream_numbers")
    groups_at = HEAD_BYTES + 1 + 2 * 10
    starts = {"places": HEAD_BYTES, "groups": groups_at, "size": groups_at + 2 + 17, "rows": groups_at + 2 + 21}
    forms = {"places": "<B", "groups": "<H", "size": "<I", "rows": "<I"}
    wrong = bytearray(data)
    struct.pack_into(forms[place], wrong, starts[place], min(count, 255) if place == "places" else count + 1)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptBlobError):
            key.codec.decode(resealed(wrong))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


# --- what it costs


def test_a_single_event_is_small() -> None:
    """Sixty-four single events of a count and a sum take less than 30 bytes each."""
    key = written(view_of([feature("real", "mean", NOW)]), range(64))
    assert key.stream is not None
    assert len(key.stream) < 64 * 30


def test_places_are_packed_once() -> None:
    """Parts that share their positions share the bytes of them too; other positions have their own."""
    key, one = StreamKey(NUMBERS), StreamPart(LOG)
    two = StreamPart(LOG)
    one.positions = two.positions = {0: 5, 1: 6}
    assert key.codec.encode(one) == key.codec.encode(two)
    two.positions = {0: 5, 1: 7}
    assert dict(key.codec.decode(key.codec.encode(two)).positions) == {0: 5, 1: 7}
    assert dict(key.codec.decode(key.codec.encode(one)).positions) == {0: 5, 1: 6}
