"""The audit of what a stream view serves now, while events go on coming.

The rule: values are compared of those keys alone that nothing happened to while the audit looked:

    drain, to places P  ->  wait until P is in all stream parts  ->  read  ->  drain again

A key whose events all lie at or before P was read with all of them, and the log holds them. One with an event behind P is left
out. What they are compared with is the naive reference over the log, as in `audit_online`.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from tilefold.engine.mark import Mark
from tilefold.engine.plan import first_start_us
from tilefold.engine.time import day_of, to_us
from tilefold.errors import StoreUnavailableError
from tilefold.functions.base import TIME
from tilefold.serving.audit_online import (
    SAMPLE_EVENTS,
    Read,
    SampleAudit,
    differences,
    events_by_key,
    view_events,
)
from tilefold.serving.context import ViewContext
from tilefold.serving.read import FeatureVector, Status
from tilefold.serving.reports import DrainReport
from tilefold.serving.stream_desk import StreamDesk
from tilefold.stores.event_columns import DATE, EPOCH, ORIGIN, POSITION, SHARD, STREAMED
from tilefold.stores.log_snapshot import LogSnapshot
from tilefold.stores.stream_log import Place

WAIT_S = 5.0
"""How long the audit waits for a writer that is behind."""
Places = Mapping[int, Place]


@dataclass(frozen=True, slots=True)
class StreamedView:
    """A stream view as its audit needs it: the desk of its source, its mark, a drain of its stream, reads of it."""

    context: ViewContext
    desk: StreamDesk
    mark: Mark | None
    drain: Callable[[], DrainReport]
    read: Read


def audit_stream(served: StreamedView, count: int, seed: int) -> SampleAudit:
    """Compare what some keys are served now with the reference; `current` is False where nothing can be compared."""
    context, mark = served.context, served.mark
    places = served.drain().places
    log = context.log.snapshot()
    if not served.desk.takes(context.view) or _has_unserved(log, mark) or not _is_written(served.desk, places):
        return SampleAudit(mark, current=False)
    keys = _sampled(context, log, count, random.Random(seed))  # noqa: S311 - a sample, no secret
    vectors = served.read(keys.to_dicts()) if keys.height else []
    if not vectors:
        return SampleAudit(mark, current=True)
    at_us = _time_of(vectors[0])
    served.drain()
    held = _held(context, context.log.snapshot(), keys, places, at_us)
    wrong, compared = [], 0
    for entity, vector in zip(keys.iter_rows(), vectors, strict=True):
        if entity in held and Status.STALE not in vector.statuses.values():
            compared += 1
            wrong += differences(context, entity, held[entity], vector, at_us)
    return SampleAudit(mark, True, compared, compared * len(context.view.features), tuple(wrong))


def _has_unserved(log: LogSnapshot, mark: Mark | None) -> bool:
    """Whether the log holds events that did not come by the stream and that no compaction has taken in: reads lack them."""
    appended = log.pinned.files.filter(pl.col(ORIGIN) != STREAMED)
    if mark is None:
        return not appended.is_empty()
    later = (pl.col(f"{EPOCH}_max") > mark.epoch) | (pl.col(DATE) >= day_of(mark.watermark_us))
    return bool(appended.select(later.any()).item())


def _is_written(desk: StreamDesk, places: Places) -> bool:
    """Whether all stream parts come to hold the stream up to these places in time."""
    try:
        desk.make_visible({shard: place.position for shard, place in places.items()}, wait=True, timeout_s=WAIT_S)
    except StoreUnavailableError:
        return False
    return True


def _sampled(context: ViewContext, log: LogSnapshot, count: int, drawn: random.Random) -> pl.DataFrame:
    """Keys of the newest day, of the oldest and of one between."""
    start = day_of(context.view.feature_start_us)
    days = [day for day in log.days() if day >= start]
    chosen = {days[0], days[-1], drawn.choice(days)} if days else set[date]()
    names = context.layout.key_names
    frames = [view_events(context, log, day).select(names).unique(maintain_order=True).collect() for day in sorted(chosen)]
    each = -(-count // max(len(frames), 1))
    picks = [frame.sample(min(each, frame.height), seed=drawn.randrange(2**32)) for frame in frames]
    return pl.concat(picks).unique(maintain_order=True) if picks else context.layout.tile_schema.to_frame().select(names)


def _time_of(vector: FeatureVector) -> int:
    """Where the windows of a read end."""
    time = next(iter(vector.effective_times.values()))
    assert time is not None, "a view that takes the stream is ready"
    return to_us(time)


def _held(
    context: ViewContext, log: LogSnapshot, keys: pl.DataFrame, places: Places, at_us: int
) -> dict[tuple[Any, ...], list[Any]]:
    """The events of those keys that had none behind these places; the quietest first, as many as are worth going over."""
    names, start_us = context.layout.key_names, first_start_us(context.windows, at_us)
    days = [day for day in log.days() if day >= day_of(max(start_us, context.view.feature_start_us))]
    frames = [view_events(context, log, day).join(keys.lazy(), on=names, how="semi") for day in days]
    rows = pl.concat(frames).collect(engine="streaming") if frames else pl.DataFrame()
    events = events_by_key(rows.filter(pl.col(TIME) <= at_us), names) if frames else {}
    moved = set(_behind(context, log, days, places).iter_rows())
    found: dict[tuple[Any, ...], list[Any]] = {}
    left = SAMPLE_EVENTS
    for entity in sorted(set(keys.iter_rows()) - moved, key=lambda each: len(events.get(each, ()))):
        left -= len(events.get(entity, ()))
        if left >= 0:
            found[entity] = events.get(entity, [])
    return found


def _behind(context: ViewContext, log: LogSnapshot, days: Sequence[date], places: Places) -> pl.DataFrame:
    """The keys that have events behind these places."""
    names = context.layout.key_names
    drained = pl.col(SHARD).replace_strict({shard: place.position for shard, place in places.items()}, default=-1)
    rows = log.scan(days, [*context.source_columns, SHARD, POSITION]).filter(pl.col(POSITION) > drained)
    return context.view.transform(rows.select(context.source_columns)).select(names).unique().collect()
