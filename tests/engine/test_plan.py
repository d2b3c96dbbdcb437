"""The plan: where tiles are cut, for batch views at the watermark, for stream views wherever an edge may be."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.effort import examples
from tests.engine.stream_drawing import BEGIN_US, Drawn, drawn_parts
from tilefold.declaration.windows import Window
from tilefold.engine.plan import Plan, ReadSpan, Zone, at_watermark, cuts_us, first_start_us, plan_of, read_span
from tilefold.engine.time import DAY_US
from tilefold.engine.windows import BEGINNING_US, bounds_us

RELAXED = settings(deadline=None, max_examples=examples(200), suppress_health_check=list(HealthCheck))
HOUR_US = DAY_US // 24
EDGE = 100 * DAY_US
NESTED = [Window(DAY_US), Window(7 * DAY_US), Window(30 * DAY_US), Window(None)]
TWO_DAYS = ReadSpan(EDGE, EDGE, EDGE + 2 * DAY_US)


@dataclass(frozen=True)
class Times:
    """What a view says of its reads."""

    kind: str
    leading_edge: str
    valid_for_us: int


def test_cuts() -> None:
    """Tiles of a batch view are cut at every window's start and end below the watermark, and nowhere else."""
    moved = Window(7 * DAY_US, DAY_US)
    assert [cut // DAY_US for cut in cuts_us([*NESTED, moved], EDGE)] == [70, 92, 93, 99]
    assert cuts_us([Window(None)], EDGE) == []
    assert first_start_us([*NESTED[:2], moved], EDGE) == 92 * DAY_US


def test_batch_reads() -> None:
    """A part of a batch view answers the one edge at its watermark."""
    assert read_span(Times("batch", "wall_clock", 2 * DAY_US), EDGE) == at_watermark(EDGE) == ReadSpan(EDGE, EDGE, EDGE)
    assert plan_of(NESTED, at_watermark(EDGE)).zones == ()


@pytest.mark.parametrize(
    ("leading_edge", "newest", "start"),
    [
        ("wall_clock", EDGE - 5, EDGE),
        ("latest_event", EDGE - 5, EDGE - 5),
        ("latest_event", EDGE + 5, EDGE),
        ("latest_event", None, EDGE),
        ("latest_event", 0, 0),
    ],
)
def test_stream_reads(leading_edge: str, newest: int | None, start: int) -> None:
    """A part of a stream view answers from its watermark on, or from an earlier newest event where that is the edge."""
    view = Times("stream", leading_edge, 2 * DAY_US)
    assert read_span(view, EDGE, newest) == ReadSpan(EDGE, start, EDGE + 2 * DAY_US)


def test_zones() -> None:
    """A window with a hop is cut at each of its starts, an exact one at each microsecond; a lifetime at its own start.

    beginning        E-30d .. E-28d            E-1h .. E
    |----------------|1|2|3| .. |--------------|.......|
    """
    plan = plan_of([Window(30 * DAY_US, hop_us=HOUR_US), Window(None, hop_us=0)], TWO_DAYS)
    assert plan == Plan(EDGE, BEGINNING_US, (), (Zone(EDGE - 30 * DAY_US, EDGE - 28 * DAY_US, HOUR_US),))
    exact = plan_of([Window(HOUR_US, hop_us=0)], TWO_DAYS)
    assert exact == Plan(EDGE, EDGE - HOUR_US + 1, (), (Zone(EDGE - HOUR_US + 1, EDGE - 1, 1),))
    life = Window(None, lifetime_start_us=7 * DAY_US, hop_us=0)
    assert plan_of([life], TWO_DAYS) == Plan(EDGE, 7 * DAY_US, (7 * DAY_US,), ())


def test_both_edges_of_a_moved_window() -> None:
    """A window that is moved back is cut at its end too, on its grid or at each microsecond."""
    on_grid = Window(5 * DAY_US, 3 * DAY_US, hop_us=DAY_US, ends_on_grid=True)
    assert plan_of([on_grid], TWO_DAYS).zones == (
        Zone(EDGE - 8 * DAY_US, EDGE - 6 * DAY_US, DAY_US),
        Zone(EDGE - 3 * DAY_US, EDGE - DAY_US, DAY_US),
    )
    exact = Window(5 * DAY_US, DAY_US, hop_us=0)
    assert plan_of([exact], TWO_DAYS).zones == (
        Zone(EDGE - 6 * DAY_US + 1, EDGE - 4 * DAY_US + 1, 1),
        Zone(EDGE - DAY_US + 1, EDGE - 1, 1),
    )


def test_segments() -> None:
    """Segments are told apart by points and zones together, in order of time."""
    plan = Plan(EDGE, 0, (10, 50), (Zone(20, 40, 10),))
    times = np.array([5, 9, 10, 19, 20, 29, 30, 40, 49, 50, 60])
    assert plan.segments(times).tolist() == [0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 5]


@RELAXED
@given(drawn_parts(max_events=0))
def test_the_cuts_are_the_edges(drawn: Drawn) -> None:
    """Segments change exactly at the times where some window begins or ends for some read, and grow with time."""
    plan, edges = plan_of(drawn.windows, drawn.reads), drawn.edges()
    first = max(min([*edges, BEGIN_US]), BEGIN_US - 1_000)
    times = range(first - 2, drawn.reads.watermark_us)
    found = plan.segments(np.array(times)).tolist()
    for (one, other), (segment, following) in zip(pairwise(times), pairwise(found), strict=True):
        assert segment <= following
        assert (segment < following) == (bisect_right(edges, one) < bisect_right(edges, other)), other


@RELAXED
@given(drawn_parts(max_events=0))
def test_the_first_start(drawn: Drawn) -> None:
    """No window of any read begins before the plan's start, and one begins there."""
    times = range(drawn.reads.from_us, drawn.reads.until_us + 1)
    starts = [bounds_us(window, at)[0] for window in drawn.windows for at in times]
    assert plan_of(drawn.windows, drawn.reads).start_us == min(starts)
