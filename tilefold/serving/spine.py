"""A spine: what it must be, and what it asks of a view.

The rule: everything comes from the row itself. A batch view is read at the newest edge that it can have had at a row's time, a
stream view at that time itself or, where its leading edge is the newest event, at that of the source's newest event until then.
A row after now is answered from what the log holds so far.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date

import polars as pl

from tilefold.engine.plan import reads_newest
from tilefold.engine.time import DAY_US, day_of
from tilefold.engine.training import EDGE, READ, REQUEST
from tilefold.errors import InputError, complaint
from tilefold.serving.context import ViewContext
from tilefold.stores.log_snapshot import LogSnapshot

_ROW = "__row"


def checked_spine(spine: object) -> pl.LazyFrame:
    """The spine, lazily; raises InputError where it is no Polars frame."""
    if not isinstance(spine, pl.DataFrame | pl.LazyFrame):
        mend = "Use pl.DataFrame(...), or pl.from_pandas(...)."
        raise InputError(complaint("spine", "it must be a Polars frame", type(spine).__name__, mend))
    return spine.lazy()


def check_names(context: ViewContext, names: Sequence[str], spine: pl.Schema) -> None:
    """Refuse a spine that has a column of a feature's name."""
    if taken := [name for name in names if name in spine]:
        mend = "Rename the spine's column."
        raise InputError(complaint(f"view '{context.view.name}'", "the spine may not hold a feature's name", taken[0], mend))


def check_columns(context: ViewContext, spine: pl.Schema, timestamp: str) -> None:
    """Refuse a spine without a join key or the time, or with one of a wrong type."""
    thing = f"view '{context.view.name}', spine"
    wanted = {field.name: field.dtype for field in context.view.join_keys}
    for name in [*wanted, timestamp]:
        if name not in spine:
            raise InputError(complaint(thing, "it must hold every join key and the timestamp", name, f"Add '{name}'."))
    dtype = spine[timestamp]
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone != "UTC":
        mend = 'Use `.dt.replace_time_zone("UTC")` if the times are UTC, `.dt.convert_time_zone("UTC")` if they have a zone.'
        raise InputError(complaint(thing, f"'{timestamp}' must be a UTC time", str(dtype), mend))
    for name, key_dtype in wanted.items():
        if spine[name] != key_dtype and not (spine[name].is_integer() and key_dtype.is_integer()):
            raise InputError(complaint(thing, f"'{name}' must be {key_dtype}", str(spine[name]), "Cast it."))


def requests_of(context: ViewContext, log: LogSnapshot, spine: pl.DataFrame, timestamp: str) -> pl.DataFrame:
    """What each row asks of a view, as `TrainingGround.values` takes it; `__request` is the number of the row.

    A key that its type cannot hold is null, which no event then has.

    Raises
    ------
    InputError
        If a join key or a time is null.
    """
    view = context.view
    for name in [*context.layout.key_names, timestamp]:
        if spine[name].null_count():
            rule = f"'{name}' must not be null"
            raise InputError(complaint(f"view '{view.name}', spine", rule, None, "Filter these rows."))
    keys = [pl.col(field.name).cast(field.dtype, strict=False) for field in view.join_keys]
    times_us = spine[timestamp].dt.timestamp("us")
    rows = spine.select(*keys, _edges_us(context, log, times_us).alias(EDGE)).with_row_index(REQUEST)
    if view.kind == "batch" and any(window.ttl_us for window in context.windows):  # it expires by the row's own time
        return rows.with_columns(times_us.alias(READ))
    return rows


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
