"""Which shard of a stream log an event belongs to.

The rule: the shard is a stable hash of a text modulo the number of shards: of the value that the source is sharded by, or of
the event's id where it is null or the source names no column. Do not change: events of one value stand in one shard.
"""

from typing import Any, cast

import polars as pl
import polars_hash  # noqa: F401  (registers the `nchash` namespace)

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
