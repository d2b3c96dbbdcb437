"""From events to the rows of a view's stream parts, by entity.

The rule: a row is one event as the view's transformation gives it, lifted into the partial states that tiles are made of: the
same transformation, the same ties and the same algebra as in the batch. What no window can ever hold (before the feature start)
and what has no key is left out; the latter is counted.
"""

from collections import defaultdict
from itertools import chain
from typing import Any

import polars as pl

from tilefold.engine.entity import entity_expr
from tilefold.engine.stream_part import Row
from tilefold.engine.tiles import prepare_events
from tilefold.functions.base import TIE, TIME
from tilefold.functions.plain import physical_dtype
from tilefold.serving.context import ViewContext, transforming

_ENTITY = "__entity"

Rows = dict[str, list[Row]]


class ViewRows:
    """Makes rows of one view.

    Attributes
    ----------
    without_key
        How many events were left out since their join keys were null.
    """

    def __init__(self, context: ViewContext) -> None:
        self._context = context
        self.without_key = 0
        inputs = {slot.column: None for slot in context.layout.slots if slot.column}
        self._inputs = list(inputs)
        places = {name: number for number, name in enumerate(self._inputs)}
        self._lifts = [(slot.partial.lift, places.get(slot.column)) for slot in context.layout.slots]

    def of(self, events: pl.DataFrame, *, since_us: int | None = None, only: pl.Expr | None = None) -> Rows:
        """The rows of source events, by the text of their entity.

        Parameters
        ----------
        events
            The source's columns and `event_id`; others are not looked at.
        since_us
            Leave out rows before this time, beside those before the feature start.
        only
            Which rows of the view's output to take.

        Raises
        ------
        InputError
            If the view's function fails on them.
        """
        view, layout = self._context.view, self._context.layout
        given = events.lazy().select(self._context.source_columns)
        output = view.transform(given) if only is None else view.transform(given).filter(only)
        start_us = view.feature_start_us if since_us is None else max(since_us, view.feature_start_us)
        prepared = prepare_events(output, layout, view.timestamp_field, start_us)
        tie = pl.col(TIE) if layout.ordered else pl.lit(None, dtype=pl.String)
        entity = entity_expr(layout.join_keys).alias(_ENTITY)
        schema = {column.name: column.dtype for column in view.columns}
        inputs = [pl.col(name).cast(physical_dtype(schema[name])).alias(f"__{name}") for name in self._inputs]
        with transforming(view):
            rows = prepared.select(entity, TIME, tie.alias(TIE), *inputs).collect()
        return self._lifted(rows)

    def _lifted(self, frame: pl.DataFrame) -> Rows:
        lifts = self._lifts
        rows: Rows = defaultdict(list)
        for entity, time_us, tie, *values in frame.iter_rows():
            if entity is None:
                self.without_key += 1
                continue
            states: list[tuple[Any, ...]] = [
                lift(None if place is None else values[place], time_us, tie) for lift, place in lifts
            ]
            rows[entity].append(Row(time_us, time_us, tuple(chain.from_iterable(states))))
        return rows
