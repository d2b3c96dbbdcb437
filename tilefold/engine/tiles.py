"""From events to tiles: one row per key, cell and epoch with the partial states of its events.

The rule: a row depends on nothing but the events of its cell and epoch, so a day can be rebuilt at any time to the same rows.
"""

from datetime import date
from typing import Any

import polars as pl

from tilefold.engine.entity import hash_expr
from tilefold.engine.layout import EPOCH, EVENTS, FIRST, LAST, Layout
from tilefold.engine.nesting import built
from tilefold.engine.time import DAY_US, day_start_us, to_datetime
from tilefold.errors import InputError, complaint
from tilefold.functions.base import TIE, TIME

_CELL = "__cell"


def prepare_events(events: pl.LazyFrame, layout: Layout, timestamp_field: str, since_us: int) -> pl.LazyFrame:
    """The view's output made ready to aggregate: times as Int64 microseconds, ties, nothing before `since_us`, in order.

    Parameters
    ----------
    events
        The output of the view's transformation.
    """
    timed = timed_events(events, layout, timestamp_field, since_us)
    return timed.sort(TIME, TIE) if layout.ordered else timed


def timed_events(events: pl.LazyFrame, layout: Layout, timestamp_field: str, since_us: int) -> pl.LazyFrame:
    """The same in whatever order they come."""
    time = pl.col(timestamp_field).dt.timestamp("us").alias(TIME)
    ready = events.with_columns(time).filter(pl.col(TIME) >= since_us)
    return ready.with_columns(tie_expr(events).alias(TIE)) if layout.ordered else ready


def tie_expr(events: pl.LazyFrame) -> pl.Expr:
    """What orders events of one time: the event id where the output keeps it, else a hash of the output row."""
    schema = events.collect_schema()
    if "event_id" in schema:
        return pl.col("event_id")
    texts = [_tagged(_text(pl.col(name), schema[name])) for name in sorted(schema)]
    return hash_expr(pl.concat_str(texts)).cast(pl.String)


def _text(value: pl.Expr, dtype: Any) -> pl.Expr:
    """A value of any type that is stored, as text; null where it is null."""
    if dtype == pl.Binary:
        return value.bin.encode("hex")
    if isinstance(dtype, pl.List):
        return value.list.eval(_tagged(_text(pl.element(), dtype.inner))).list.join("")
    if isinstance(dtype, pl.Struct):
        fields = [_tagged(_text(value.struct.field(field.name), field.dtype)) for field in dtype.fields]
        return pl.when(value.is_not_null()).then(pl.concat_str(fields))
    return value.cast(pl.String)


def _tagged(text: pl.Expr) -> pl.Expr:
    """Text that no other text or null shares, whatever stands behind it."""
    length = text.str.len_bytes().cast(pl.String)
    return pl.when(text.is_null()).then(pl.lit("-")).otherwise(pl.concat_str(length, pl.lit(":"), text))


def build_tiles(events: pl.LazyFrame, layout: Layout, epoch: int, *, one_day: bool = True) -> pl.LazyFrame:
    """The tile rows of prepared events, all of one epoch and, with `one_day`, of one UTC day.

    Returns
    -------
    pl.LazyFrame
        The columns of `layout.tile_schema`, in no order.
    """
    keys = layout.key_names
    if not one_day or layout.grain_us != DAY_US:
        events, keys = events.with_columns((pl.col(TIME) // layout.grain_us).alias(_CELL)), [*keys, _CELL]
    times = [pl.col(TIME).min().alias(FIRST), pl.col(TIME).max().alias(LAST)]
    grouped = built(events, keys, times, layout.slots)
    rows = grouped.with_columns(pl.lit(epoch, dtype=pl.Int64).alias(EPOCH))
    return rows.select(pl.col(name).cast(dtype) for name, dtype in layout.tile_schema.items())


def check_keys(tiles: pl.DataFrame, layout: Layout) -> None:
    """Refuse tiles of events whose key is null.

    Raises
    ------
    InputError
        If a join key is null in a row of `tiles`.
    """
    for name in layout.key_names:
        broken = tiles.filter(pl.col(name).is_null())
        if broken.height:
            count = broken[EVENTS].sum()
            mend = f"Filter them in the view's transformation: `.filter(pl.col('{name}').is_not_null())`."
            rule = f"join key '{name}' must not be null, and is in {count} events"
            raise InputError(complaint(f"view '{layout.view_name}'", rule, None, mend))


def check_day(tiles: pl.DataFrame, layout: Layout, day: date) -> None:
    """Refuse tiles of events that the view's function moved out of their source's day, where no window would look for them.

    Raises
    ------
    InputError
        If a row of `tiles` holds a time outside of `day`.
    """
    start_us = day_start_us(day)
    moved = tiles.filter((pl.col(FIRST) < start_us) | (pl.col(LAST) >= start_us + DAY_US))
    if moved.height:
        mend = "Shift or replace times where events enter the source; tiles are kept by the day of the event."
        rule = "its function must leave each event's time in the event's own UTC day"
        times = [str(to_datetime(time_us)) for time_us in moved.select(FIRST, LAST).row(0)]
        raise InputError(complaint(f"view '{layout.view_name}'", rule, f"{' to '.join(times)} on {day}", mend))
