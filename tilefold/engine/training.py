"""Point-in-time values for a training set, in bulk and in memory.

The rule: the values are those a read would have served at each row's own time, had every event been there: the same partial
states, merged by the same algebra over the same windows, straight from events; nothing of any compaction is used.

A window is put together of whole cells and, where an edge cuts a cell, of that cell's single events. A batch view's edges cut
none; a stream view's may cut two, of whatever size the cells are:

    cells       |-----|-----|-----|-----|-----|
    window         [============================)
                   ^^^ events             ^^^^^^ events, cells between
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import starmap

import polars as pl

from tilefold.declaration.features import Feature
from tilefold.declaration.windows import Window
from tilefold.engine.layout import FIRST, Layout, Output
from tilefold.engine.tiles import build_tiles, prepare_events
from tilefold.engine.time import DAY_US
from tilefold.engine.windows import BEGINNING_US

REQUEST = "__request"
EDGE = "__edge_us"
_START, _END, _CELL = "__start", "__end", "__cell"

CELLS_PER_WINDOW = 64  # about: more make longer joins, fewer more single events at the edges
ROWS_AT_ONCE = 20_000_000  # of a join of requests and cells: some gigabytes at most


def training_values(
    events: pl.LazyFrame, requests: pl.DataFrame, layout: Layout, timestamp_field: str, since_us: int
) -> pl.DataFrame:
    """The features of a view for many keys and times.

    Parameters
    ----------
    events
        The output of the view's transformation, without duplicates.
    requests
        One row per wanted key and time: the join keys, `__edge_us` (Int64; a batch view's leading edge, a stream view's read
        time) and `__request` (a number of its own).
    timestamp_field, since_us
        The events' time, and from when on events count.

    Returns
    -------
    pl.DataFrame
        A row per request: `__request`, then a column per feature.
    """
    wanted = requests.lazy().select(layout.key_names).unique()
    asked = events.join(wanted, on=layout.key_names, how="semi")  # before the sort: a join keeps no order
    cells = _Cells(prepare_events(asked, layout, timestamp_field, since_us), layout)
    result = requests.select(REQUEST)
    for output in layout.outputs:
        columns = [_one_window(cells, requests, output, window) for window in output.feature.windows]
        result = result.with_columns(_feature_column(output.feature, columns))
    return result


@dataclass(frozen=True)
class _Cells:
    """The events of all asked keys as cells of any size, each size made once; the finest from events, the others of it."""

    events: pl.LazyFrame
    layout: Layout

    @cached_property
    def _finest_us(self) -> int:
        moving = [window.hop_us is not None for output in self.layout.outputs for window in output.feature.windows]
        return 1 if any(moving) else self.layout.grain_us

    @cached_property
    def _made(self) -> dict[int, pl.DataFrame]:
        return {}

    def of(self, size_us: int) -> pl.DataFrame:
        """The rows of cells of a size: the key, the first and last event, the partial states."""
        if size_us not in self._made:
            self._made[size_us] = (self._from_events() if size_us == self._finest_us else self._merged(size_us)).collect()
        return self._made[size_us]

    def _from_events(self) -> pl.LazyFrame:
        return build_tiles(self.events, replace(self.layout, grain_us=self._finest_us), 0, one_day=False)

    def _merged(self, size_us: int) -> pl.LazyFrame:
        cell = (pl.col(FIRST) // size_us).alias(_CELL)
        finest = self.of(self._finest_us).lazy()
        return finest.group_by([*self.layout.key_names, cell]).agg(self.layout.merge_rows())


def cell_size_us(window: Window, layout: Layout) -> int:
    """The size of the cells that a window is put together of: a batch view's own, else so that a window holds some dozens."""
    if window.hop_us is None:
        return layout.grain_us
    if window.size_us is None:
        return DAY_US
    return max(window.hop_us, window.size_us // CELLS_PER_WINDOW, 1)


def bounds_exprs(window: Window, at: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """What `bounds_us` says of a window, for a column of edges or read times."""
    moved = at - window.offset_us
    edge = end = moved
    if window.hop_us == 0:
        edge = end = moved + 1
    elif window.hop_us is not None:
        edge = moved // window.hop_us * window.hop_us
        end = edge if window.ends_on_grid else moved + 1
    if window.size_us is None:
        return pl.lit(BEGINNING_US if window.lifetime_start_us is None else window.lifetime_start_us), end
    return edge - window.size_us, end


def _one_window(cells: _Cells, requests: pl.DataFrame, output: Output, window: Window) -> pl.Series:
    """A feature's value over one window, a value per request in their order."""
    layout, function = cells.layout, output.feature.function
    slots = [layout.slots[number] for number in output.slots]
    names = [name for slot in slots for name in slot.names]
    states = [expression for slot in slots for expression in slot.partial.merge_rows(slot.prefix)]
    start, end = bounds_exprs(window, pl.col(EDGE))
    spans = requests.select(REQUEST, *layout.key_names, start.alias(_START), end.alias(_END))
    merged = [
        rows.select(REQUEST, *names).group_by(REQUEST).agg(states).collect() for rows in _inside(cells, spans, window, names)
    ]
    whole_rows = merged[0] if len(merged) == 1 else pl.concat(merged).group_by(REQUEST).agg(states)
    found = whole_rows.lazy().select(REQUEST, function.finalize_rows(*(slot.names for slot in slots)).alias("value"))
    whole = requests.lazy().select(REQUEST).join(found, on=REQUEST, how="left", maintain_order="left")
    return whole.select(_or_empty(output.feature)).collect()["value"]


def _inside(cells: _Cells, spans: pl.DataFrame, window: Window, names: Sequence[str]) -> Iterator[pl.LazyFrame]:
    """The states in each request's window: of whole cells, then of the events in cells that an edge cuts."""
    keys, size_us = cells.layout.key_names, cell_size_us(window, cells.layout)
    whole = cells.of(size_us).select(*keys, (pl.col(FIRST) // size_us * size_us).alias(_CELL), *names)
    holds = (pl.col(_CELL) >= pl.col(_START)) & (pl.col(_CELL) + size_us <= pl.col(_END))
    for some in _slices(spans, whole, keys):
        yield some.lazy().join(whole.lazy(), on=keys).filter(holds)
    if window.hop_us is None or size_us == 1:
        return
    edges = [pl.col(edge) for edge in (_START, _END)]
    cut = [spans.filter(edge % size_us != 0).with_columns((edge // size_us).alias(_CELL)) for edge in edges]
    single = cells.of(1).select(*keys, FIRST, (pl.col(FIRST) // size_us).alias(_CELL), *names)
    cutting = pl.concat(cut).unique()  # one cell may be cut by both edges
    for some in _slices(cutting, single, [*keys, _CELL]):
        joined = some.lazy().join(single.lazy(), on=[*keys, _CELL])
        yield joined.filter(pl.col(FIRST).is_between(_START, _END, closed="left"))


def _slices(spans: pl.DataFrame, rows: pl.DataFrame, on: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The requests, so many at a time that joining them with `rows` stays within memory."""
    counted = spans.join(rows.group_by(on).len("__rows"), on=on, how="left").with_columns(pl.col("__rows").fill_null(0))
    number = pl.col("__rows").cast(pl.Int64).cum_sum() // ROWS_AT_ONCE
    yield from counted.with_columns(number.alias("__slice")).drop("__rows").partition_by("__slice", include_key=False)


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
