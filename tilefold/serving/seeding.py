"""Seeding: writes all stream parts of a view anew, from the event log.

The rule: a view takes a log's stream from a place before which its stream parts hold everything that its batch parts do not.
Where it never took it, or the store or the log was lost, a sync writes such parts itself: of the rows that the event log holds,
those at or after the watermark or of a later epoch than the mark, at the drained places. The places count from the commit of
the mark on, in the same step, and the writer goes on behind them. A token lets the last seeding alone write: two that mix their
parts would start from different places.
"""

import secrets
from collections.abc import Iterator, Mapping
from datetime import date

import polars as pl

from tilefold.engine.entity import bucket_expr
from tilefold.engine.mark import Mark
from tilefold.engine.merge import is_covered
from tilefold.engine.stream_part import Row, StreamPart
from tilefold.engine.time import DAY_US, day_start_us
from tilefold.serving.context import ViewContext
from tilefold.serving.stream_rows import ViewRows
from tilefold.serving.stream_view import drawn_revision
from tilefold.stores.event_columns import EPOCH
from tilefold.stores.log_snapshot import DayFiles, LogSnapshot
from tilefold.stores.online_store import OnlineStore
from tilefold.stores.stream_log import StreamLog
from tilefold.stores.stream_parts import TOKEN_BYTES, Seeded, Taken, log_number

KEYS_PER_BATCH = 2_000


def needs_seed(context: ViewContext, online: OnlineStore, log: StreamLog) -> bool:
    """Whether the view does not take this log, or takes it from a place that the log has trimmed."""
    taken = online.streams.taken(context.view.name, context.view.version)
    if taken is None or taken.log != log_number(log.incarnation):
        return True
    starts = log.starts()
    return any(shard not in taken.places or taken.places[shard].position < start for shard, start in starts.items())


def note_newest(context: ViewContext, online: OnlineStore, snapshot: LogSnapshot) -> int | None:
    """Let the store know of the newest event of the log, before any part holds it; the newest one that it knows."""
    newest_us, source = snapshot.newest_us(context.log.timestamp), context.view.source.name
    if newest_us is not None:
        online.streams.note_latest(source, newest_us)
    return online.streams.latest(source)


class Seeding:
    """One seeding of a view's stream parts.

    Parameters
    ----------
    base
        What stands in batch parts at least: the committed mark, or where there is none that of the sync that seeds.
    now_us
        The clock, for which rows of busy keys are settled.
    """

    def __init__(self, context: ViewContext, online: OnlineStore, log: StreamLog, base: Mark, now_us: int) -> None:
        self._context, self._online, self._base, self._now_us = context, online, base, now_us
        self._token = secrets.token_bytes(TOKEN_BYTES)
        self._log = log_number(log.incarnation)
        self._rows = ViewRows(context)
        online.streams.begin_seed(context.view.name, context.view.version, self._token)
        self._snapshot = context.log.snapshot()  # after `begin_seed`: an earlier seeding has an earlier one
        self._places = self._snapshot.drained(log.incarnation, range(log.shards))
        self._from_us = note_newest(context, online, self._snapshot) if context.ends_at_newest else None
        self._written: set[bytes] = set()

    def write(self) -> Seeded | None:
        """Write all parts, and remove those of keys that have none any more; None where another seeding has taken over."""
        buckets = self._context.tile_table().buckets
        if not all(self._write_bucket(number, buckets) for number in range(buckets)) or not self._clear_others():
            return None
        return Seeded(self._token, Taken(self._log, self._places))

    def _clear_others(self) -> bool:
        """Whatever wrote them (another log, a hand), what they hold is not in the event log, or in batch parts by now."""
        view = self._context.view
        there = self._online.scan_entities(view.name, view.version)
        others = (key for key in there if key not in self._written)
        return self._online.streams.clear(view.name, view.version, self._token, others)

    def _write_bucket(self, bucket: int, buckets: int) -> bool:
        parts: dict[str, StreamPart] = {}
        for epoch, rows in self._day_rows(bucket, buckets):
            for entity, some in rows.items():
                part = parts.get(entity)
                if part is None:
                    part = parts[entity] = self._empty()
                self._context.stream_folder.add(part, epoch, some)
        names = list(parts)
        starts = range(0, len(names), KEYS_PER_BATCH)
        return all(self._write_parts(names[start : start + KEYS_PER_BATCH], parts) for start in starts)

    def _empty(self) -> StreamPart:
        positions = {shard: place.position for shard, place in self._places.items()}
        return StreamPart(self._log, drawn_revision(), positions)

    def _write_parts(self, names: list[str], parts: Mapping[str, StreamPart]) -> bool:
        view, context = self._context.view, self._context
        for name in names:
            context.stream_folder.tidy(parts[name], self._base, self._now_us, self._from_us)
        keys = [self._online.entity_key(view.name, view.version, name) for name in names]
        blobs = [context.stream_codec.encode(parts[name]) for name in names]
        self._written.update(keys)
        return self._online.streams.seed(view.name, view.version, self._token, keys, blobs, context.ttl_ms)

    def _day_rows(self, bucket: int, buckets: int) -> Iterator[tuple[int, Mapping[str, list[Row]]]]:
        """The rows that batch parts do not hold, by epoch."""
        of_bucket = None if buckets == 1 else bucket_expr(self._context.layout.join_keys, buckets) == bucket
        for day, files in self._snapshot.days().items():
            if self._is_wanted(day, files):
                yield from self._epoch_rows(day, of_bucket)

    def _is_wanted(self, day: date, files: DayFiles) -> bool:
        later = day_start_us(day) + DAY_US > self._base.watermark_us
        return later or not is_covered(files.epoch_max, self._base)

    def _epoch_rows(self, day: date, of_bucket: pl.Expr | None) -> Iterator[tuple[int, Mapping[str, list[Row]]]]:
        events = self._snapshot.scan_unique(day).collect()
        for (epoch,), some in events.partition_by(EPOCH, as_dict=True).items():
            since_us = self._base.watermark_us if is_covered(int(epoch), self._base) else None
            yield int(epoch), self._rows.of(some, since_us=since_us, only=of_bucket)
