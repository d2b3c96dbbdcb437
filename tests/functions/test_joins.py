"""Joining tiles: what stream parts do with single rows and with running totals, for every function of every type."""

import math
import random
from itertools import accumulate
from typing import Any

import polars as pl
import pytest

from tests.engine.drawing import ALL_PAIRS, INPUTS, dense_values
from tests.functions.paths import One, now, physical, reference
from tilefold.engine.reference import agree
from tilefold.functions import AggregateFunction, FunctionRequest, Partial, resolve
from tilefold.functions.sums import Events

Tile = tuple[Any, ...]
ROUNDS = 12


def _named(pair: tuple[str, str | FunctionRequest]) -> str:
    column, function = pair
    parts = [function] if isinstance(function, str) else [function.name, *(str(value) for _, value in function.params)]
    return "-".join([column, *parts])


EVERY = pytest.mark.parametrize("pair", ALL_PAIRS, ids=_named)


def events_of(column: str, chance: random.Random, most: int = 7) -> list[One]:
    """Events of one key, with nulls and with times that several have."""
    draw = dense_values(chance)[column]
    return [
        One(chance.randint(0, 4), f"{chance.random()}", None if chance.random() < 0.2 else draw())
        for _ in range(chance.randint(1, most))
    ]


def lifted(partial: Partial, events: list[One]) -> list[Tile]:
    """The tile of each event."""
    return [partial.lift(physical(one.value), one.time_us, one.tie) for one in events]


def joined(partial: Partial, tiles: list[Tile]) -> Tile:
    """Tiles joined one after the other."""
    whole = tiles[0]
    for tile in tiles[1:]:
        whole = partial.join(whole, tile)
    return whole


def value_of(function: AggregateFunction, tiles: list[Tile]) -> Any:
    """What a function makes of one tile per partial."""
    pairs = zip(function.partials, tiles, strict=True)
    return now(function, function.finalize(*(partial.fold([[each] for each in tile], 0, 1) for partial, tile in pairs)))


def scale_of(events: list[One], function: AggregateFunction) -> float:
    """What 1e-9 is relative to."""
    numbers = [abs(float(one.value)) for one in events if isinstance(one.value, int | float)]
    total = sum(number for number in numbers if not math.isnan(number))
    if "var" in function.label:
        return total**2
    return total * (1e3 if function.result_dtype == pl.Float32 or "stddev" in function.label else 1)


def same(one: Any, other: Any, scale: float) -> bool:
    """Whether two values are the same, OVERFLOW too."""
    return one is other or agree(one, other, scale)


@EVERY
def test_joined_tiles_are_a_fold_of_them(pair: tuple[str, str | FunctionRequest]) -> None:
    """However events are joined, in any order and grouping, the tile holds what raw events say."""
    column, wanted = pair
    dtype = INPUTS[column][0]
    function, chance = resolve(wanted, dtype), random.Random(_named(pair))
    for _ in range(ROUNDS):
        events = events_of(column, chance)
        expected, scale = reference(function, dtype, [events]), scale_of(events, function)
        cut = chance.randint(0, len(events))
        for some in (events, chance.sample(events, len(events))):
            tiles = [lifted(partial, some) for partial in function.partials]
            in_a_row = [joined(partial, each) for partial, each in zip(function.partials, tiles, strict=True)]
            in_two = [
                joined(partial, [joined(partial, half) for half in (each[:cut], each[cut:]) if half])
                for partial, each in zip(function.partials, tiles, strict=True)
            ]
            folded = [
                partial.stored(partial.fold(list(zip(*each, strict=True)), 0, len(each)))
                for partial, each in zip(function.partials, tiles, strict=True)
            ]
            for one in (in_a_row, in_two, folded):
                assert same(value_of(function, one), expected, scale), (events, expected)


@EVERY
def test_joining_changes_no_tile(pair: tuple[str, str | FunctionRequest]) -> None:
    """Tiles may be kept beside what was joined of them: nothing in them changes, and they have a value per component."""
    column, wanted = pair
    function, chance = resolve(wanted, INPUTS[column][0]), random.Random(_named(pair))
    for partial in function.partials:
        one, other = (joined(partial, lifted(partial, events_of(column, chance))) for _ in range(2))
        before = repr(one), repr(other)
        whole = partial.join(one, other)
        partial.join(whole, whole)
        assert (repr(one), repr(other)) == before
        assert len(whole) == len(one) == len(partial.components)


@EVERY
def test_many_events_are_lifted_like_one(pair: tuple[str, str | FunctionRequest]) -> None:
    """`lift_all` gives column by column what `lift` gives row by row."""
    column, wanted = pair
    function, chance = resolve(wanted, INPUTS[column][0]), random.Random(_named(pair))
    events = events_of(column, chance, 20)
    for partial in function.partials:
        columns = partial.lift_all(*zip(*((physical(one.value), one.time_us, one.tie) for one in events), strict=True))
        assert repr(list(zip(*columns, strict=True))) == repr(lifted(partial, events))


