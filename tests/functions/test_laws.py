"""The laws of the algebra, for every function of every type: however events fall into tiles, all paths agree."""

import random
from datetime import date
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.engine.drawing import ANY_FUNCTIONS, INPUTS, NUMBER_FUNCTIONS, NUMBERS
from tests.functions.paths import One, bound, in_bulk, now, physical, plain, reference
from tilefold.engine.reference import agree
from tilefold.functions import OVERFLOW, AggregateFunction, FunctionRequest, resolve

LAWS = settings(deadline=None, max_examples=examples(12))
PAIRS = [(column, function) for column in INPUTS for function in ANY_FUNCTIONS] + [
    (column, function) for column in sorted(NUMBERS) for function in NUMBER_FUNCTIONS
]


def _named(pair: tuple[str, str | FunctionRequest]) -> str:
    column, function = pair
    parts = [function] if isinstance(function, str) else [function.name, *(str(value) for _, value in function.params)]
    return "-".join([column, *parts])


def tiles_strategy(column: str) -> st.SearchStrategy[list[list[One]]]:
    """Events of one key in tiles, in any order, with nulls and ties."""
    values = st.none() | INPUTS[column][1]
    ones = st.builds(One, st.integers(0, 5), st.sampled_from(["a", "b", "ß", "B", "\U0001f600", "\uffff"]), values)
    distinct = st.lists(ones, max_size=9, unique_by=lambda one: (one.time_us, one.tie))
    return st.tuples(distinct, st.integers(1, 4)).map(lambda drawn: [drawn[0][n :: drawn[1]] for n in range(drawn[1])])


def scale_of(function: AggregateFunction, tiles: list[list[One]]) -> float:
    """What 1e-9 is relative to: the sum of absolute inputs, its square for variances."""
    numbers = [abs(float(one.value)) for tile in tiles for one in tile if isinstance(one.value, int | float)]
    total = sum(number for number in numbers if number == number)  # noqa: PLR0124 - NaN differs from itself
    if "var" in function.label:
        return total**2
    return total * (1e3 if function.result_dtype == pl.Float32 or "stddev" in function.label else 1)


@pytest.mark.parametrize("pair", PAIRS, ids=_named)
def test_all_paths_agree(pair: tuple[str, str | FunctionRequest]) -> None:
    """In bulk, plain, and by the reference: one value, whatever tile each event falls into."""
    column, wanted = pair
    dtype = INPUTS[column][0]
    function = resolve(wanted, dtype)

    @LAWS
    @given(tiles_strategy(column))
    def law(tiles: list[list[One]]) -> None:
        expected = reference(function, dtype, tiles)
        scale = scale_of(function, tiles)
        assert agree(plain(function, tiles), expected, scale) or plain(function, tiles) is expected
        bulk = in_bulk(function, dtype, tiles)
        assert agree(bulk, None if expected is OVERFLOW else expected, scale)
        if "approx" in function.label:
            assert bulk == plain(function, tiles) == expected  # to the last bit

    law()


@pytest.mark.parametrize("pair", PAIRS, ids=_named)
def test_merging_is_associative(pair: tuple[str, str | FunctionRequest]) -> None:
    """Three tiles give the same value, grouped either way and in either order: events carry their own time."""
    column, wanted = pair
    function = resolve(wanted, INPUTS[column][0])
    drawn = random.Random(7)
    for _ in range(20):
        parts = [[_one(drawn, column, number) for number in range(drawn.randint(1, 3))] for _ in range(3)]
        states = [[_state(partial, part) for part in parts] for partial in function.partials]
        left = [p.combine(p.combine(a, b), c) for p, (a, b, c) in zip(function.partials, _copies(states), strict=True)]
        right = [p.combine(a, p.combine(b, c)) for p, (a, b, c) in zip(function.partials, _copies(states), strict=True)]
        turned = [p.combine(c, p.combine(b, a)) for p, (a, b, c) in zip(function.partials, _copies(states), strict=True)]
        scale = scale_of(function, parts)
        wanted_value = now(function, function.finalize(*left))
        for other in (right, turned):
            found = now(function, function.finalize(*other))
            assert found is wanted_value or agree(found, wanted_value, scale)


def _copies(states: list[list[Any]]) -> list[list[Any]]:
    return [[list(each) if isinstance(each, list) else each for each in row] for row in states]


def _state(partial: Any, part: list[One]) -> Any:
    lifted = [partial.lift(physical(one.value), one.time_us, one.tie) for one in part]
    return partial.fold(list(zip(*lifted, strict=True)), 0, len(lifted))


def _one(drawn: random.Random, column: str, number: int) -> One:
    choices: dict[str, Any] = {
        "whole": drawn.randint(-(2**63), 2**63 - 1),
        "narrow": drawn.randint(-9, 9),
        "real": drawn.uniform(-5, 5),
        "single": float(drawn.randint(-9, 9)),
        "flag": drawn.random() < 0.5,
        "text": drawn.choice("abß"),
        "moment": drawn.randint(0, 9),
        "day": date(2020, 1, drawn.randint(1, 9)),
    }
    value = None if drawn.random() < 0.2 else choices[column]
    return One(drawn.randint(0, 3), f"{drawn.random()}{number}", value)


@pytest.mark.parametrize("pair", PAIRS, ids=_named)
def test_nulls_are_nothing(pair: tuple[str, str | FunctionRequest]) -> None:
    """A tile of nulls alone is an identity: alone it gives the empty value, beside others it changes nothing."""
    column, wanted = pair
    dtype = INPUTS[column][0]
    function = resolve(wanted, dtype)
    nulls = [One(9, "x", None), One(0, "y", None)]
    for value in (in_bulk(function, dtype, [nulls]), plain(function, [nulls])):
        assert value == function.empty
    some = [_one(random.Random(3), column, number) for number in range(4)]
    for with_nulls, without in (
        (in_bulk(function, dtype, [nulls, some]), in_bulk(function, dtype, [some])),
        (plain(function, [nulls, some]), plain(function, [some])),
    ):
        assert with_nulls is without or agree(with_nulls, without, 10)


@pytest.mark.parametrize("end", ["first", "last"])
def test_limits_grow_into_each_other(end: str) -> None:
    """The n at one end are among the n+1 there."""
    events = [[One(number % 4, f"{number}", number % 3)] for number in range(9)]
    lists = [plain(bound(end, pl.Int64(), n), events) for n in range(1, 10)]
    for shorter, longer in pairwise(lists):
        assert shorter == (longer[: len(shorter)] if end == "first" else longer[-len(shorter) :])
