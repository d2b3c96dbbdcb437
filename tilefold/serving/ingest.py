"""Pushed events on their way into the stream log.

The rule: an event is refused by itself, with a reason, and the others are accepted; what is accepted or refused is in the log,
durable, before the receipt is returned. Refused events travel through the log too, to the table of dead letters.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from xxhash import xxh3_64_intdigest

from tilefold.declaration.sources import StreamSource
from tilefold.engine.time import span_us, to_us
from tilefold.serving.reports import Receipt, Refused
from tilefold.serving.screening import Records, Rules, Screened, screen
from tilefold.stores.event_columns import EVENT_ID
from tilefold.stores.event_ids import row_ids
from tilefold.stores.stream_log import Kind, NewEntry, StreamLog
from tilefold.stores.stream_payload import encode_refused, encode_rows
from tilefold.stores.stream_shards import shards_of

_ROW = "__row"


def ingest(
    source: StreamSource,
    columns: pl.Schema,
    keys: Sequence[str],
    log: StreamLog,
    given: pl.DataFrame | Records,
    now: datetime,
) -> Receipt:
    """Accept events of a source; returns when they are durable.

    Parameters
    ----------
    columns
        The source's columns in the types that its event log keeps.
    keys
        The columns that must not be null, beside the timestamp.
    given
        Events, with or without `event_id`.
    now
        The time of arrival.

    Raises
    ------
    StoreFullError
        The log has no room. Nothing is acknowledged; what of it was written is a duplicate when it is sent again.
    StoreUnavailableError
        The log does not answer. Likewise.
    """
    now_us = to_us(now)
    rules = Rules(columns, source.timestamp_field, keys, now_us + source.max_future_skew_us)
    screened = screen(given, rules)
    accepted = _accepted(screened, columns)
    payloads = encode_rows(accepted, columns, now_us)
    fitting = _fitting(source, screened, accepted, payloads)
    accepted = accepted[fitting]
    shards = shards_of(accepted, source.stream_config.shard_by, log.shards)
    events = [
        NewEntry(Kind.EVENT, shard, event_id, payloads[row])
        for shard, event_id, row in zip(shards, accepted[EVENT_ID], fitting, strict=True)
    ]
    refused = screened.refused()
    positions = log.append([*events, *_refused_entries(source, screened, refused, log.shards, now_us)])
    return _receipt(source, accepted, refused, shards, positions, now_us)


def _accepted(screened: Screened, columns: pl.Schema) -> pl.DataFrame:
    """The rows without a reason, all with an id; `__row` is their place among the given."""
    rows = screened.rows.with_row_index(_ROW)
    if screened.reasons:
        rows = rows.filter(~pl.col(_ROW).is_in(list(screened.reasons)))
    ids = rows[EVENT_ID]
    if not ids.null_count():
        return rows
    hashed = row_ids(rows, columns)
    return rows.with_columns(ids.zip_with(ids.is_not_null(), hashed).alias(EVENT_ID))


def _fitting(source: StreamSource, screened: Screened, rows: pl.DataFrame, payloads: Sequence[bytes]) -> list[int]:
    """The numbers of the rows that are not too large; the others are refused."""
    limit = source.stream_config.record_bytes_max
    sizes = [len(payload) + len(event_id.encode()) for payload, event_id in zip(payloads, rows[EVENT_ID], strict=True)]
    for number, size in enumerate(sizes):
        if size > limit:
            reason = f"the record must have at most {limit} bytes, as set by record_bytes_max; got {size}"
            screened.refuse([rows[_ROW][number]], reason)
    return [number for number, size in enumerate(sizes) if size <= limit]


def _refused_entries(
    source: StreamSource, screened: Screened, refused: Sequence[Refused], shards: int, now_us: int
) -> list[NewEntry]:
    """The refused events as the log keeps them: their records are cut to what an accepted one may have."""
    limit = source.stream_config.record_bytes_max
    entries = []
    for each in refused:
        payload = encode_refused(each.reason, screened.record(each.index, limit), now_us)
        event_id = (each.event_id or "")[:limit]
        entries.append(NewEntry(Kind.REFUSED, xxh3_64_intdigest(payload) % shards, event_id, payload))
    return entries


def _receipt(
    source: StreamSource,
    rows: pl.DataFrame,
    refused: list[Refused],
    shards: Sequence[int],
    positions: Sequence[int | None],
    now_us: int,
) -> Receipt:
    fresh = [number for number, position in enumerate(positions[: rows.height]) if position is not None]
    times = rows[source.timestamp_field][fresh]
    days = tuple(times.dt.date().unique().sort())
    horizon_us = span_us(source.stream_config.dedupe_horizon)
    late = int((times.dt.timestamp("us") < now_us - horizon_us).sum())
    last: dict[int, int] = {}
    for number in fresh:
        position = positions[number]
        assert position is not None
        last[shards[number]] = max(position, last.get(shards[number], 0))
    return Receipt(len(fresh), rows.height - len(fresh), refused, days, late, last)