@EVERY
def test_nested_spans_are_folded_like_each_alone(pair: tuple[str, str | FunctionRequest]) -> None:
    """`fold_chain` of tiles in order of time gives states of the same values as `fold` of each span."""
    column, wanted = pair
    function, chance = resolve(wanted, INPUTS[column][0]), random.Random(_named(pair))
    for _ in range(ROUNDS):
        events = sorted(events_of(column, chance, 12), key=lambda one: (one.time_us, one.tie))
        cuts = sorted(chance.choices(range(len(events) + 1), k=3))
        groups = [events[low:high] for low, high in zip([0, *cuts], [*cuts, len(events)], strict=True) if low < high]
        chains, alone, lows = [], [], sorted({chance.randint(0, len(groups)) for _ in range(3)}, reverse=True)
        high = chance.randint(0, len(groups))
        for partial in function.partials:
            tiles = list(zip(*(joined(partial, lifted(partial, group)) for group in groups), strict=True))
            chains.append(partial.fold_chain(tiles, lows, high))
            alone.append([partial.fold(tiles, low, high) if low < high else partial.nothing for low in lows])
        for one, other in zip(zip(*chains, strict=True), zip(*alone, strict=True), strict=True):
            found, expected = now(function, function.finalize(*one)), now(function, function.finalize(*other))
            assert same(found, expected, scale_of(events, function)), (groups, lows, high)


RUNNING = [pair for pair in ALL_PAIRS if any(partial.running for partial in resolve(pair[1], INPUTS[pair[0]][0]).partials)]


def running_of(pair: tuple[str, str | FunctionRequest]) -> list[Partial]:
    """The partials of a function that are kept as running totals."""
    return [partial for partial in resolve(pair[1], INPUTS[pair[0]][0]).partials if partial.running]


def totals_of(partial: Partial, tiles: list[Tile]) -> list[Tile]:
    """Totals from the newest tile back, as cells of a stream part hold them."""
    return list(accumulate(reversed(tiles), partial.join))[::-1]


def assert_same_tiles(found: list[Tile], wanted: list[Tile]) -> None:
    """Component by component, floats to 1e-9."""
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert all(a is b or a == b or agree(a, b, 1e7) for a, b in zip(one, other, strict=True)), (found, wanted)


@pytest.mark.parametrize("pair", RUNNING, ids=_named)
def test_totals_survive_what_folding_does(pair: tuple[str, str | FunctionRequest]) -> None:
    """Totals of changed tiles are got from the old totals alone: a tile put in, tiles joined, the front dropped.

    tiles      a     b     c        a  b' b  c            a   (b c)            b   c
    totals    abc    bc    c      ab'bc b'bc bc c        abc   bc             bc   c
    """
    chance = random.Random(_named(pair))
    for partial in running_of(pair):
        for _ in range(ROUNDS):
            tiles = [joined(partial, lifted(partial, events_of(pair[0], chance))) for _ in range(chance.randint(1, 6))]
            totals, place = totals_of(partial, tiles), chance.randrange(len(tiles) + 1)
            fresh = joined(partial, lifted(partial, events_of(pair[0], chance)))
            put_in = [partial.join(total, fresh) for total in totals[:place]]
            put_in += [partial.join(totals[place], fresh) if place < len(tiles) else fresh, *totals[place:]]
            assert_same_tiles(put_in, totals_of(partial, [*tiles[:place], fresh, *tiles[place:]]))
            assert_same_tiles(totals[place:], totals_of(partial, tiles[place:]))
            heads = sorted({0, *chance.sample(range(len(tiles)), chance.randint(0, len(tiles)))})
            groups = [tiles[low:high] for low, high in zip(heads, [*heads[1:], len(tiles)], strict=True)]
            cells = [joined(partial, group) for group in groups]
            assert_same_tiles([totals[head] for head in heads], totals_of(partial, cells))


def test_events_are_counted_whatever_they_hold() -> None:
    """The count of events, which every view stores, joins like the others."""
    partial = Events()
    tiles = [partial.lift(None, 0, None)] * 3
    assert joined(partial, tiles) == (3,)
    assert [list(column) for column in partial.lift_all([1, 2], [0, 0], [None, None])] == [[1, 1]]
    assert totals_of(partial, tiles) == [(3,), (2,), (1,)]


def test_totals_of_nothing_but_nulls() -> None:
    """The smallest of nothing is nothing, before, among and after tiles that hold a value."""
    partial = resolve("min", pl.Int64()).partials[0]
    tiles = [(None,), (5,), (None,), (7,), (None,)]
    assert totals_of(partial, tiles) == [(5,), (5,), (7,), (7,), (None,)]
