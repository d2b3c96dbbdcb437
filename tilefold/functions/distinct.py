"""`first_distinct(n)` and `last_distinct(n)`.

The rule: a distinct value stands at its earliest (first) or latest (last) time, and the n earliest or latest of these are
kept. The n best of a union are among the n best of its parts, so the state merges without loss.
"""

from collections.abc import Iterable
from typing import Any

import polars as pl

from tilefold.functions.ordered import ORDER, Many
from tilefold.functions.plain import is_nan


def _identity(value: Any) -> Any:
    """What makes two values the same: NaN is one value, as it is in Polars."""
    return "NaN" if is_nan(value) else value


class Distinct(Many):
    """Up to `limit` entries of different values at one end, ascending."""

    def __init__(self, end: str, limit: int, dtype: pl.DataType) -> None:
        super().__init__(end, limit, dtype)
        self.name = f"{end}_distinct_{limit}"
        self.components = tuple(
            type(component)(component.suffix.replace(f"{end}_", f"{end}_distinct_"), component.dtype)
            for component in self.components
        )

    def _keep(self, value: pl.Expr) -> pl.Expr:
        distinct = value.is_last_distinct() if self._end == "last" else value.is_first_distinct()
        return value.is_not_null() & distinct

    def _select(self, entries: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        entries.sort(key=ORDER, reverse=self._end == "first")
        best = {_identity(entry[2]): entry for entry in entries}  # the later in this order wins
        return super()._select(list(best.values()))

    def _keep_more(self, kept: list[tuple[Any, ...]], values: Iterable[Any]) -> None:
        known = [_identity(entry[2]) for entry in kept]
        for value in values:
            if len(known) < self._limit and (same := _identity(value)) not in known:
                known.append(same)
                kept.append((None, None, value))
