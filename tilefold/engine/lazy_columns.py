"""Columns of texts, bytes and lists as parts hold them, whose values are made when they are asked for.

The rule: where a column ends is known at once, and so what it says of its size is held against the bytes; a value is made of
them when it is looked at. Most reads look at few: a window's newest text, the lists of its last tiles.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, TypeAlias, overload

Column: TypeAlias = Sequence[Any]


class LazyColumn(Sequence[Any]):
    """Values of these lengths, one after the other in `whole`, which is anything that can be sliced.

    Parameters
    ----------
    nulls
        Above zero where the value is null; None where none is.
    """

    __slots__ = ("_ends", "_lengths", "_nulls", "_whole")

    def __init__(self, whole: Column, lengths: Sequence[int], nulls: Sequence[int] | None = None) -> None:
        self._whole, self._lengths, self._nulls = whole, lengths, nulls
        self._ends: list[int] | None = None

    def __len__(self) -> int:
        return len(self._lengths)

    @overload
    def __getitem__(self, at: int) -> Any: ...

    @overload
    def __getitem__(self, at: slice) -> list[Any]: ...

    def __getitem__(self, at: int | slice) -> Any:
        ends = self._ends or self._made_ends()
        if isinstance(at, int) and at >= 0:  # nearly always
            return self._value(at, ends)
        places = range(len(self._lengths))[at]
        if isinstance(places, int):
            return self._value(places, ends)
        if self._nulls is None and places.step == 1:
            return self._values(ends[places.start : places.stop + 1])
        return [self._value(place, ends) for place in places]

    def __iter__(self) -> Iterator[Any]:
        return iter(self[:])

    def _made_ends(self) -> list[int]:
        self._ends = list(accumulate(self._lengths, initial=0))
        return self._ends

    def _value(self, place: int, ends: list[int]) -> Any:
        if self._nulls is not None and self._nulls[place]:
            return None
        return self._whole[ends[place] : ends[place + 1]]

    def _values(self, ends: list[int]) -> list[Any]:
        """Neighbours, none of them null."""
        whole = self._whole
        return [whole[low:high] for low, high in pairwise(ends)]


class LazyLists(LazyColumn):
    """Lists of entries, each given as a list of its own."""

    __slots__ = ()

    def _value(self, place: int, ends: list[int]) -> list[Any]:
        return list(self._whole[ends[place] : ends[place + 1]])

    def _values(self, ends: list[int]) -> list[Any]:
        whole = self._whole
        return [list(whole[low:high]) for low, high in pairwise(ends)]
