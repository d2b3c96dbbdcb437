"""Audits of the online store: what is served is what the events say, and no key is ahead of its view.

The rule: the values that are compared come from the naive reference over raw events; nothing of tiles, plans or parts is used.
A sample takes keys from the newest, the oldest and some day between, so that new, settled and busy keys are among them.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from tilefold.declaration.features import Feature
from tilefold.engine.layout import EVENTS
from tilefold.engine.mark import Mark
from tilefold.engine.reference import Event, agree, reference_values
from tilefold.engine.tiles import prepare_events
from tilefold.engine.time import to_us
from tilefold.functions import OVERFLOW
from tilefold.functions.base import TIE, TIME
from tilefold.serving.building import source_events
from tilefold.serving.compaction_reach import built_reads, days_in_reach, is_current
from tilefold.serving.context import ViewContext
from tilefold.serving.read import FeatureVector, Status, shown
from tilefold.stores.log_snapshot import LogSnapshot
from tilefold.stores.online_store import OnlineStore

SAMPLE_EVENTS = 200_000  # of all sampled keys together: plain Python goes over each of them once per feature
Keys = Mapping[str, Any]
Read = Callable[[Sequence[Keys]], list[FeatureVector]]


@dataclass(frozen=True, slots=True)
class StampAudit:
    """How many keys were looked at, and which have a part newer than any sync that is committed or has begun."""

    keys: int
    ahead: tuple[str, ...]


def audit_stamps(context: ViewContext, online: OnlineStore, count: int) -> StampAudit:
    """Compare the stamps of some keys with the view's mark."""
    name, version = context.view.name, context.view.version
    stamps = list(online.sample_stamps(name, version, count))
    begun = online.begun(name, version)  # after the stamps and before the mark: a sync that commits is seen in one of them
    mark = online.mark(name, version)
    known = [*begun, *([mark] if mark else [])]
    ahead = [key.decode() for key, stamp in stamps if not any(each.at_or_above(stamp) for each in known)]
    return StampAudit(len(stamps), tuple(ahead))


@dataclass(frozen=True, slots=True)
class SampleAudit:
    """How many keys and values were compared, and which values are wrong.

    `mark` is None where nothing is served; `current` is False where the log or the mark has moved on since, and nothing was
    compared.
    """

    mark: Mark | None
    current: bool
    keys: int = 0
    values: int = 0
    wrong: tuple[str, ...] = ()


def audit_sample(context: ViewContext, online: OnlineStore, read: Read, count: int, seed: int) -> SampleAudit:
    """Compare what some keys are served with the reference.

    Parameters
    ----------
    read
        Reads entities of the view, in the order asked.
    seed
        Chooses the keys.
    """
    mark = online.mark(context.view.name, context.view.version)
    log = context.log.snapshot()
    if mark is None or not _holds(context, log, mark):
        return SampleAudit(mark, current=False)
    keys = _bounded(context, mark, _sampled(context, log, mark, count, random.Random(seed)))  # noqa: S311 - a sample, no secret
    vectors = read(keys.to_dicts()) if keys.height else []
    if _has_moved(context, online, mark):
        return SampleAudit(mark, current=False)
    events = _events(context, log, mark, keys)
    rows = zip(keys.iter_rows(), vectors, strict=True)
    wrong = [
        text for entity, vector in rows for text in differences(context, entity, events.get(entity), vector, mark.watermark_us)
    ]
    return SampleAudit(mark, True, keys.height, keys.height * len(context.view.features), tuple(wrong))


def _holds(context: ViewContext, log: LogSnapshot, mark: Mark) -> bool:
    """Whether the compaction that is served is kept, and built from the events that the log holds."""
    at = (mark.watermark_us, mark.epoch)
    return at in context.compacted.partitions() and is_current(context, log, *at)


def _has_moved(context: ViewContext, online: OnlineStore, mark: Mark) -> bool:
    """Whether a newer sync may have written some of the keys that were read: it has begun, or it has committed by now."""
    begun = online.begun(context.view.name, context.view.version)  # before the mark: a sync that commits is seen in one of them
    return any(not mark.at_or_above(each) for each in begun) or online.mark(context.view.name, context.view.version) != mark


