"""`first`, `last` and their lists: by time, then by tie, whatever order events come in."""

from itertools import permutations
from typing import Any

import polars as pl
import pytest

from tests.functions.paths import One, at, bound, in_bulk, plain, values

INT = pl.Int64()


def both(name: str, events: list[One], n: int | None = None, dtype: pl.DataType = INT) -> Any:
    """The value that all paths agree on, each event a tile of its own and all in one."""
    function = bound(name, dtype, n)
    found = [
        way
        for tiles in ([[one] for one in events], [events])
        for way in (in_bulk(function, dtype, tiles), plain(function, tiles))
    ]
    assert all(each == found[0] for each in found)
    return found[0]


def test_ties_by_bytes() -> None:
    """Events of one time are ordered by the UTF-8 bytes of their ties, in any order of arrival."""
    ties = ["10", "9", "Z", "a", "ß", "\uffff", "\U0001f600"]
    events = [One(5, tie, number) for number, tie in enumerate(ties)]
    for order in list(permutations(events))[::500]:
        assert both("first", list(order)) == 0
        assert both("last", list(order)) == 6
        assert both("last", list(order), 3) == [4, 5, 6]


def test_nulls_are_skipped() -> None:
    """The latest null does not hide the value before it."""
    events = [One(1, "a", None), One(2, "b", 7), One(3, "c", 8), One(4, "d", None)]
    assert (both("first", events), both("last", events), both("last", events, 5)) == (7, 8, [7, 8])


@pytest.mark.parametrize(("name", "wanted"), [("first", [1, 2, 2]), ("last", [2, 3, 1])])
def test_lists_ascend(name: str, wanted: list[int]) -> None:
    """Both lists ascend by time, repeats kept, at most n."""
    events = [One(number, "", value) for number, value in enumerate([1, 2, 2, 3, 1])]
    assert both(name, events[::-1], 3) == wanted


@pytest.mark.parametrize(
    ("name", "n", "wanted"),
    [
        ("first_distinct", 2, [1, 2]),
        ("first_distinct", 9, [1, 2, 3]),
        ("last_distinct", 2, [3, 1]),
        ("last_distinct", 9, [2, 3, 1]),
    ],
)
def test_distinct(name: str, n: int, wanted: list[int]) -> None:
    """A distinct value stands at its latest (last) or earliest (first) time; the list ascends by time."""
    events = [One(number, "", value) for number, value in enumerate([1, 2, None, 2, 3, 1])]
    assert both(name, events, n) == wanted
    assert both(name, events[::-1], n) == wanted


def test_nan_is_one_value() -> None:
    """NaN is a value of first and last, and one value among the distinct ones."""
    nan = float("nan")
    found = values("last_distinct", pl.Float64(), nan, 1.0, nan, n=3)
    assert [str(each) for each in found] == ["[1.0, nan]", "[1.0, nan]"]
    assert [str(each) for each in values("last", pl.Float64(), 1.0, nan)] == ["nan", "nan"]


def test_times() -> None:
    """Lists of times hold aware datetimes."""
    dtype = pl.Datetime("us", "UTC")
    assert values("last", dtype, at(2024, 1, 1), at(2023, 1, 1), n=2) == ([at(2024, 1, 1), at(2023, 1, 1)],) * 2


@pytest.mark.parametrize("name", ["first", "last", "first_distinct", "last_distinct"])
def test_empty_list(name: str) -> None:
    """Of nothing, the list is empty."""
    assert values(name, INT, None, n=3) == ([], [])
    assert bound(name, INT, 3).empty == []
