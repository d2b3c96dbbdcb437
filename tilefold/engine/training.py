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
from functools import cached_property, partial
from itertools import starmap

import polars as pl

from tilefold.declaration.calendars import Calendar
from tilefold.declaration.features import Feature
from tilefold.declaration.windows import Window
from tilefold.engine.layout import FIRST, Layout, Output
from tilefold.engine.nesting import merged
from tilefold.engine.tiles import build_tiles, prepare_events
from tilefold.engine.time import DAY_US
from tilefold.engine.windows import BEGINNING_US
from tilefold.types import Field

REQUEST = "__request"
EDGE = "__edge_us"
READ = "__read_us"
_KEY, _CELL, _START, _END = "__key", "__cell", "__start", "__end"
_ROWS, _SLICE, _FOUND = "__rows", "__slice", "__found"

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
        time), `__request` (a number of its own), and where attributes of a batch view expire `__read_us`, the read time.
    timestamp_field, since_us
        The events' time, and from when on events count.

    Returns
    -------
    pl.DataFrame
        A row per request: `__request`, then a column per feature.
    """
    entities = requests.select(layout.key_names).unique().with_row_index(_KEY)
    asked = events.join(entities.lazy(), on=layout.key_names)  # before the sort: a join keeps no order
    cells = _Cells(prepare_events(asked, layout, timestamp_field, since_us), layout)
    numbered = requests.join(entities, on=layout.key_names, maintain_order="left", nulls_equal=True)  # a null finds no event
    read = pl.col(READ if READ in requests.columns else EDGE).alias(READ)
    spans = numbered.select(REQUEST, EDGE, _KEY, read)
    windows = dict.fromkeys(window for output in layout.outputs for window in output.feature.windows)
    values: dict[tuple[int, Window], pl.Series] = {}
    for window in windows:  # features that share one share its join
        sharing = [number for number, output in enumerate(layout.outputs) if window in output.feature.windows]
        states = _states(cells, spans, window, sorted({slot for number in sharing for slot in layout.outputs[number].slots}))
        values.update({(number, window): _value(states, layout, layout.outputs[number], window) for number in sharing})
    return requests.select(REQUEST).with_columns(
        _feature_column(output.feature, [values[number, window] for window in output.feature.windows])
        for number, output in enumerate(layout.outputs)
    )


@dataclass(frozen=True)
class _Cells:
    """The events of all asked keys as cells of any size, each size made once; the finest from events, the others of it.

    The key is the number of an entity, and `__rows` how many rows of the finest a cell is made of.
    """

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
        """The rows of cells of a size: the key, the number of the cell, the first and last event, the partial states."""
        if size_us not in self._made:
            made = self._from_events() if size_us == self._finest_us else self._merged(size_us)
            self._made[size_us] = made.with_columns((pl.col(FIRST) // size_us).alias(_CELL)).collect()
        return self._made[size_us]

    def _from_events(self) -> pl.LazyFrame:
        numbered = replace(self.layout, join_keys=(Field(_KEY, pl.UInt32),), grain_us=self._finest_us)
        return build_tiles(self.events, numbered, 0, one_day=False).with_columns(pl.lit(1, pl.UInt32).alias(_ROWS))

    def _merged(self, size_us: int) -> pl.LazyFrame:
        cells = self.of(self._finest_us).lazy().with_columns((pl.col(FIRST) // size_us).alias(_CELL))
        count = pl.len().cast(pl.UInt32).alias(_ROWS)
        return merged(cells, [_KEY, _CELL], [*self.layout.spans, count], self.layout.slots)


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
    if window.ttl_us is not None:  # at the start of a day, so that no cell is cut there: what has expired is told at the end
        return (at - window.ttl_us) // DAY_US * DAY_US, end
    if window.calendar is not None:
        return at.map_batches(partial(_period_starts, window.calendar), return_dtype=pl.Int64()), end
    if window.size_us is None:
        return pl.lit(BEGINNING_US if window.lifetime_start_us is None else window.lifetime_start_us), end
    return edge - window.size_us, end


def _period_starts(calendar: Calendar, times_us: pl.Series) -> pl.Series:
    """The start of the period that holds each time."""
    there = times_us.drop_nulls()
    if not len(there):
        return times_us
    starts = pl.Series(calendar.starts_us(int(there.min()), int(there.max())), dtype=pl.Int64)  # type: ignore[arg-type] # integers
    return starts.gather((starts.search_sorted(times_us, side="right").cast(pl.Int64) - 1).clip(0))


def _states(cells: _Cells, requests: pl.DataFrame, window: Window, slots: Sequence[int]) -> pl.DataFrame:
    """The merged states of some slots in each request's window, in the requests' order; null where no event is in it."""
    wanted = [cells.layout.slots[number] for number in slots]
    names = [name for slot in wanted for name in slot.names]
    start, end = bounds_exprs(window, pl.col(EDGE))
    spans = requests.select(REQUEST, _KEY, start.alias(_START), end.alias(_END))
    parts = [merged(rows, [REQUEST], [], wanted).collect() for rows in _inside(cells, spans, window, names)]
    whole = parts[0] if len(parts) == 1 else merged(pl.concat(parts).lazy(), [REQUEST], [], wanted).collect()
    found = whole.with_columns(pl.lit(1).alias(_FOUND))
    return requests.select(REQUEST, EDGE, READ).join(found, on=REQUEST, how="left", maintain_order="left")


def _value(states: pl.DataFrame, layout: Layout, output: Output, window: Window) -> pl.Series:
    """A feature's value for each request."""
    function = output.feature.function
    names = [layout.slots[number].names for number in output.slots]
    value = function.finalize_rows(*names)
    if function.current is not None:
        value = function.current.rows(names[0], _moment(window, expires=function.current.expires))
    found = states.lazy().select(pl.when(pl.col(_FOUND).is_not_null()).then(value).alias("value"))
    return found.select(_or_empty(output.feature)).collect()["value"]