def _days(context: ViewContext, log: LogSnapshot, mark: Mark) -> list[date]:
    first, last = days_in_reach(context, built_reads(context, mark.watermark_us, mark.epoch))
    return [day for day in log.days() if first <= day < last]


def _sampled(context: ViewContext, log: LogSnapshot, mark: Mark, count: int, drawn: random.Random) -> pl.DataFrame:
    """Keys of some days' events."""
    days = _days(context, log, mark)
    chosen = {days[0], days[-1], drawn.choice(days)} if days else set()
    frames = [view_events(context, log, day).select(context.layout.key_names).collect() for day in sorted(chosen)]
    each = -(-count // max(len(frames), 1))
    picks = [frame.sample(min(each, frame.height), seed=drawn.randrange(2**32)) for frame in frames]
    names = context.layout.key_names
    return pl.concat(picks).unique(maintain_order=True) if picks else context.layout.tile_schema.to_frame().select(names)


def _bounded(context: ViewContext, mark: Mark, keys: pl.DataFrame) -> pl.DataFrame:
    """As many of the keys as together have no more events than are worth going over, the quietest first."""
    names = context.layout.key_names
    parts = context.compacted.scan(mark.watermark_us, mark.epoch).select(*names, EVENTS).collect()
    counted = keys.join(parts, on=names, how="left").with_columns(pl.col(EVENTS).fill_null(0)).sort(EVENTS, *names)
    return counted.filter(pl.col(EVENTS).cum_sum() <= SAMPLE_EVENTS).select(names)


def view_events(context: ViewContext, log: LogSnapshot, day: date) -> pl.LazyFrame:
    """The view's events of a day, made ready as tiles are built from them: that is where ties are ordered."""
    view = context.view
    output = view.transform(source_events(context, log, day))
    return prepare_events(output, context.layout, view.timestamp_field, view.feature_start_us)


def _events(context: ViewContext, log: LogSnapshot, mark: Mark, keys: pl.DataFrame) -> dict[tuple[Any, ...], list[Event]]:
    """All events below the watermark, by key."""
    names = context.layout.key_names
    days = _days(context, log, mark)
    if not days or not keys.height:
        return {}
    frames = [view_events(context, log, day).join(keys.lazy(), on=names, how="semi") for day in days]
    rows = pl.concat(frames).filter(pl.col(TIME) < mark.watermark_us).collect(engine="streaming")
    return events_by_key(rows, names)


def events_by_key(rows: pl.DataFrame, names: Sequence[str]) -> dict[tuple[Any, ...], list[Event]]:
    """Rows that were made ready, as the reference takes them."""
    events: dict[tuple[Any, ...], list[Event]] = {}
    for row in rows.iter_rows(named=True):
        events.setdefault(tuple(row[name] for name in names), []).append(Event(row[TIME], row.get(TIE, ""), row))
    return events


def differences(
    context: ViewContext, entity: tuple[Any, ...], events: list[Event] | None, vector: FeatureVector, at_us: int
) -> list[str]:
    """What is wrong with the values of one entity, read at a time."""
    view, held = context.view, events or []
    read_us = to_us(vector.read_at) if view.kind == "batch" else at_us
    expected = reference_values(view.features, held, at_us, read_us)
    wrong = []
    for feature in view.features:
        name = f"{view.name}.{feature.name}"
        value, must = vector.values[name], expected[feature.name]
        if not same_value(feature, value, vector.statuses[name], must, held):
            wrong.append(
                f"{dict(zip(context.layout.key_names, entity, strict=True))}: {feature.name} is {value!r}, not {must!r}"
            )
    return wrong


def same_value(feature: Feature, value: Any, status: Status, must: Any, events: Sequence[Event]) -> bool:
    """Whether a served value is what the reference says it must be; floats relative to the sum of the events' inputs."""
    if must is OVERFLOW:
        return status is Status.OVERFLOW
    return agree(value, shown(must), _scale(feature, events))


def _scale(feature: Feature, events: Sequence[Event]) -> float:
    """What floats are compared relative to: the sum of absolute inputs, squared for variances."""
    if feature.input_column is None or feature.input_dtype is None or not feature.input_dtype.is_numeric():
        return 0.0
    values = [event.columns[feature.input_column] for event in events]
    total = float(sum(abs(value) for value in values if value is not None and value == value))  # noqa: PLR0124 - NaN
    return total**2 if feature.function.label.startswith("var") else total
