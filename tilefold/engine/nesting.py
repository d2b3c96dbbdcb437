"""Tiles with a secondary key, in bulk: built from events, and merged.

The rule: states of a secondary key are made and merged by the same expressions as others, one row per key and secondary key;
only then the rows of a tile become a list. Views without a secondary key go the short way: one `group_by`.
"""

from collections.abc import Sequence

import polars as pl

from tilefold.engine.secondary import KEY, BySecondary
from tilefold.engine.slots import Slot
from tilefold.functions.base import Expressions


def built(events: pl.LazyFrame, keys: Sequence[str], spans: Expressions, slots: Sequence[Slot]) -> pl.LazyFrame:
    """The tiles of events: a row per `keys`, with `spans` and the states of the slots."""
    plain, nested = _parted(slots)
    states = [expression for slot in plain for expression in slot.partial.from_events(slot.column, slot.prefix)]
    rows = events.group_by(keys, maintain_order=False).agg(*spans, *states)
    for name, by in nested:
        inner = [expression for slot in by.slots for expression in slot.partial.from_events(slot.column, slot.prefix)]
        there = events.filter(pl.col(by.key.name).is_not_null())
        each = there.group_by([*keys, pl.col(by.key.name).alias(KEY)]).agg(inner)
        rows = _with_list(rows, each, keys, name, by)
    return rows


def merged(tiles: pl.LazyFrame, keys: Sequence[str], spans: Expressions, slots: Sequence[Slot]) -> pl.LazyFrame:
    """Tiles of the same `keys` made one: their `spans` and the merged states of the slots."""
    plain, nested = _parted(slots)
    states = [expression for slot in plain for expression in slot.partial.merge_rows(slot.prefix)]
    rows = tiles.group_by(keys).agg(*spans, *states)
    for name, by in nested:
        inner = [expression for slot in by.slots for expression in slot.partial.merge_rows(slot.prefix)]
        records = tiles.select(*keys, name).explode(name, empty_as_null=False, keep_nulls=False).unnest(name)
        rows = _with_list(rows, records.group_by([*keys, KEY]).agg(inner), keys, name, by)
    return rows


def _parted(slots: Sequence[Slot]) -> tuple[list[Slot], list[tuple[str, BySecondary]]]:
    plain = [slot for slot in slots if not isinstance(slot.partial, BySecondary)]
    return plain, [(slot.names[0], slot.partial) for slot in slots if isinstance(slot.partial, BySecondary)]


def _with_list(rows: pl.LazyFrame, each: pl.LazyFrame, keys: Sequence[str], name: str, by: BySecondary) -> pl.LazyFrame:
    """Rows with the list of their records, ascending by secondary key; an empty one where they have none."""
    record = pl.struct(KEY, *(inner for slot in by.slots for inner in slot.names))
    lists = each.group_by(keys).agg(record.sort_by(KEY).alias(name))
    dtype = by.components[0].dtype
    joined = rows.join(lists, on=list(keys), how="left", nulls_equal=True)
    return joined.with_columns(pl.coalesce(pl.col(name).cast(dtype), pl.lit([], dtype=dtype)))
