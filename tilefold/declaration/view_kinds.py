"""The two kinds of feature views, and what they differ in.

The rule: a kind says which source it takes, what its windows must fit, how fine its cells are and whether its function
must work row by row; everything else of a declaration goes one way (`view_resolver`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tilefold.declaration.parameters import AggregationLeadingEdge, BatchViewParameters, StreamViewParameters
from tilefold.declaration.schedule_rules import Times, batch_interval_us, view_times
from tilefold.declaration.sources import BatchSource, Source, StreamSource
from tilefold.declaration.times import common_grid_us
from tilefold.declaration.trailing_edges import view_trailing_edge
from tilefold.declaration.view_parts import Timing
from tilefold.declaration.view_resolver import resolve_view
from tilefold.declaration.views import FeatureView
from tilefold.declaration.window_grids import BatchGrid, StreamGrid
from tilefold.declaration.windows import Window
from tilefold.errors import DeclarationError, complaint


@dataclass(frozen=True, slots=True)
class _Batch:
    """Windows end at the watermark."""

    written: BatchViewParameters
    name: str = "batch"
    source_type: type[Source] = BatchSource
    is_row_by_row: bool = False

    def timing(self, thing: str, source: Source) -> Timing:
        """See `Kind`."""
        interval_us = batch_interval_us(thing, self.written)
        times = view_times(thing, self.written, source, interval_us)
        grid = BatchGrid(times.schedule_us, interval_us, times.lifetime_us)
        return Timing(times, grid, AggregationLeadingEdge.WALL_CLOCK_TIME)

    def cell_us(self, times: Times, windows: Sequence[Window]) -> int:
        """The grid of the schedule, of every window and offset, and of the periods of calendars."""
        sizes_us = [window.size_us for window in windows if window.size_us is not None]
        offsets_us = [window.offset_us for window in windows]
        return common_grid_us([times.schedule_us, *sizes_us, *offsets_us, *_calendar_grids_us(times, windows)])

    def settings(self, leading_edge: str) -> dict[str, object]:
        """See `Kind`; nothing, so that versions stay what they were before there were stream views."""
        del leading_edge
        return {}


@dataclass(frozen=True, slots=True)
class _Stream:
    """Windows end at the read time, or at the newest event of the source."""

    written: StreamViewParameters
    name: str = "stream"
    source_type: type[Source] = StreamSource
    is_row_by_row: bool = True

    def timing(self, thing: str, source: Source) -> Timing:
        """See `Kind`."""
        times = view_times(thing, self.written, source)
        grid = StreamGrid(view_trailing_edge(thing, self.written), times.lifetime_us)
        return Timing(times, grid, _leading_edge(thing, self.written.aggregation_leading_edge))

    def cell_us(self, times: Times, windows: Sequence[Window]) -> int:
        """The grid of the schedule and of every trailing edge; a microsecond where an exact window has an edge."""
        hops_us = [window.hop_us or 1 for window in windows if window.size_us is not None]
        return common_grid_us([times.schedule_us, *hops_us, *_calendar_grids_us(times, windows)])

    def settings(self, leading_edge: str) -> dict[str, object]:
        """See `Kind`."""
        return {"kind": self.name, "leading_edge": leading_edge}


def _calendar_grids_us(times: Times, windows: Sequence[Window]) -> list[int]:
    """Where periods begin for events that count: zones have had other offsets before."""
    calendars = {window.calendar for window in windows if window.calendar is not None}
    return [calendar.grid_us(times.feature_start_us) for calendar in calendars]


def batch_view(written: BatchViewParameters, function: Callable[..., Any]) -> FeatureView:
    """Check the declaration of a batch view and resolve it; raises as `resolve_view`."""
    return resolve_view(_Batch(written), written, function)


def stream_view(written: StreamViewParameters, function: Callable[..., Any]) -> FeatureView:
    """Check the declaration of a stream view and resolve it; raises as `resolve_view`."""
    return resolve_view(_Stream(written), written, function)


def _leading_edge(thing: str, given: object) -> AggregationLeadingEdge:
    if given is None:
        return AggregationLeadingEdge.WALL_CLOCK_TIME
    if isinstance(given, str) and given in set(AggregationLeadingEdge):
        return AggregationLeadingEdge(given)
    mend = 'Use "wall_clock" or "latest_event", or an AggregationLeadingEdge.'
    raise DeclarationError(complaint(thing, "aggregation_leading_edge must be known", given, mend))
