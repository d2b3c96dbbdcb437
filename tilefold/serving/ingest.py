"""Pushed events on their way into the stream log.

The rule: an event is refused by itself, with a reason, and the others are accepted; what is accepted or refused is in the log,
durable, before the receipt is returned. Refused events travel through the log too, to the table of dead letters.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from xxhash import xxh3_64_intdigest

from tilefold.declaration.sources import StreamSource
from tilefold.engine.time import DAY_US, day_of, span_us, to_us
from tilefold.serving.reports import Receipt, Refused
from tilefold.serving.screening import Pushed, Records, RecordScreen, Rules, Screened, as_json
from tilefold.serving.screening_frames import record_of, screen_frame
from tilefold.stores.stream_log import Kind, NewEntry, StreamLog
from tilefold.stores.stream_payload import encode_refused


class Intake:
    """Takes the pushed events of one source.

    Parameters
    ----------
    columns
        The source's columns in the types that its event log keeps.
    keys
        The columns that must not be null, beside the timestamp.
    """

    def __init__(self, source: StreamSource, columns: pl.Schema, keys: Sequence[str], log: StreamLog) -> None:
        config = source.stream_config
        self._log, self._size_bytes_max = log, config.record_bytes_max
        self._skew_us, self._horizon_us = source.max_future_skew_us, span_us(config.dedupe_horizon)
        self._rules = Rules(
            columns, source.timestamp_field, keys, config.shard_by, log.shards, size_bytes_max=config.record_bytes_max
        )
        self._records = RecordScreen(self._rules)

    def accept(self, given: pl.DataFrame | Records, now: datetime) -> Receipt:
        """Accept events that arrive now; returns when they are durable.

        Raises
        ------
        StoreFullError
            The log has no room. Nothing is acknowledged; what of it was written is a duplicate when it is sent again.
        StoreUnavailableError
            The log does not answer. Likewise.
        """
        now_us = to_us(now)
        screened = self._screened(given, now_us)
        events = [NewEntry(Kind.EVENT, shard, event_id, payload) for shard, event_id, _, payload in screened.pushed]
        letters = [self._letter(given, each, now_us) for each in screened.refused]
        positions = self._log.append([*events, *letters])
        return self._receipt(screened.pushed, screened.refused, positions, now_us)

    def looked_at(self, given: pl.DataFrame | Records, now: datetime) -> Receipt:
        """What `accept` would say now, but for duplicates, which it alone knows; nothing is written."""
        now_us = to_us(now)
        screened = self._screened(given, now_us)
        late = sum(each.time_us < now_us - self._horizon_us for each in screened.pushed)
        return Receipt(accepted=len(screened.pushed), duplicate=0, refused=screened.refused, late=late)

    def _screened(self, given: pl.DataFrame | Records, now_us: int) -> Screened:
        latest_us = now_us + self._skew_us
        if isinstance(given, pl.DataFrame):
            return screen_frame(given, self._rules, now_us, latest_us)
        return self._records.screen(given, now_us, latest_us)

    def _letter(self, given: pl.DataFrame | Records, refused: Refused, now_us: int) -> NewEntry:
        """A refused event as the log keeps it: its record is cut to what an accepted one may have."""
        row, limit = refused.index, self._size_bytes_max
        record = record_of(given, row) if isinstance(given, pl.DataFrame) else given[row]
        payload = encode_refused(refused.reason, as_json(record, limit), now_us)
        event_id = (refused.event_id or "")[:limit]
        return NewEntry(Kind.REFUSED, xxh3_64_intdigest(payload) % self._log.shards, event_id, payload)

    def _receipt(
        self, pushed: Sequence[Pushed], refused: list[Refused], positions: Sequence[int | None], now_us: int
    ) -> Receipt:
        fresh = [(each, place) for each, place in zip(pushed, positions, strict=False) if place is not None]
        days = sorted({each.time_us // DAY_US for each, _ in fresh})
        return Receipt(
            accepted=len(fresh),
            duplicate=len(pushed) - len(fresh),
            refused=refused,
            days=tuple(day_of(day * DAY_US) for day in days),
            late=sum(each.time_us < now_us - self._horizon_us for each, _ in fresh),
            positions=places_behind(self._log, [each.shard for each in pushed], positions[: len(pushed)]),
        )


def places_behind(log: StreamLog, shards: Sequence[int], positions: Sequence[int | None]) -> dict[int, int]:
    """Of each shard a position at or before which all of these events stand; None is one that was accepted before.

    Where such a one stands is not known: its first sender may have been killed before it was visible, so all that its shard
    holds counts.
    """
    behind: dict[int, int] = {}
    ends = log.ends() if None in positions else {}
    for shard, position in zip(shards, positions, strict=True):
        behind[shard] = max(ends[shard].position if position is None else position, behind.get(shard, 0))
    return behind
