"""What a sampled read leaves, as a row of the view's table of samples.

The rule: nothing is worked out while the read is served; statuses and values as they were told are made here, later.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl

from tilefold.engine.stream_codec import places_of
from tilefold.serving.context import ViewContext
from tilefold.serving.read import ViewReader, ViewValues, shown
from tilefold.stores.sample_table import FACTS


class Noted(NamedTuple):
    """What a read leaves: nothing is worked out yet. `head` is the beginning of its stream part, up to its places."""

    reader: ViewReader
    key: bytes
    head: bytes | None
    row: ViewValues
    sampled_us: int


def rows_of(context: ViewContext, noted: Sequence[Noted]) -> pl.DataFrame:
    """Samples as rows of the view's table."""
    facts = pl.DataFrame([_facts(each) for each in noted], schema=FACTS, orient="row")
    numbers = {feature.name: number for number, feature in enumerate(noted[0].reader.features)}
    columns = []
    for feature, (name, dtype) in zip(context.view.features, context.sampled_columns.items(), strict=True):
        number = numbers.get(feature.name)
        values = [None if number is None else shown(each.row.values[number]) for each in noted]
        columns.append(pl.Series(name, values, dtype=dtype, strict=False))
    return facts.with_columns(columns)


def _facts(noted: Noted) -> tuple[Any, ...]:
    row, reader = noted.row, noted.reader
    assert row.held is not None, "only what is ready is sampled"
    entity = noted.key.decode()[len(reader.prefix) :]
    log, places = (None, {}) if noted.head is None else places_of(noted.head)
    positions = [places.get(shard, -1) for shard in range(max(places, default=-1) + 1)]
    statuses = {feature.name: str(row.status(number)) for number, feature in enumerate(reader.features)}
    own = [statuses.get(feature.name, "NOT_READY") for feature in reader.context.view.features]
    return noted.sampled_us, row.time.read_us, row.time.end_us, *row.held, entity, log, positions, own
