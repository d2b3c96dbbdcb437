"""From events to the rows of a view's stream parts, by entity.

The rule: a row is one event as the view's transformation gives it, lifted into the partial states that tiles are made of: the
same transformation, the same ties and the same algebra as in the batch. What no window can ever hold (before the feature start)
and what has no key is left out; the latter is counted.
"""

from collections import defaultdict
from functools import partial
from itertools import chain

import polars as pl

from tilefold.engine.entity import entity_expr
from tilefold.engine.secondary import INPUT
from tilefold.engine.stream_part import Row
from tilefold.engine.tiles import prepare_events
from tilefold.functions.base import TIE, TIME
from tilefold.functions.plain import physical_dtype
from tilefold.serving.context import ViewContext, transforming

_ENTITY = "__entity"
_new_row = partial(tuple.__new__, Row)  # of three values: `Row(...)` takes several times as long

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
        self._records = [name for by in context.layout.by_secondary for name in by.inputs]
        self._schema = {column.name: column.dtype for column in context.view.columns}
        self._lifts = [(slot.partial.lift_all, places.get(slot.column)) for slot in context.layout.slots]

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
        inputs = [self._input(name).alias(f"__{name}") for name in self._inputs]
        with transforming(view):
            rows = prepared.select(entity, TIME, tie.alias(TIE), *inputs).collect()
        in_order = rows[TIME].is_sorted()  # as few events mostly are: to sort them costs as much as the rest
        return self._lifted(rows if in_order else rows.sort(TIME, maintain_order=True))

    def _input(self, name: str) -> pl.Expr:
        """What a slot sees of an event, as physical values: a column, or of a secondary key a record of all that it needs."""
        if name == INPUT:
            return pl.struct(self._physical(column) for column in self._records)
        return self._physical(name)

    def _physical(self, name: str) -> pl.Expr:
        return pl.col(name).cast(physical_dtype(self._schema[name]))

    def _lifted(self, frame: pl.DataFrame) -> Rows:
        if missing := frame[_ENTITY].null_count():
            self.without_key += missing
            frame = frame.filter(pl.col(_ENTITY).is_not_null())
        rows: Rows = defaultdict(list)
        if not frame.height:
            return rows
        entities, times, ties, *inputs = (column.to_list() for column in frame.iter_columns())
        columns = chain.from_iterable(
            lift_all(times if place is None else inputs[place], times, ties) for lift_all, place in self._lifts
        )
        made = map(_new_row, zip(times, times, zip(*columns, strict=True), strict=True))
        for entity, row in zip(entities, made, strict=True):
            rows[entity].append(row)
        return rows
