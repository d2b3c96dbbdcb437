"""What a seeding reads of the event log, in frames: one day of one bucket at a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date

from tilefold.engine.entity import bucket_expr
from tilefold.engine.stream_part import Row
from tilefold.serving.context import ViewContext
from tilefold.serving.stream_rows import ViewRows
from tilefold.stores.event_columns import EPOCH
from tilefold.stores.stream_log import Place


class FramedHistory:
    """The rows of one view in the event log's newest version."""

    def __init__(self, context: ViewContext) -> None:
        self._context, self._rows = context, ViewRows(context)
        self._snapshot = context.log.snapshot()
        self.buckets = context.tile_table().buckets

    def drained(self, incarnation: str, shards: Iterable[int]) -> dict[int, Place]:
        """See `History`."""
        return self._snapshot.drained(incarnation, shards)

    def days(self) -> Mapping[date, int]:
        """See `History`."""
        return {day: files.epoch_max for day, files in self._snapshot.days().items()}

    def rows(
        self, day: date, bucket: int, since_us: Callable[[int], int | None]
    ) -> Iterator[tuple[int, Mapping[str, list[Row]]]]:
        """See `History`."""
        only = None if self.buckets == 1 else bucket_expr(self._context.layout.join_keys, self.buckets) == bucket
        events = self._snapshot.scan_unique(day).collect()
        for (epoch,), some in events.partition_by(EPOCH, as_dict=True).items():
            yield int(epoch), self._rows.of(some, since_us=since_us(int(epoch)), only=only)
