"""Which shard of a stream log an event belongs to.

The rule: the shard is a stable hash of a text modulo the number of shards: of the value that the source is sharded by, or of
the event's id where it is null or the source names no column. Do not change: events of one value stand in one shard.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import polars as pl
import polars_hash  # noqa: F401  (registers the `nchash` namespace)
from xxhash import xxh3_64_intdigest

from tilefold.stores.event_columns import EVENT_ID
from tilefold.stores.stream_payload import wire_type


def shards_of(rows: pl.DataFrame, shard_by: str | None, shards: int) -> list[int]:
    """The shard of each row.

    Parameters
    ----------
    rows
        Hold `event_id` and the column `shard_by`.
    """
    text = pl.col(EVENT_ID)
    if shard_by is not None:
        text = pl.coalesce(pl.col(shard_by).cast(wire_type(rows.schema[shard_by])).cast(pl.String), text)
    hashed = cast("Any", text).nchash.xxh3_64()
    return rows.select((hashed % shards).alias("shard"))["shard"].to_list()


def plain_shards(columns: pl.Schema, shard_by: str | None, shards: int) -> Callable[[Sequence[Any], str], int]:
    """Tells the shard of one event, of physical values in the schema's order and its id: the same as `shards_of`."""
    if shard_by is None:
        return lambda _, event_id: xxh3_64_intdigest(event_id.encode()) % shards
    number, dtype = list(columns).index(shard_by), wire_type(columns[shard_by])
    to_text: Callable[[Any], str] = str if dtype == pl.String or dtype.is_integer() else _polars_text(dtype)

    def shard_of(values: Sequence[Any], event_id: str) -> int:
        text = event_id if values[number] is None else to_text(values[number])
        return xxh3_64_intdigest(text.encode()) % shards

    return shard_of


def _polars_text(dtype: pl.DataType) -> Callable[[Any], str]:
    """The text of a value as Polars writes it, which for floats is not Python's."""
    return lambda value: str(pl.Series([value], dtype=dtype).cast(pl.String)[0])
