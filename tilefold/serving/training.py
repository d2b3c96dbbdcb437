"""Training sets: a spine of join keys and times -> the values that a read would have served then.

The rule: everything comes from the event log; no compaction is needed, and late events are counted as if they had been there.
The spine comes in chunks, and what each view says of it is put aside until all views have been asked (`training_view`); so
memory holds a chunk of the spine and some events, whatever there is of both.
"""

from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from tilefold.engine.training import REQUEST
from tilefold.serving.spine import check_columns, check_names
from tilefold.serving.training_view import VALUES, Selection, ViewPass
from tilefold.stores.spill import Spill

CHUNK_ROWS = 250_000  # of the spine
SPINE = "spine"


def feature_names(selection: Selection) -> list[str]:
    """The columns of a view's wanted features."""
    context, numbers = selection
    return [f"{context.view.name}__{context.view.features[number].name}" for number in numbers]


def features_for_events(selections: Sequence[Selection], spine: pl.LazyFrame, timestamp: str) -> pl.DataFrame:
    """The spine's columns unchanged, then one column `view__feature` each; one row per spine row, in its order.

    Parameters
    ----------
    spine
        The join keys and `timestamp`, a UTC time.

    Raises
    ------
    InputError
        If a column is missing, of a wrong type or null.
    """
    frame = spine.collect()
    return pl.concat(training_chunks(selections, frame.schema, frame.iter_slices(CHUNK_ROWS), timestamp))


def training_chunks(
    selections: Sequence[Selection], schema: pl.Schema, chunks: Iterable[pl.DataFrame], timestamp: str
) -> Iterator[pl.DataFrame]:
    """The same chunk by chunk, an empty one of an empty spine; `schema` is the spine's."""
    names: list[str] = []
    for selection in selections:
        check_columns(selection[0], schema, timestamp)
        check_names(selection[0], feature_names(selection), schema)
        names += feature_names(selection)
    with Spill() as spill:
        count = 0
        for count, chunk in enumerate(chunks, 1):
            spill.add((SPINE, count - 1), chunk)
        if not count:
            spill.add((SPINE, 0), schema.to_frame())
        numbers = range(count or 1)
        for number, selection in enumerate(selections):
            ViewPass(selection, spill, number).run(((chunk, spill.look((SPINE, chunk))) for chunk in numbers), timestamp)
        for place in numbers:
            yield _joined(spill, place, selections)


def _joined(spill: Spill, chunk: int, selections: Sequence[Selection]) -> pl.DataFrame:
    """A chunk of the spine with its values."""
    result = spill.take((SPINE, chunk))
    for number, selection in enumerate(selections):
        values = spill.take((number, VALUES, chunk)).sort(REQUEST).drop(REQUEST)
        values.columns = feature_names(selection)
        result = result.hstack(values)
    return result
