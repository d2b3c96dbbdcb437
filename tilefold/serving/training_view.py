"""What one view says of a whole spine.

The rule: keys come in buckets, and each event is read once: from the log into its key's bucket, where there are several of them
put aside, then bucket by bucket. Memory holds the events of a bucket, however many there are of all.

    spine chunks -> requests --.
                               |-- bucket by bucket --> values of each chunk, put aside
    event log    -> events   --'
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from math import ceil

import polars as pl

from tilefold.engine.layout import Layout, narrowed
from tilefold.engine.sorted_events import KEY, needed_columns, sort_events
from tilefold.engine.tiles import timed_events
from tilefold.engine.time import day_of
from tilefold.engine.training import EDGE, REQUEST, TrainingGround, asked_events, numbered, numbered_entities
from tilefold.engine.windows import reach_us
from tilefold.serving.building import source_events
from tilefold.serving.context import ViewContext, transforming
from tilefold.serving.progress import ProgressBar
from tilefold.serving.spine import requests_of
from tilefold.stores.log_snapshot import LogSnapshot
from tilefold.stores.spill import Spill

VALUES = "values"
BUCKET_BYTES = 1_000_000_000  # about what the events of a bucket may take, with all that is made of them
READ_ROWS = 4_000_000  # of the log at once, where there are several buckets
_REQUESTS, _EVENTS, _BUCKET = "requests", "events", "__bucket"
_ROW_BYTES, _NUMBER_BYTES, _OTHER_BYTES = 64, 24, 64

Selection = tuple[ViewContext, Sequence[int]]
"""A view and the numbers of its wanted features."""


@dataclass(frozen=True)
class _Asked:
    """All requests of a spine, seen from afar.

    Attributes
    ----------
    chunks
        How many the spine came in.
    entities
        Each that is asked for, with a number.
    low_us, high_us
        The first and the last edge; None where there is no request.
    """

    chunks: int
    entities: pl.DataFrame
    low_us: int | None
    high_us: int | None


class ViewPass:
    """Asks a view for the values of a spine, and puts them aside as `(number, VALUES, chunk)`."""

    def __init__(self, selection: Selection, spill: Spill, number: int) -> None:
        self._context, numbers = selection
        self._view, self._spill, self._number = self._context.view, spill, number
        self._layout: Layout = narrowed(self._context.layout, numbers)

    @cached_property
    def _log(self) -> LogSnapshot:
        """The log at one version for all chunks."""
        return self._context.log.snapshot()

    def run(self, chunks: Iterable[tuple[int, pl.DataFrame]], timestamp: str) -> None:
        """Put the values of every chunk aside.

        Raises
        ------
        InputError
            If a join key or a time is null, or the view's function fails.
        """
        asked = self._ask(chunks, timestamp)
        groups, buckets = self._planned(asked)
        with ProgressBar(f"{self._view.name}: events read, keys asked", len(groups) + buckets) as bar:
            for chunk in range(asked.chunks):
                requests = numbered(self._spill.take((self._number, _REQUESTS, chunk)), asked.entities, self._layout)
                self._put(_REQUESTS, chunk, requests, buckets)
            for days in groups:
                self._put(_EVENTS, None, self._events(days, asked.entities), buckets)
                bar.step()
            for bucket in range(buckets):
                self._answer(bucket, asked)
                bar.step()

    def _ask(self, chunks: Iterable[tuple[int, pl.DataFrame]], timestamp: str) -> _Asked:
        """Put the requests of every chunk aside."""
        keys, edges, count = pl.DataFrame(), [], 0
        nothing = {REQUEST: pl.get_index_type(), **{each.feature.name: each.feature.dtype for each in self._layout.outputs}}
        for chunk, spine in chunks:
            requests = requests_of(self._context, self._log, spine, timestamp)
            edges += [edge for edge in (requests[EDGE].min(), requests[EDGE].max()) if isinstance(edge, int)]
            found = requests.select(self._layout.key_names).unique()
            keys = pl.concat([keys, found]).unique() if count else found
            self._spill.add((self._number, _REQUESTS, chunk), requests)
            self._spill.add((self._number, VALUES, chunk), pl.DataFrame(schema=nothing))
            count += 1
        return _Asked(count, numbered_entities(keys, self._layout), min(edges, default=None), max(edges, default=None))

    def _planned(self, asked: _Asked) -> tuple[list[list[date]], int]:
        """The days that some window reaches, in groups that are read at once, and the number of buckets, a power of two."""
        if asked.low_us is None or asked.high_us is None:
            return [], 0
        reach = reach_us({window for output in self._layout.outputs for window in output.feature.windows})
        first = None if reach is None else day_of(asked.low_us - reach)
        last = day_of(asked.high_us - (self._view.kind == "batch"))  # whose edge is not counted itself
        held = {day: files.rows for day, files in self._log.days().items() if day <= last and (first is None or day >= first)}
        dtypes = {column.name: column.dtype for column in self._view.columns}
        columns = [dtypes.get(name, pl.String()) for name in needed_columns(self._layout)]
        row_bytes = _ROW_BYTES + sum(_NUMBER_BYTES if dtype.is_numeric() else _OTHER_BYTES for dtype in columns)
        buckets = 1 << (ceil(max(sum(held.values()) * row_bytes / BUCKET_BYTES, 1)) - 1).bit_length()
        return [list(held)] if buckets == 1 else _grouped(held), buckets

    def _events(self, days: Sequence[date], entities: pl.DataFrame) -> pl.DataFrame:
        """What states are made of, of these days' events of the entities that are asked for."""
        outputs = [self._view.transform(source_events(self._context, self._log, day)) for day in days]
        nothing = pl.LazyFrame(schema={column.name: column.dtype for column in self._view.columns})
        events = pl.concat(outputs) if outputs else nothing
        timed = timed_events(events, self._layout, self._view.timestamp_field, self._view.feature_start_us)
        with transforming(self._view):
            return asked_events(timed, entities, self._layout).collect()

    def _put(self, what: str, chunk: int | None, rows: pl.DataFrame, buckets: int) -> None:
        """Put rows aside by the buckets of their keys."""
        if buckets < 2:  # noqa: PLR2004 - nothing to divide
            self._spill.add((self._number, what, 0, chunk), rows)
            return
        divided = rows.with_columns((pl.col(KEY) % buckets).alias(_BUCKET)).partition_by(
            _BUCKET, as_dict=True, include_key=False
        )
        for (bucket,), part in divided.items():
            self._spill.add((self._number, what, bucket, chunk), part)

    def _answer(self, bucket: int, asked: _Asked) -> None:
        """Put the values of a bucket's keys aside, chunk by chunk."""
        wanted = [chunk for chunk in range(asked.chunks) if self._spill.holds((self._number, _REQUESTS, bucket, chunk))]
        if not wanted:
            return
        ground = TrainingGround(sort_events(self._events_of(bucket, asked), asked.entities.height, self._layout), self._layout)
        for chunk in wanted:
            values = ground.values(self._spill.take((self._number, _REQUESTS, bucket, chunk)))
            self._spill.add((self._number, VALUES, chunk), values)

    def _events_of(self, bucket: int, asked: _Asked) -> pl.DataFrame:
        name = (self._number, _EVENTS, bucket, None)
        return self._spill.take(name) if self._spill.holds(name) else self._events([], asked.entities)


def _grouped(held: dict[date, int]) -> list[list[date]]:
    """Days in order, in groups of about `READ_ROWS`."""
    groups: list[list[date]] = []
    until = 0
    for day, rows in held.items():
        if not groups or until + rows > READ_ROWS:
            groups.append([])
            until = 0
        groups[-1].append(day)
        until += rows
    return groups
