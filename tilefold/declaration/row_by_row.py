"""A function that works row by row: what becomes of an event does not depend on which others come with it.

The rule: it is run on made-up events all at once, in another order and one by one, and must return the same rows, in any
order. So a filter, a projection or a derived column passes; grouping, `over`, `shift`, `unique` and `head` do not. An event
that the function cannot take even alone (a text that is no number) tells nothing and is left out. Times stay in the event's
own UTC day, by which tiles are kept. Stream views must have such functions.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from tilefold.declaration.sample_events import sample_events
from tilefold.declaration.sources import Source
from tilefold.declaration.transformation import ShapeError, Transformation, brief
from tilefold.errors import DeclarationError, InputError, complaint
from tilefold.types import Field

_RULE = "the function {} must work row by row"
_MEND = "Only filter rows, choose columns and derive columns from those of the same row; aggregates are features."
_DAY_RULE = "the function {} must leave each event's time in the event's own UTC day"
_DAY_MEND = "Shift or replace times where events enter the source."
_FAILURES = (InputError, pl.exceptions.PolarsError)


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried out.

    Attributes
    ----------
    thing
        What errors name: the view.
    columns, timestamp_field
        What the function returns, and which of it is the event's time.
    literals
        The constants that the function's code names.
    start_us
        Around which time events are made up.
    """

    thing: str
    transformation: Transformation
    source: Source
    columns: Sequence[Field]
    timestamp_field: str
    literals: Iterable[object]
    start_us: int

    def run(self, events: pl.DataFrame) -> pl.DataFrame:
        """What the function returns."""
        return self.transformation.run(events.lazy(), self.columns).collect()


def check_shape(trial: Trial) -> None:
    """Run the function on made-up events; raises `ShapeError` if what it returns cannot be right, whatever the events hold."""
    try:
        trial.run(_sample(trial))
    except ShapeError:
        raise
    except _FAILURES:
        return  # made-up events that it cannot take tell nothing


def _sample(trial: Trial) -> pl.DataFrame:
    schema = {column.name: column.dtype for column in trial.source.schema or ()}
    return sample_events(schema, trial.source.timestamp_field, trial.literals, trial.start_us)


def check_row_by_row(trial: Trial, whose: str) -> None:
    """Try the function out.

    Parameters
    ----------
    whose
        What asks for it, as errors say: `of a stream view`.

    Raises
    ------
    DeclarationError
        If events that come together change what becomes of them, or one is moved to another day.
    """
    sample = _sample(trial)
    taken = {
        number: rows for number in range(sample.height) if (rows := _alone(trial, sample[number : number + 1])) is not None
    }
    for number, rows in taken.items():
        _check_day(trial, whose, sample[trial.source.timestamp_field][number : number + 1], rows[trial.timestamp_field])
    _check_together(trial, whose, sample[list(taken)], sum((_counted(rows) for rows in taken.values()), Counter()))


def _alone(trial: Trial, event: pl.DataFrame) -> pl.DataFrame | None:
    """What becomes of an event; None where the function cannot take it."""
    try:
        return trial.run(event)
    except _FAILURES:
        return None


def _counted(rows: pl.DataFrame) -> Counter[str]:
    """Rows as texts, since NaN is not equal to itself."""
    return Counter(map(repr, rows.rows()))


def _check_together(trial: Trial, whose: str, events: pl.DataFrame, alone: Counter[str]) -> None:
    for together in (events, events.reverse()):
        try:
            found = _counted(trial.run(together))
        except _FAILURES as error:
            value = f"{together.height} events at once: {brief(error)}"
            raise DeclarationError(complaint(trial.thing, _RULE.format(whose), value, _MEND)) from error
        if found != alone:
            value = f"{found.total()} rows of {together.height} events at once, {alone.total()} of the same one by one"
            if found.total() == alone.total():
                value = f"{next(iter(found - alone))} among {together.height} events at once, not one by one"
            raise DeclarationError(complaint(trial.thing, _RULE.format(whose), value, _MEND))


def _check_day(trial: Trial, whose: str, time: pl.Series, returned: pl.Series) -> None:
    moved = returned.filter(returned.dt.date() != time.dt.date()[0])
    if len(moved):
        value = f"{time[0]} to {moved[0]}"
        raise DeclarationError(complaint(trial.thing, _DAY_RULE.format(whose), value, _DAY_MEND))
