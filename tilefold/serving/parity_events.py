"""The events behind samples, each told apart by whether a sampled read could see it.

The rule: a read saw a row of the event log where one of its two parts held it, and nothing else:

    in the batch part     epoch <= n and time < E
    in the stream part    pushed, at or before the place up to which the part held its shard
    must have been        pushed, and accepted more than a minute before: a part that lacks it was lost

A view's transformation knows nothing of epochs and places. Where it gives a row for each row, they are put beside its output;
else rows are transformed in classes, within which no sample sees one row and not another.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from tilefold.engine.entity import entity_expr
from tilefold.engine.plan import first_start_us
from tilefold.engine.tiles import prepare_events, tie_expr
from tilefold.engine.time import day_of
from tilefold.functions.base import TIE, TIME
from tilefold.serving.context import ViewContext, transforming
from tilefold.stores import event_columns as log_columns
from tilefold.stores.event_columns import EVENT_ID, POSITION, SHARD
from tilefold.stores.log_snapshot import LogSnapshot
from tilefold.stores.sample_table import ENTITY as ENTITY_TEXT
from tilefold.stores.sample_table import EPOCH, POSITIONS, SAMPLED, WATERMARK

EDGE = "__edge_us"
ENTITY = "__entity"
UPTO_EPOCH, AT_SHARD, UPTO_POSITION, ARRIVED_US = "__upto_epoch", "__shard", "__upto_position", "__arrived_us"
"""Of an event: the least `n` that covers it, its shard, the least place that includes it, and when it came."""
LAG_US = 60_000_000
"""For so long an accepted event may be missing from reads: a writer takes fractions of a second, unless it is behind."""
_NEVER = 2**62
_STEP_US = 10_000_000  # in which arrivals are told apart, rounded up
_TAGS = [UPTO_EPOCH, AT_SHARD, UPTO_POSITION, ARRIVED_US]


def seen_expr(*, is_stream: bool) -> pl.Expr:
    """Whether a sample saw an event, or should have, for a join of both."""
    in_batch = (pl.col(UPTO_EPOCH) <= pl.col(EPOCH)) & (pl.col(TIME) < pl.col(WATERMARK))
    if not is_stream:
        return in_batch
    held = pl.col(POSITIONS).list.get(pl.col(AT_SHARD), null_on_oob=True)
    overdue = pl.col(AT_SHARD).is_not_null() & (pl.col(ARRIVED_US) <= pl.col(SAMPLED) - LAG_US)
    return in_batch | (pl.col(UPTO_POSITION) <= held).fill_null(value=False) | overdue


def days_behind(context: ViewContext, log: LogSnapshot, samples: pl.DataFrame) -> list[date]:
    """The days that some window of these samples reaches."""
    low, high = samples.select(pl.col(EDGE).min().alias("low"), pl.col(EDGE).max().alias("high")).row(0)
    start_us = max(first_start_us(context.windows, low), context.view.feature_start_us)
    return [day for day in log.days() if day_of(min(start_us, high)) <= day <= day_of(high)]


def events_behind(context: ViewContext, log: LogSnapshot, samples: pl.DataFrame) -> pl.DataFrame:
    """The view's events of the sampled entities within reach, made ready and tagged.

    Parameters
    ----------
    samples
        As in the table, with `__edge_us`: where the windows end.

    Returns
    -------
    pl.DataFrame
        The output of the view's transformation, `event_id` (what orders events of one time, where a function asks for it), what
        `prepare_events` adds, the entity's text and the tags.
    """
    wanted, cuts = samples.lazy().select(pl.col(ENTITY_TEXT).alias(ENTITY)).unique(), _Cuts.of(samples)
    frames = []
    for day in days_behind(context, log, samples):
        for frame in _of_day(context, log, day, cuts):
            named = frame.with_columns(entity_expr(context.view.join_keys).alias(ENTITY))
            frames.append(named.join(wanted, on=ENTITY, how="semi"))
    if not frames:
        schema = {column.name: column.dtype for column in context.view.columns}
        empty = pl.LazyFrame(schema=schema | {ENTITY: pl.String()} | dict.fromkeys(_TAGS, pl.Int64()))
        return _ready(context, empty).collect()
    return pl.concat(pl.collect_all(frames, engine="streaming"), how="diagonal")


@dataclass(frozen=True, slots=True)
class _Cuts:
    """Where samples differ in what they could see: the epochs of their marks, by shard their places, when they were served."""

    epochs: np.ndarray
    places: Mapping[int, np.ndarray]
    served_us: tuple[int, int]

    @classmethod
    def of(cls, samples: pl.DataFrame) -> "_Cuts":
        """Those of some samples."""
        shards = samples.select(pl.col(POSITIONS).list.len().max()).item() or 0
        places = {}
        for shard in range(shards):
            held = samples.select(pl.col(POSITIONS).list.get(shard, null_on_oob=True).unique().sort()).to_series()
            places[shard] = held.drop_nulls().to_numpy()
        served = samples.select(pl.col(SAMPLED).min().alias("first"), pl.col(SAMPLED).max().alias("last")).row(0)
        return cls(samples[EPOCH].unique().sort().to_numpy(), places, served)

    def tagged(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of the log with their tags; of what was pushed long before all samples, or after them, not when it came."""
        positions = rows[POSITION].fill_null(0).to_numpy()
        upto = np.full(rows.height, _NEVER, np.int64)
        for shard, places in self.places.items():
            inside = rows[SHARD].eq_missing(shard).to_numpy()
            upto[inside] = _at_least(places, positions[inside])
        came = pl.col(log_columns.INGESTED_AT).dt.timestamp("us")
        stepped = (-(-came // _STEP_US) * _STEP_US).clip(self.served_us[0] - LAG_US, self.served_us[1])
        return rows.with_columns(
            pl.Series(UPTO_EPOCH, _at_least(self.epochs, rows[log_columns.EPOCH].to_numpy())),
            pl.col(SHARD).cast(pl.Int64).alias(AT_SHARD),
            pl.Series(UPTO_POSITION, upto),
            pl.when(pl.col(SHARD).is_not_null()).then(stepped).otherwise(came).alias(ARRIVED_US),
        )


def _at_least(cuts: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The least cut that is not below each number; a number that none reaches if there is none."""
    return np.append(cuts, _NEVER)[np.searchsorted(cuts, numbers)].astype(np.int64)


def _of_day(context: ViewContext, log: LogSnapshot, day: date, cuts: _Cuts) -> Iterator[pl.LazyFrame]:
    """The view's events of a day, made ready and tagged."""
    source, own = context.source_columns, [log_columns.EPOCH, SHARD, POSITION, log_columns.INGESTED_AT]
    rows = cuts.tagged(log.scan_unique(day, list(dict.fromkeys([*source, *own]))).collect())
    with transforming(context.view):
        output = context.view.transform(rows.lazy().select(source)).collect()
    if _is_row_for_row(rows, output, context):
        if context.layout.ordered and EVENT_ID not in output.columns:
            output = output.with_columns(output.lazy().select(tie_expr(output.lazy()).alias(EVENT_ID)).collect().to_series())
        yield _ready(context, output.with_columns(rows.select(_TAGS).get_columns()).lazy())
        return
    for key, part in rows.partition_by(_TAGS, as_dict=True, include_key=False).items():
        tags = [pl.lit(value, pl.Int64).alias(name) for name, value in zip(_TAGS, key, strict=True)]
        yield _ready(context, context.view.transform(part.lazy().select(source))).with_columns(tags)


def _is_row_for_row(rows: pl.DataFrame, output: pl.DataFrame, context: ViewContext) -> bool:
    """Whether the output has a row for each row, in their order, as far as their times tell."""
    own, given = context.view.timestamp_field, context.log.timestamp
    return context.is_stream and rows.height == output.height and bool((rows[given] == output[own]).all())


def _ready(context: ViewContext, output: pl.LazyFrame) -> pl.LazyFrame:
    view = context.view
    ready = prepare_events(output, context.layout, view.timestamp_field, view.feature_start_us)
    return ready.with_columns(pl.col(TIE).alias(EVENT_ID)) if context.layout.ordered else ready
