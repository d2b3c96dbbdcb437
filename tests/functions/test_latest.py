"""The function behind attributes: what the latest event says, null or not, as long as it is valid."""

from typing import Any

import polars as pl
import pytest

from tests.engine.drawing import INPUTS
from tests.functions.paths import One
from tilefold.functions import resolve_attribute
from tilefold.functions.base import TIE, TIME

FUNCTION = resolve_attribute(pl.String())
PARTIAL = FUNCTION.partials[0]
TILES = [[One(1, "a", "first")], [One(5, "a", "x"), One(5, "b", None), One(5, "B", "y")], [One(3, "z", "between")]]


def bulk_state(tiles: list[list[One]]) -> tuple[Any, ...]:
    """The components of tiles, by expressions."""
    rows = [(number, one.time_us, one.tie, one.value) for number, tile in enumerate(tiles) for one in tile]
    schema = {"tile": pl.Int64(), TIME: pl.Int64(), TIE: pl.String(), "x": pl.String()}
    events = pl.DataFrame(rows, schema=schema, orient="row").sort(TIME, TIE)
    built = events.group_by("tile").agg(PARTIAL.from_events("x", ""))
    return built.group_by(pl.lit(1)).agg(PARTIAL.merge_rows("")).select(PARTIAL.named("")).row(0)


def plain_state(tiles: list[list[One]]) -> tuple[Any, ...]:
    """The components of tiles, one event at a time."""
    lifted = [PARTIAL.lift(one.value, one.time_us, one.tie) for tile in tiles for one in tile]
    state: tuple[Any, ...] = PARTIAL.stored(PARTIAL.fold(list(zip(*lifted, strict=True)), 0, len(lifted)))
    return state


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("until", "entry"), [(3, (5, "b", None)), (1, (1, "a", "first"))])
def test_the_latest_event_null_or_not(until: int, entry: tuple[Any, ...], order: int) -> None:
    """By time, then by tie; a null that stands last is the value, whatever stood before."""
    tiles = TILES[:until][::order]
    assert bulk_state(tiles) == plain_state(tiles) == entry


@pytest.mark.parametrize(("after_us", "value"), [(-(2**62), "first"), (0, "first"), (1, None), (9, None)])
def test_it_expires(after_us: int, value: str | None) -> None:
    """An event is valid as long as its time lies after what has expired, on either path."""
    assert FUNCTION.current is not None
    assert FUNCTION.current.of((1, "a", "first"), after_us) == value
    frame = pl.DataFrame([(1, "a", "first")], schema=["latest_time", "latest_tie", "latest"], orient="row")
    assert frame.select(FUNCTION.current.rows(PARTIAL.named(""), pl.lit(after_us))).item() == value


@pytest.mark.parametrize("column", INPUTS)
def test_every_type(column: str) -> None:
    """Single values of any type that is stored; of nothing there is nothing."""
    dtype = INPUTS[column][0]
    function = resolve_attribute(dtype)
    assert (function.result_dtype, function.empty, function.label) == (dtype, None, "latest")
    assert function.current is not None
    assert function.current.of(None, 0) is None
