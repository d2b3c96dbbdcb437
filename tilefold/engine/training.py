"""Point-in-time values for a training set, in bulk.

The rule: the values are those a read would have served at each row's own time, had every event been there: the same partial
states, merged by the same algebra over the same windows, straight from events; nothing of any compaction is used.

Once the events are in order, every window of every kind is a run of rows (`sorted_events`). What a run holds is looked up in
what is made once for all runs: running sums and trees of numbers (`range_totals`) where states merge by addition, minimum or
maximum, else blocks of states (`range_states`). So the cost grows with the events and with the requests, not with how many
events a window has, nor with how windows overlap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import starmap

import numpy as np
import polars as pl

from tilefold.declaration.calendars import Calendar
from tilefold.declaration.features import Feature
from tilefold.declaration.windows import Window
from tilefold.engine.layout import Layout, Output
from tilefold.engine.range_states import RangeStates
from tilefold.engine.range_totals import RangeTotals
from tilefold.engine.slots import Slot
from tilefold.engine.sorted_events import KEY, Ints, SortedEvents, needed_columns, sort_events
from tilefold.engine.tiles import timed_events
from tilefold.engine.time import DAY_US
from tilefold.engine.windows import BEGINNING_US

REQUEST = "__request"
EDGE = "__edge_us"
READ = "__read_us"
_FOUND = "__found"


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
    entities = numbered_entities(requests, layout)
    asked = asked_events(timed_events(events, layout, timestamp_field, since_us), entities, layout).collect()
    ground = TrainingGround(sort_events(asked, entities.height, layout), layout)
    return ground.values(numbered(requests, entities, layout))


def numbered_entities(requests: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """The entities that are asked for, each with a number."""
    return requests.select(layout.key_names).unique().with_row_index(KEY)


def numbered(requests: pl.DataFrame, entities: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Requests with the numbers of their entities in place of their join keys."""
    keys = layout.key_names
    return requests.join(entities, on=keys, how="left", maintain_order="left", nulls_equal=True).drop(keys)


def asked_events(timed: pl.LazyFrame, entities: pl.DataFrame, layout: Layout) -> pl.LazyFrame:
    """What states are made of, of the events of these entities alone; a null key is nobody's."""
    return timed.join(entities.lazy(), on=layout.key_names).select(KEY, *needed_columns(layout))


@dataclass(frozen=True)
class TrainingGround:
    """The events of some entities, ready to be asked for any number of times."""

    events: SortedEvents
    layout: Layout

    def values(self, requests: pl.DataFrame) -> pl.DataFrame:
        """A row per request; see `training_values`. The requests are `numbered`."""
        read = pl.col(READ if READ in requests.columns else EDGE).alias(READ)
        asked, outputs = requests.select(EDGE, KEY, read), self.layout.outputs
        windows = dict.fromkeys(window for output in outputs for window in output.feature.windows)
        values: dict[tuple[int, Window], pl.Series] = {}
        for window in windows:  # features that share one share its look-ups
            sharing = [number for number, output in enumerate(outputs) if window in output.feature.windows]
            states = self._states(asked, window, sorted({slot for number in sharing for slot in outputs[number].slots}))
            values.update({(number, window): _value(states, self.layout, outputs[number], window) for number in sharing})
        return requests.select(REQUEST).with_columns(
            _feature_column(output.feature, [values[number, window] for window in output.feature.windows])
            for number, output in enumerate(outputs)
        )

    def _states(self, asked: pl.DataFrame, window: Window, numbers: Sequence[int]) -> pl.DataFrame:
        """The merged states of some slots in each request's window, and whether any event is in it."""
        low, high = self._runs(asked, window)
        slots = [self.layout.slots[number] for number in numbers]
        columns = [pl.Series(_FOUND, low < high)]
        for slot in slots:
            columns += [total.of(low, high).alias(name) for name, total in self._totals.get(slot.start, {}).items()]
        if others := [slot for slot in slots if slot.start not in self._totals]:
            columns += self._others.of(low, high, others).get_columns()
        return asked.select(EDGE, READ).with_columns(columns)

    def _runs(self, asked: pl.DataFrame, window: Window) -> tuple[Ints, Ints]:
        """The rows that are in each request's window."""
        start, end = bounds_exprs(window, pl.col(EDGE))
        bounds, keys = asked.select(start.cast(pl.Int64).alias("start"), end.alias("end")), asked[KEY].to_numpy()
        low, high = (self.events.places(keys, bounds[name].to_numpy()) for name in ("start", "end"))
        return low, np.maximum(low, high)

    @cached_property
    def _totals(self) -> dict[int, dict[str, RangeTotals]]:
        """The components of the slots that are merged as numbers, by the slots' starts."""
        return {slot.start: made for slot in self.layout.slots if (made := self._totals_of(slot))}

    def _totals_of(self, slot: Slot) -> dict[str, RangeTotals]:
        partial = slot.partial
        lifted = partial.lift_rows(slot.column, slot.prefix)
        if partial.running is None or lifted is None:
            return {}
        columns = self.events.rows.select(lifted).get_columns()
        triples = zip(slot.names, columns, partial.components, strict=True)
        return {name: RangeTotals(column, component, partial.running) for name, column, component in triples}

    @cached_property
    def _others(self) -> RangeStates:
        return RangeStates(self.events.rows, [slot for slot in self.layout.slots if slot.start not in self._totals])


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


def _value(states: pl.DataFrame, layout: Layout, output: Output, window: Window) -> pl.Series:
    """A feature's value for each request."""
    function = output.feature.function
    names = [layout.slots[number].names for number in output.slots]
    value = function.finalize_rows(*names)
    if function.current is not None:
        value = function.current.rows(names[0], _moment(window, expires=function.current.expires))
    found = states.lazy().select(pl.when(_FOUND).then(value).alias("value"))
    return found.select(_or_empty(output.feature)).collect()["value"]


def _moment(window: Window, *, expires: bool) -> pl.Expr:
    """What `moment_us` says of a window, for a column of requests."""
    if not expires:
        return pl.col(EDGE) - window.offset_us
    return pl.lit(BEGINNING_US) if window.ttl_us is None else pl.col(READ) - window.ttl_us


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
