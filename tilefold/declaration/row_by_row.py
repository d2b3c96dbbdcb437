"""A stream view's function works row by row: what becomes of an event does not depend on which others come with it.

The rule: it is run on made-up events all at once, in another order and one by one, and must return the same rows, in any
order. So a filter, a projection or a derived column passes; grouping, `over`, `shift`, `unique` and `head` do not. An event
that the function cannot take even alone (a text that is no number) tells nothing and is left out.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import polars as pl

from tilefold.declaration.sample_events import sample_events
from tilefold.declaration.sources import Source
from tilefold.declaration.transformation import Transformation, brief
from tilefold.errors import DeclarationError, InputError, complaint
from tilefold.types import Field

_RULE = "the function of a stream view must work row by row"
_MEND = "Only filter rows, choose columns and derive columns from those of the same row; aggregates are features."
_Rows = Counter[str]


def check_row_by_row(
    thing: str,
    transformation: Transformation,
    source: Source,
    columns: Sequence[Field],
    literals: Iterable[object],
    start_us: int,
) -> None:
    """Try the function out; `thing` is what errors name, `literals` the constants that its code names.

    Raises
    ------
    DeclarationError
        If events that come together change what becomes of them.
    """
    schema = {column.name: column.dtype for column in source.schema or ()}
    sample = sample_events(schema, source.timestamp_field, literals, start_us)
    events, alone = _alone(transformation, sample, columns)
    for together in (events, events.reverse()):
        try:
            found = _rows(transformation, together, columns)
        except (InputError, pl.exceptions.PolarsError) as error:
            raise DeclarationError(
                complaint(thing, _RULE, f"{together.height} events at once: {brief(error)}", _MEND)
            ) from error
        if found != alone:
            value = f"{found.total()} rows of {together.height} events at once, {alone.total()} of the same one by one"
            if found.total() == alone.total():
                value = f"{next(iter(found - alone))} among {together.height} events at once, not one by one"
            raise DeclarationError(complaint(thing, _RULE, value, _MEND))


def _alone(transformation: Transformation, sample: pl.DataFrame, columns: Sequence[Field]) -> tuple[pl.DataFrame, _Rows]:
    """The events that the function takes alone, and the rows that it makes of each."""
    taken: list[int] = []
    rows: _Rows = Counter()
    for number in range(sample.height):
        try:
            rows += _rows(transformation, sample[number : number + 1], columns)
        except (InputError, pl.exceptions.PolarsError):  # this event tells nothing; the others may
            continue
        taken.append(number)
    return sample[taken], rows


def _rows(transformation: Transformation, events: pl.DataFrame, columns: Sequence[Field]) -> _Rows:
    """What the function returns, as texts: NaN is not equal to itself."""
    return Counter(map(repr, transformation.run(events.lazy(), columns).collect().rows()))
