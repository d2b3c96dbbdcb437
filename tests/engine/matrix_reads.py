"""What a view of a setting of the matrix answers, in every way of reading it, beside the reference.

The rule: a view holds every function over the windows of one setting, and is read compacted and not, from both parts of a
stream key, and as a training set. The reference is asked once for the same events and time, however many ways are compared.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain
from typing import Any

import polars as pl

from tests.engine.drawing import BEGIN_US, DAYS
from tests.engine.matrix import Setting, declared, time_of, together
from tests.engine.stream_keys import Arrived, StreamKey, few_loose, frame_of, many_arrivals
from tilefold.declaration import FeatureView
from tilefold.declaration.features import Feature
from tilefold.engine.codec import Codec, seal
from tilefold.engine.compact import PART, compact
from tilefold.engine.layout import layout_of
from tilefold.engine.mark import Mark
from tilefold.engine.merge import Folder
from tilefold.engine.plan import at_watermark
from tilefold.engine.reference import reference_values
from tilefold.engine.tiles import build_tiles, prepare_events
from tilefold.engine.time import DAY_US
from tilefold.engine.training import EDGE, READ, REQUEST, training_values
from tilefold.functions import OVERFLOW

EVENTS_OF_KEY = 70


@dataclass(frozen=True)
class Answer:
    """What one way of reading says of a feature, and what the reference says."""

    function: str
    way: str
    feature: Feature
    value: Any
    expected: Any
    scale: float


@cache
def answers_of(setting: Setting) -> list[Answer]:
    """Everything that a view of this setting says of the keys of all seeds, in every way of reading it."""
    functions, view = declared(setting, together(setting))
    ways = _batch if setting.edge == "batch" else _stream
    found = chain.from_iterable(ways(view, seed) for seed in ((1,) if setting.secondary else (1, 2)))
    return [Answer(functions[one.name], way, one, value, expected, scale) for way, one, value, expected, scale in found]


Said = tuple[str, Feature, Any, Any, float]


@dataclass
class Asked:
    """What the reference says of the events of one seed: most of the time goes into it, and ways of reading share it."""

    known: dict[tuple[frozenset[str], int, int], list[tuple[Feature, Any, float]]] = field(default_factory=dict)

    def expected(self, key: StreamKey, at_us: int, read_us: int) -> list[tuple[Feature, Any, float]]:
        """The value of each feature of a key and what its error is relative to."""
        asked = (frozenset(one.tie for one in key.events), at_us, read_us)  # no two events of a seed have the same tie
        if asked not in self.known:
            values = reference_values(key.view.features, [one.event for one in key.events], at_us, read_us)
            self.known[asked] = [(one, values[one.name], key.scale(one)) for one in key.view.features]
        return self.known[asked]


def _arrived(view: FeatureView, seed: int) -> list[Arrived]:
    """Events of one key over some days, some of them on edges, in two epochs."""
    chance = random.Random(seed)
    drawn = many_arrivals(
        view, chance, EVENTS_OF_KEY // (2 if view.secondary_key else 1), until_us=BEGIN_US + DAYS * DAY_US - 1, epochs=2
    )
    hour_us = DAY_US // 24
    return [replace(one, time_us=one.time_us // hour_us * hour_us) if chance.random() < 0.3 else one for one in drawn]


def _batch(view: FeatureView, seed: int) -> Iterator[Said]:
    """A batch part at some watermarks, whatever compaction merged; then the training set at the same edges."""
    arrived, layout, asked = _arrived(view, seed), layout_of(view), Asked()
    folder, codec, key = Folder(layout), Codec(layout), StreamKey(view)
    key.events = arrived
    edges_us = [BEGIN_US + DAYS * DAY_US, BEGIN_US + 5 * DAY_US + DAY_US // 4, BEGIN_US]
    frame = frame_of(arrived, "key")
    tiles = build_tiles(prepare_events(frame.lazy(), layout, "timestamp", 0), layout, 1, one_day=False).collect()
    for edge_us in edges_us:
        below = tiles.filter(pl.col("tf_first_us") < edge_us)
        for few in (0, 64):
            parts = compact(below, layout, folder.windows, at_watermark(edge_us), few)
            part = codec.decode(seal(parts[PART][0], Mark(edge_us, 1))) if parts.height else None
            values, inexact = folder.fold(part, edge_us, edge_us + 7)
            assert not inexact
            yield from _beside(f"compacted, few={few}", key, asked, values, edge_us, edge_us + 7)
    yield from _trained(key, asked, frame, edges_us, 7)


def _stream(view: FeatureView, seed: int) -> Iterator[Said]:
    """A key whose events come in while compactions are synced, read at once and later; then the training set."""
    arrived, asked = _arrived(view, seed), Asked()
    for rows in (0, 64):
        key = StreamKey(view, valid_for_us=view.valid_for_us, schedule_us=view.schedule_us)
        with few_loose(rows, 0):
            yield from _lived(key, asked, arrived)
    key.events = arrived
    times_us = [BEGIN_US + DAYS * DAY_US + 5, BEGIN_US + 5 * DAY_US, BEGIN_US + 7 * DAY_US - 1, BEGIN_US]
    yield from _trained(key, asked, frame_of(arrived, "key"), times_us, 0)


def _lived(key: StreamKey, asked: Asked, arrived: Sequence[Arrived]) -> Iterator[Said]:
    """Days of a key: late events of a second epoch, and a batch part once in a while."""
    early = [one for one in arrived if one.epoch == 1]
    late = [one for one in arrived if one.epoch == 2]
    for day in (4, 8, DAYS):
        now_us = BEGIN_US + day * DAY_US + 3
        fresh = [one for one in early if one not in key.events and one.time_us <= now_us]
        key.write(fresh + [one for one in late if day > 4 and one not in key.events and one.time_us <= now_us], now_us)
        yield from _read("stream", key, asked, now_us)
        mark = Mark(BEGIN_US + day * DAY_US - key.schedule_us, 1)
        key.sync(mark, key.compact(mark, few=0))
        for at_us in (now_us, now_us + key.schedule_us + 11):
            yield from _read("merged", key, asked, at_us)


def _read(way: str, key: StreamKey, asked: Asked, at_us: int) -> Iterator[Said]:
    values, inexact = key.read(at_us)
    assert not inexact
    yield from _beside(way, key, asked, values, at_us, at_us)


def _beside(way: str, key: StreamKey, asked: Asked, values: Sequence[Any], at_us: int, read_us: int) -> Iterator[Said]:
    """Values beside those of the reference."""
    for (one, expected, scale), value in zip(asked.expected(key, at_us, read_us), values, strict=True):
        yield f"{way}, {time_of(at_us)}", one, value, expected, scale


def _trained(key: StreamKey, asked: Asked, frame: pl.DataFrame, times_us: Sequence[int], later_us: int) -> Iterator[Said]:
    spine = {"key": ["a"] * len(times_us), EDGE: times_us, READ: [each + later_us for each in times_us]}
    requests = pl.DataFrame(spine).with_row_index(REQUEST)
    found = training_values(frame.lazy(), requests, key.layout, "timestamp", BEGIN_US).to_dicts()
    for row, at_us in zip(found, times_us, strict=True):
        values = [row[one.name] for one in key.view.features]
        for way, one, value, expected, scale in _beside("training", key, asked, values, at_us, at_us + later_us):
            yield way, one, value, in_frames(expected), scale


def in_frames(value: Any) -> Any:
    """What a frame shows of a value: null for a sum that does not fit."""
    return [in_frames(each) for each in value] if isinstance(value, list) else None if value is OVERFLOW else value
