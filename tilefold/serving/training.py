"""Training sets: a spine of join keys and times -> the values that a read would have served then.

The rule: everything comes from the event log; no compaction is needed, and late events are counted as if they had been there.
A batch view is read at the newest edge that it can have had at a row's time, a stream view at that time itself or, where its
leading edge is the newest event, at that of the source's newest event until then.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date

import polars as pl

from tilefold.engine.plan import reads_newest
from tilefold.engine.time import DAY_US, day_of
from tilefold.engine.training import EDGE, READ, REQUEST, training_values
from tilefold.engine.windows import reach_us
from tilefold.errors import InputError, complaint
from tilefold.serving.building import source_events
from tilefold.serving.context import ViewContext, transforming
from tilefold.stores.log_snapshot import LogSnapshot

_ROW = "__row"


def checked_spine(spine: object) -> pl.DataFrame:
    """The spine in memory; raises InputError where it is no Polars frame."""
    if not isinstance(spine, pl.DataFrame | pl.LazyFrame):
        mend = "Use pl.DataFrame(...), or pl.from_pandas(...)."
        raise InputError(complaint("spine", "it must be a Polars frame", type(spine).__name__, mend))
    return spine.lazy().collect()


def features_for_events(
    selections: Sequence[tuple[ViewContext, Sequence[int]]], spine: pl.DataFrame, timestamp: str
) -> pl.DataFrame:
    """The spine's columns unchanged, then one column `view__feature` each; one row per spine row, in its order.

    Parameters
    ----------
    selections
        Views and the numbers of their wanted features.
    spine
        The join keys and `timestamp`, a UTC time.

    Raises
    ------
    InputError
        If a column is missing, of a wrong type or null.
    """
    result = spine
    for context, numbers in selections:
        values = _view_values(context, spine, timestamp)
        features = [context.view.features[number] for number in numbers]
        names = [f"{context.view.name}__{feature.name}" for feature in features]
        _check_free(context, spine, names)
        result = result.with_columns(values[f.name].alias(name) for f, name in zip(features, names, strict=True))
    return result


def _check_free(context: ViewContext, spine: pl.DataFrame, names: Sequence[str]) -> None:
    if taken := [name for name in names if name in spine.columns]:
        mend = "Rename the spine's column."
        raise InputError(complaint(f"view '{context.view.name}'", "the spine may not hold a feature's name", taken[0], mend))


def _view_values(context: ViewContext, spine: pl.DataFrame, timestamp: str) -> pl.DataFrame:
    """One row per spine row: the view's features."""
    view, layout = context.view, context.layout
    keyed = _checked(context, spine, timestamp)
    log = context.log.snapshot()
    edges = _edges_us(context, log, keyed[timestamp].dt.timestamp("us"))
    known = [*layout.key_names, EDGE]
    rows = keyed.select(*layout.key_names, edges.alias(EDGE)).with_row_index(_ROW)
    if view.kind == "batch" and any(window.ttl_us for window in context.windows):  # it expires by the row's own time
        rows = rows.with_columns(keyed[timestamp].dt.timestamp("us").alias(READ))
        known.append(READ)
    requests = rows.select(known).unique(maintain_order=True).with_row_index(REQUEST)
    if not requests.height:
        return pl.DataFrame(schema={feature.name: feature.dtype for feature in view.features})
    events = _events(context, log, requests)
    with transforming(view):
        values = training_values(events, requests, layout, view.timestamp_field, view.feature_start_us)
    numbered = rows.join(requests, on=known, how="left", maintain_order="left", nulls_equal=True)
    return numbered.select(_ROW, REQUEST).join(values, on=REQUEST, how="left", maintain_order="left")


def _edges_us(context: ViewContext, log: LogSnapshot, times_us: pl.Series) -> pl.Series:
    """At which time the windows of each row are read."""
    view = context.view
    if view.kind == "batch":
        return (times_us - view.data_delay_us) // view.schedule_us * view.schedule_us
    if not reads_newest(view):
        return times_us
    newest = _newest_us(context, log, times_us)
    asked = times_us.alias("asked").to_frame().with_row_index(_ROW).sort("asked")
    found = asked.join_asof(newest.alias("newest").to_frame(), left_on="asked", right_on="newest").sort(_ROW)
    return found.select(pl.coalesce("newest", "asked")).to_series()  # before every event any time gives empty windows


def _newest_us(context: ViewContext, log: LogSnapshot, times_us: pl.Series) -> pl.Series:
    """Among these times, ascending, is the newest event of the source at or before each time asked."""
    held, name = sorted(log.days()), context.log.timestamp
    wanted: set[date] = set()
    for number in (times_us // DAY_US).unique():
        place = bisect_right(held, day_of(number * DAY_US))
        wanted |= {*held[max(place - 2, 0) : place]}  # the day itself, where it holds events, and the last one before it
    scans = [log.scan_unique(day, [name]).select(pl.col(name).dt.timestamp("us")) for day in sorted(wanted)]
    return pl.concat(scans).collect().to_series().unique().sort() if scans else pl.Series([], dtype=pl.Int64)


def _events(context: ViewContext, log: LogSnapshot, requests: pl.DataFrame) -> pl.LazyFrame:
    """The view's output for the days that some request's windows reach."""
    edges = requests.select(pl.col(EDGE).min().alias("low"), pl.col(EDGE).max().alias("high")).row(0)
    reach = reach_us(context.windows)
    first = None if reach is None else day_of(edges[0] - reach)
    last = day_of(edges[1] - (context.view.kind == "batch"))  # whose edge is not counted itself
    days = [day for day in log.days() if day <= last and (first is None or day >= first)]
    outputs = [context.view.transform(source_events(context, log, day)) for day in days]
    if outputs:
        return pl.concat(outputs)
    return pl.LazyFrame(schema={column.name: column.dtype for column in context.view.columns})


def _checked(context: ViewContext, spine: pl.DataFrame, timestamp: str) -> pl.DataFrame:
    """The spine's join keys and time, in the view's types; null where the type cannot hold a key, which no event then has."""
    thing = f"view '{context.view.name}', spine"
    wanted = {field.name: field.dtype for field in context.view.join_keys}
    for name in [*wanted, timestamp]:
        if name not in spine.columns:
            raise InputError(complaint(thing, "it must hold every join key and the timestamp", name, f"Add '{name}'."))
        if spine[name].null_count():
            raise InputError(complaint(thing, f"'{name}' must not be null", None, "Filter these rows."))
    dtype = spine.schema[timestamp]
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone != "UTC":
        mend = 'Use `.dt.replace_time_zone("UTC")` if the times are UTC, `.dt.convert_time_zone("UTC")` if they have a zone.'
        raise InputError(complaint(thing, f"'{timestamp}' must be a UTC time", str(dtype), mend))
    for name, key_dtype in wanted.items():
        if spine.schema[name] != key_dtype and not (spine.schema[name].is_integer() and key_dtype.is_integer()):
            raise InputError(complaint(thing, f"'{name}' must be {key_dtype}", str(spine.schema[name]), "Cast it."))
    return spine.select(*(pl.col(name).cast(dtype, strict=False) for name, dtype in wanted.items()), timestamp)