def _moment(window: Window, *, expires: bool) -> pl.Expr:
    """What `moment_us` says of a window, for a column of requests."""
    if not expires:
        return pl.col(EDGE) - window.offset_us
    return pl.lit(BEGINNING_US) if window.ttl_us is None else pl.col(READ) - window.ttl_us


def _inside(cells: _Cells, spans: pl.DataFrame, window: Window, names: Sequence[str]) -> Iterator[pl.LazyFrame]:
    """The states in each request's window: of whole cells, then of the events in cells that an edge cuts."""
    size_us = cell_size_us(window, cells.layout)
    whole = cells.of(size_us)
    holds = (pl.col(_CELL) * size_us >= pl.col(_START)) & ((pl.col(_CELL) + 1) * size_us <= pl.col(_END))
    for some in _slices(spans, whole.group_by(_KEY).len(_ROWS), [_KEY]):
        yield some.join(whole.lazy().select(_KEY, _CELL, *names), on=_KEY).filter(holds).select(REQUEST, *names)
    if window.hop_us is None or size_us == 1:
        return
    edges = [pl.col(edge) for edge in (_START, _END)]
    cut = [spans.filter(edge % size_us != 0).with_columns((edge // size_us).alias(_CELL)) for edge in edges]
    single = cells.of(1).lazy().select(_KEY, (pl.col(FIRST) // size_us).alias(_CELL), FIRST, *names)
    for some in _slices(pl.concat(cut).unique(), whole, [_KEY, _CELL]):  # one cell may be cut by both edges
        joined = some.join(single, on=[_KEY, _CELL])
        yield joined.filter(pl.col(FIRST).is_between(_START, _END, closed="left")).select(REQUEST, *names)


def _slices(spans: pl.DataFrame, rows: pl.DataFrame, on: Sequence[str]) -> Iterator[pl.LazyFrame]:
    """The requests, so many at a time that joining them with so many rows stays within memory."""
    counted = spans.join(rows.select(*on, _ROWS), on=on)
    number = pl.col(_ROWS).cast(pl.Int64).cum_sum() // ROWS_AT_ONCE
    sliced = counted.with_columns(number.alias(_SLICE)).drop(_ROWS)
    parts = sliced.partition_by(_SLICE, include_key=False) or [sliced.drop(_SLICE)]
    yield from (some.lazy() for some in parts)


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
