"""The read cache: how long rows live, and how many."""

from typing import Any

from tilefold.serving.read import ReadTime, ViewValues
from tilefold.serving.read_cache import ReadCache


class Stopped:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """What it was set to."""
        return self.now_s


def row(number: int) -> ViewValues:
    """A row to be told by its value."""
    reader: Any = None
    return ViewValues(reader, [number], [], None, ReadTime(0, 0, certain=True))


def test_a_row_is_given_as_cached() -> None:
    """What comes out says that it was folded before; what went in is left as it was."""
    cache, given = ReadCache(10, 5), row(1)
    cache.put(b"a", given)
    found = cache.get(b"a")
    assert found is not None
    assert (found.values, found.cached, given.cached) == ([1], True, False)
    assert cache.get(b"b") is None


def test_rows_die() -> None:
    """A row lives for its time and no longer; put again, it lives anew."""
    clock = Stopped()
    cache = ReadCache(10, 5, clock)
    cache.put(b"a", row(1))
    clock.now_s = 109.9
    assert cache.get(b"a") is not None
    clock.now_s = 110.0
    assert (cache.get(b"a"), len(cache)) == (None, 0)
    cache.put(b"a", row(2))
    clock.now_s = 119.0
    assert cache.get(b"a") is not None


def test_the_oldest_makes_room() -> None:
    """It never holds more than it may; what was put in first goes first, and what is put again counts as new."""
    cache = ReadCache(10, 3)
    for key in (b"a", b"b", b"c", b"a", b"d"):
        cache.put(key, row(1))
    assert [cache.get(key) is not None for key in (b"a", b"b", b"c", b"d")] == [True, False, True, True]
    assert len(cache) == 3
