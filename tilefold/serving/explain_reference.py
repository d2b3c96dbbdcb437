"""An explanation's second opinion: what plain Python makes of the entity's events in the event log.

The rule: nothing of tiles, plans or parts is used for the values, only to tell which events the read can have held:

    in the batch part     epoch <= n and time < E
    in the stream part    pushed, at or before the place up to which the part holds its shard
    in neither            it came since; with these left out, the values must be those that were served

The log is read after the parts, once it holds what the stream brought (the caller drains), so it lacks nothing that was read.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import polars as pl

from tilefold.engine.mark import Mark
from tilefold.engine.plan import first_start_us
from tilefold.engine.reference import Event, reference_values
from tilefold.engine.tiles import prepare_events
from tilefold.engine.time import day_of, to_datetime
from tilefold.errors import InputError, complaint
from tilefold.functions import OVERFLOW
from tilefold.functions.base import TIE, TIME
from tilefold.serving.audit_online import same_value
from tilefold.serving.compaction_reach import is_current
from tilefold.serving.context import ViewContext
from tilefold.serving.explained import Explanation, Reference, Verdict
from tilefold.serving.read import Status
from tilefold.stores.event_columns import EPOCH, POSITION, SHARD
from tilefold.stores.log_snapshot import LogSnapshot

EVENTS_MAX = 200_000
"""Of one entity: plain Python goes over each of them once per feature."""
_SERVED = "__served"


def reference_of(context: ViewContext, told: Explanation, held: Mark, stream: bytes | None, end_us: int) -> Reference:
    """What the event log says of the entity's features.

    Parameters
    ----------
    held
        The watermark and epoch that the values were read with.
    stream
        The stream part that they were read from.
    end_us
        As `reference_values` takes it.

    Raises
    ------
    InputError
        If the entity has more than `EVENTS_MAX` events within reach.
    """
    log = context.log.snapshot()
    rows = _rows(context, log, told.keys, held, stream, end_us)
    everything = [_event(row) for row in rows]
    served = [event for event, row in zip(everything, rows, strict=True) if row[_SERVED]]
    features = context.view.features
    values, expected = reference_values(features, everything, end_us), reference_values(features, served, end_us)
    comparable = len(served) == len(everything) and _is_comparable(context, log, held)
    verdicts = {}
    for feature, shown in zip(features, told.features, strict=True):
        agree = [same_value(feature, shown.value, shown.status, must[feature.name], everything) for must in (values, expected)]
        verdicts[shown.name] = _verdict(*agree, comparable=comparable, stale=shown.status is Status.STALE)
    shown_values = {f"{context.view.name}.{name}": None if value is OVERFLOW else value for name, value in values.items()}
    return Reference(to_datetime(end_us), len(everything), len(everything) - len(served), shown_values, verdicts)


def _verdict(agrees: bool, agrees_without_new: bool, *, comparable: bool, stale: bool) -> Verdict:
    if agrees:
        return Verdict.AGREES
    if agrees_without_new:
        return Verdict.NOT_SERVED_YET
    if stale:
        return Verdict.STALE
    return Verdict.DIFFERS if comparable else Verdict.LOG_CHANGED


def _is_comparable(context: ViewContext, log: LogSnapshot, held: Mark) -> bool:
    """Whether what the batch part was built from is what the log holds; what was appended since cannot be told by its place."""
    if not held.epoch:
        return not log.has_unstreamed()
    at = (held.watermark_us, held.epoch)
    return at in context.compacted.partitions() and is_current(context, log, *at)


def _event(row: Mapping[str, Any]) -> Event:
    return Event(row[TIME], row.get(TIE, ""), row)


def _rows(
    context: ViewContext, log: LogSnapshot, keys: Mapping[str, Any], held: Mark, stream: bytes | None, end_us: int
) -> list[dict[str, Any]]:
    """The entity's events in the view's terms, each with whether the read can have held it."""
    places = {} if stream is None else context.stream_codec.decode(stream).positions
    schema = {field.name: field.dtype for field in context.view.join_keys}
    wanted = pl.LazyFrame([keys], schema=schema, strict=False)  # what its type cannot hold is null, and has no events
    start_us = max(first_start_us(context.windows, end_us), context.view.feature_start_us)
    frames = [
        frame.join(wanted, on=context.layout.key_names, how="semi")
        for day in log.days()
        if day_of(start_us) <= day <= day_of(end_us)
        for frame in _day(context, log, day, held, places)
    ]
    if not frames:
        return []
    rows = pl.concat(frames).filter(pl.col(TIME) < end_us + context.is_stream).head(EVENTS_MAX + 1).collect(engine="streaming")
    if rows.height > EVENTS_MAX:
        rule = f"the reference goes over at most {EVENTS_MAX:,} events of one entity"
        mend = "Compare an entity with fewer events, or explain it without the reference."
        raise InputError(complaint(f"view '{context.view.name}'", rule, f"more than {EVENTS_MAX:,}", mend))
    return rows.to_dicts()


def _day(context: ViewContext, log: LogSnapshot, day: date, held: Mark, places: Mapping[int, int]) -> Iterator[pl.LazyFrame]:
    """The view's events of a day in up to three frames: in the stream part, of an epoch of the batch part, of a later one."""
    files = log.days()[day]
    source = context.source_columns
    rows = log.scan_unique(day, list(dict.fromkeys([*source, EPOCH, SHARD, POSITION])))
    if context.is_stream and places and not files.appended_only:
        at = pl.col(SHARD).replace_strict(dict(places), default=-1, return_dtype=pl.Int64)
        included = (pl.col(POSITION) <= at).fill_null(value=False)
        yield _prepared(context, rows.filter(included).select(source), pl.lit(value=True))
        rows = rows.filter(~included)
    if files.epoch_min <= held.epoch:
        yield _prepared(context, rows.filter(pl.col(EPOCH) <= held.epoch).select(source), pl.col(TIME) < held.watermark_us)
    if files.epoch_max > held.epoch:
        yield _prepared(context, rows.filter(pl.col(EPOCH) > held.epoch).select(source), pl.lit(value=False))


def _prepared(context: ViewContext, events: pl.LazyFrame, served: pl.Expr) -> pl.LazyFrame:
    view = context.view
    ready = prepare_events(view.transform(events), context.layout, view.timestamp_field, view.feature_start_us)
    return ready.with_columns(served.alias(_SERVED))
