"""Point-in-time values for a training set, in bulk and in memory.

The rule: the values are those a read would have served at each row's own time, had every event been there: the same tiles,
merged by the same algebra over the same windows, straight from events; nothing of any compaction is used.
"""

from collections.abc import Sequence
from itertools import starmap

import polars as pl

from tilefold.declaration.features import Feature
from tilefold.declaration.windows import Window
from tilefold.engine.layout import FIRST, Layout, Output
from tilefold.engine.tiles import build_tiles, prepare_events
from tilefold.engine.windows import bounds_us

REQUEST = "__request"
EDGE = "__edge_us"


def training_values(
    events: pl.LazyFrame, requests: pl.DataFrame, layout: Layout, timestamp_field: str, since_us: int
) -> pl.DataFrame:
    """The features of a view for many keys and times.

    Parameters
    ----------
    events
        The output of the view's transformation, without duplicates.
    requests
        One row per wanted key and edge: the join keys, `__edge_us` (Int64) and `__request` (a number of its own).
    timestamp_field, since_us
        The events' time, and from when on events count.

    Returns
    -------
    pl.DataFrame
        A row per request: `__request`, then a column per feature.
    """
    wanted = requests.lazy().select(layout.key_names).unique()
    latest = requests[EDGE].max()
    asked = events.join(wanted, on=layout.key_names, how="semi")  # before the sort: a join keeps no order
    tiles = build_tiles(prepare_events(asked, layout, timestamp_field, since_us), layout, 0, one_day=False)
    cells = tiles.filter(pl.col(FIRST) < latest).collect()
    result = requests.select(REQUEST)
    for output in layout.outputs:
        columns = [_one_window(cells, requests, layout, output, window) for window in output.feature.windows]
        result = result.with_columns(_feature_column(output.feature, columns))
    return result


def _one_window(cells: pl.DataFrame, requests: pl.DataFrame, layout: Layout, output: Output, window: Window) -> pl.Series:
    """A feature's value over one window, a value per request in their order."""
    function = output.feature.function
    slots = [layout.slots[number] for number in output.slots]
    start, end = bounds_us(window, 0)
    lifetime = window.lifetime_start_us
    low = pl.lit(start) if window.size_us is None and lifetime is None else pl.col(EDGE) + start
    low = pl.lit(lifetime) if lifetime is not None else low
    inside = pl.col(FIRST).is_between(low, pl.col(EDGE) + end, closed="left")
    names = [name for slot in slots for name in slot.names]
    joined = requests.lazy().join(cells.lazy().select(*layout.key_names, FIRST, *names), on=layout.key_names)
    states = [expression for slot in slots for expression in slot.partial.merge_rows(slot.prefix)]
    merged = joined.filter(inside).group_by(REQUEST).agg(states)
    value = function.finalize_rows(*(slot.names for slot in slots)).alias("value")
    found = requests.lazy().select(REQUEST).join(merged.select(REQUEST, value), on=REQUEST, how="left", maintain_order="left")
    return found.select(_or_empty(output.feature)).collect()["value"]


def _or_empty(feature: Feature) -> pl.Expr:
    function = feature.function
    value = pl.col("value")
    if function.empty is None:
        return value.cast(function.result_dtype)
    return pl.coalesce(value, pl.lit(function.empty, dtype=function.result_dtype)).alias("value")


def _feature_column(feature: Feature, columns: Sequence[pl.Series]) -> pl.Series:
    if not feature.is_series:
        return columns[0].alias(feature.name)
    rows = starmap(lambda *values: list(values), zip(*(column.to_list() for column in columns), strict=True))
    return pl.Series(feature.name, list(rows), dtype=feature.dtype)
